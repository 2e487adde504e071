"""Quantizes times to what a score can show, and divides voices into note values.

Times are in ticks, 24 per quarter note, which has integers for binary and triplet divisions: 3
ticks are a 32nd note, 8 ticks an eighth-note triplet.

A *cell* is a span that is subdivided as a whole: a quarter note, or an eighth note where the
denominator of the meter is above 4. ``triplets`` maps the start of each cell, or half cell, in
triplets to its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

TICKS = 24  # per quarter note
SHORTEST = 3  # a 32nd note

# Plain and dotted note values, from a 32nd note to a double whole note.
_VALUES = frozenset({3, 6, 12, 24, 48, 96, 192, 9, 18, 36, 72, 144})


class Note(NamedTuple):
    """A note from ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    pitch: int


class Measure(NamedTuple):
    """A measure from ``start`` to ``end`` (exclusive). Number 0 is a pickup."""

    number: int
    start: int
    end: int
    numerator: int
    denominator: int

    @property
    def beat(self) -> int:
        """Ticks of a beat, which is dotted in compound meters such as 6/8, 9/8 and 12/16."""
        compound = self.numerator > 3 and self.numerator % 3 == 0 and self.denominator >= 8
        return max(SHORTEST, 4 * TICKS // self.denominator * (3 if compound else 1))

    @property
    def cell(self) -> int:
        """Ticks of a cell."""
        return TICKS if self.denominator <= 4 else TICKS // 2


class Chord(NamedTuple):
    """Notes of one voice with the same start and end, from low to high."""

    start: int
    end: int
    pitches: tuple[int, ...]


class NoteValue(NamedTuple):
    """A chord, or the part of it that one note value shows. Without pitches, a rest."""

    start: int
    end: int
    pitches: tuple[int, ...]
    tie_stop: bool = False  # tied to the note before
    tie_start: bool = False  # tied to the note after


def quantize(
    notes: Sequence[Note], measures: Sequence[Measure]
) -> tuple[list[Note], dict[int, int]]:
    """Notes at times that a score can show, and ``triplets``.

    Each cell of a quarter note is divided into triplets or sextuplets, or each of its halves into
    16th notes, 32nd notes or triplets. The division is the one that moves the onsets and ends in
    the cell least. A note lasts at least one part of its cell.
    """
    starts = np.array([m.start for m in measures])

    def cell_of(time: int) -> tuple[int, int]:
        measure = measures[max(0, int(np.searchsorted(starts, time, side="right")) - 1)]
        start = measure.start + (time - measure.start) // measure.cell * measure.cell
        return start, min(measure.cell, measure.end - start)

    inside: dict[tuple[int, int], list[int]] = {}
    for note in notes:
        for time in (note.start, note.end):
            cell = cell_of(time)
            inside.setdefault(cell, []).append(time - cell[0])
    divided: dict[int, tuple[int, int]] = {}  # start of a (half) cell -> its ticks, those of a part
    for (start, ticks), times in inside.items():
        divided |= {start + at: cell for at, cell in _division(ticks, times).items()}

    def part_at(time: int) -> tuple[int, int]:
        start, ticks = cell_of(time)
        if divided.get(start, (ticks, 0))[0] <= time - start:
            start += ticks // 2
        return start, divided.get(start, (ticks, 6))[1]

    def moved(time: int) -> int:
        start, part = part_at(time)
        return start + (2 * (time - start) + part) // (2 * part) * part

    placed = []
    for note in notes:
        start, end = moved(note.start), moved(note.end)
        placed.append(Note(start, end if end > start else start + part_at(start)[1], note.pitch))
    triplets = {s: ticks for s, (ticks, part) in divided.items() if part in (4, 8)}
    return placed, triplets


def _division(ticks: int, times: Sequence[int]) -> dict[int, tuple[int, int]]:
    """The best division of a cell: start in it -> ticks of the (half) cell, ticks of a part."""
    if ticks < TICKS:
        part, _ = _best_part(ticks, times)
        return {0: (ticks, part)}
    half = ticks // 2
    whole, cost = _best_part(ticks, times)
    first, cost_1 = _best_part(half, [t for t in times if t < half])
    second, cost_2 = _best_part(half, [t - half for t in times if t >= half])
    if cost <= cost_1 + cost_2:
        return {0: (ticks, whole)}
    return {0: (half, first), half: (half, second)}


# Ticks of a cell -> ticks of a part -> cost of reading that division, in ticks of displacement.
_PARTS = {TICKS: {8: 0.3, 4: 0.6}, TICKS // 2: {6: 0.0, 4: 0.3, 3: 0.4}}


def _best_part(ticks: int, times: Sequence[int]) -> tuple[int, float]:
    """Ticks of the part with the lowest cost, and that cost."""
    costs = {
        part: cost + sum(min(t % part, part - t % part) for t in times)
        for part, cost in _PARTS.get(ticks, {SHORTEST: 0.0}).items()
    }
    part = min(costs, key=lambda p: costs[p])
    return part, costs[part]


def notate(voice: Sequence[Chord], measure: Measure, triplets: dict[int, int]) -> list[NoteValue]:
    """The notes and rests of a voice in a measure, which they fill without gaps."""
    spans: list[tuple[int, int, Chord | None]] = []
    at = measure.start
    for chord in voice:
        start, end = max(chord.start, measure.start), min(chord.end, measure.end)
        if start >= end:
            continue
        if start > at:
            spans.append((at, start, None))
        spans.append((start, end, chord))
        at = end
    if at < measure.end:
        spans.append((at, measure.end, None))
    edges = {s for s, _, _ in spans} | {e for _, e, _ in spans}
    used = {s: n for s, n in triplets.items() if any(s < edge < s + n for edge in edges)}
    written = []
    for start, end, sounding in spans:
        for a, b in _split(start, end, measure, used):
            if sounding is None:
                written.append(NoteValue(a, b, ()))
            else:
                ties = (a > sounding.start, b < sounding.end)
                written.append(NoteValue(a, b, sounding.pitches, *ties))
    return written


def _split(
    start: int, end: int, measure: Measure, triplets: dict[int, int]
) -> list[tuple[int, int]]:
    """Split a span into note values that show the beats."""
    for cell, ticks in triplets.items():
        for edge in (cell, cell + ticks):
            if start < edge < end:
                return [
                    *_split(start, edge, measure, triplets),
                    *_split(edge, end, measure, triplets),
                ]
        if cell <= start and end <= cell + ticks and end - start < ticks:
            return _split_in_triplet(start, end, cell, ticks // 3)
    a, b = start - measure.start, end - measure.start
    if _is_one_value(a, b, measure.beat):
        return [(start, end)]
    cut = measure.start + _split_point(a, b, measure.beat)
    return [*_split(start, cut, measure, triplets), *_split(cut, end, measure, triplets)]


def _split_in_triplet(start: int, end: int, cell: int, third: int) -> list[tuple[int, int]]:
    """Split a span within a triplet cell at the next third, where it begins or ends between two."""
    edges = [start]
    if (start - cell) % third:
        edges.append(start + third - (start - cell) % third)
    if (end - cell) % third:
        edges.append(end - (end - cell) % third)
    edges = sorted({e for e in edges if start <= e < end} | {end})
    return list(pairwise(edges))


def _is_one_value(a: int, b: int, beat: int) -> bool:
    """Whether one note value may span ``a`` to ``b``, counted from the barline."""
    if b - a not in _VALUES:
        return b - a < 2 * SHORTEST
    half = beat / 2
    return (
        a % beat == 0
        or a // beat == (b - 1) // beat
        or (b % beat == 0 and a % half == 0)
        or (a % half == 0 and b - a == beat)
    )


def _split_point(a: int, b: int, beat: int) -> int:
    """The metrically strongest time within a span, where it is split."""
    if a % beat == 0 and b % beat == 0:
        fitting = [v for v in _VALUES if v < b - a and v % beat == 0]
        if fitting:
            return a + max(fitting)
    for level in (beat, beat // 2 if beat % 36 and beat % 18 else beat // 3, 12, 6, SHORTEST):
        if level >= SHORTEST and (first := (a // level + 1) * level) < b:
            # A span that begins on this level is as long as possible.
            return (b - 1) // level * level if a % level == 0 else first
    return a + SHORTEST
