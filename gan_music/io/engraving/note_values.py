"""Times -> what a score can write: places in a beat, and values that fill a bar.

Times are in ticks, 24 a quarter, which holds both halves and thirds: 3 ticks are a 32nd, 8 a quaver
of a triplet. What lies on neither is moved (:func:`quantised`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

TICKS = 24
SHORTEST = 3  # a 32nd

# values with and without a dot, from a 32nd to a breve
_VALUES = frozenset({3, 6, 12, 24, 48, 96, 192, 9, 18, 36, 72, 144})


class Note(NamedTuple):
    """A note from ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    pitch: int


class Measure(NamedTuple):
    """A bar from ``start`` to ``end``; ``number`` 0 is an upbeat."""

    number: int
    start: int
    end: int
    numerator: int
    denominator: int

    @property
    def beat(self) -> int:
        """Ticks of a beat: a dotted one in 6/8, 9/8, 12/16 and so on."""
        compound = self.numerator > 3 and self.numerator % 3 == 0 and self.denominator >= 8
        return max(SHORTEST, 4 * TICKS // self.denominator * (3 if compound else 1))

    @property
    def cell(self) -> int:
        """Ticks that are divided evenly or into thirds, as a whole."""
        return TICKS if self.denominator <= 4 else TICKS // 2


class Chord(NamedTuple):
    """Notes of one voice that begin and end together, the lowest first; without any, a rest."""

    start: int
    end: int
    pitches: tuple[int, ...]


class Value(NamedTuple):
    """A chord, or a part of it, that one sign writes. ``tied`` says to what it is tied."""

    start: int
    end: int
    pitches: tuple[int, ...]
    tied_back: bool = False
    tied_on: bool = False


def quantised(notes: Sequence[Note], bars: Sequence[Measure]) -> tuple[list[Note], dict[int, int]]:
    """Notes at times that can be written, and the cells in thirds: start -> ticks.

    Each cell is divided into thirds or sixths, or each of its halves into 16ths, 32nds or thirds:
    whatever moves the onsets and ends within it least. A cell is a quarter, or, where the meter
    counts quavers, such a half. A note lasts at least one part of its cell.
    """
    starts = np.array([m.start for m in bars])

    def cell_of(time: int) -> tuple[int, int]:
        bar = bars[max(0, int(np.searchsorted(starts, time, side="right")) - 1)]
        start = bar.start + (time - bar.start) // bar.cell * bar.cell
        return start, min(bar.cell, bar.end - start)

    inside: dict[tuple[int, int], list[int]] = {}
    for note in notes:
        for time in (note.start, note.end):
            cell = cell_of(time)
            inside.setdefault(cell, []).append(time - cell[0])
    divided: dict[int, tuple[int, int]] = {}  # start -> ticks of a cell, or half of one; a part's
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
    thirds = {s: ticks for s, (ticks, part) in divided.items() if part in (4, 8)}
    return placed, thirds


def _division(ticks: int, times: Sequence[int]) -> dict[int, tuple[int, int]]:
    """How a cell is divided: start in it -> ticks, and those of a part."""
    if ticks < TICKS:
        part, _ = _best_part(ticks, times)
        return {0: (ticks, part)}
    half = ticks // 2
    thirds, cost = _best_part(ticks, times)
    first, cost_1 = _best_part(half, [t for t in times if t < half])
    second, cost_2 = _best_part(half, [t - half for t in times if t >= half])
    if cost <= cost_1 + cost_2:
        return {0: (ticks, thirds)}
    return {0: (half, first), half: (half, second)}


# ticks of a cell -> those of a part, and what it costs to read it beside what it moves
_PARTS = {TICKS: {8: 0.3, 4: 0.6}, TICKS // 2: {6: 0.0, 4: 0.3, 3: 0.4}}


def _best_part(ticks: int, times: Sequence[int]) -> tuple[int, float]:
    """Ticks of the parts that move times least, and what that costs."""
    costs = {
        part: cost + sum(min(t % part, part - t % part) for t in times)
        for part, cost in _PARTS.get(ticks, {SHORTEST: 0.0}).items()
    }
    part = min(costs, key=lambda p: costs[p])
    return part, costs[part]


def values(voice: Sequence[Chord], bar: Measure, thirds: dict[int, int]) -> list[Value]:
    """What is written of a voice in a bar, rests too: signs that together fill the bar."""
    spans: list[tuple[int, int, Chord | None]] = []
    at = bar.start
    for chord in voice:
        start, end = max(chord.start, bar.start), min(chord.end, bar.end)
        if start >= end:
            continue
        if start > at:
            spans.append((at, start, None))
        spans.append((start, end, chord))
        at = end
    if at < bar.end:
        spans.append((at, bar.end, None))
    cuts = _cuts({s for s, _, _ in spans} | {e for _, e, _ in spans}, thirds)
    written = []
    for start, end, sounding in spans:
        for a, b in _split(start, end, bar, cuts):
            if sounding is None:
                written.append(Value(a, b, ()))
            else:
                tied = (a > sounding.start, b < sounding.end)
                written.append(Value(a, b, sounding.pitches, *tied))
    return written


def _cuts(edges: set[int], thirds: dict[int, int]) -> dict[int, int]:
    """The cells in thirds that something begins or ends in."""
    return {s: n for s, n in thirds.items() if any(s < edge < s + n for edge in edges)}


def _split(start: int, end: int, bar: Measure, thirds: dict[int, int]) -> list[tuple[int, int]]:
    """A span in parts that one sign can write each, and that show the beats."""
    for cell, ticks in thirds.items():
        for edge in (cell, cell + ticks):
            if start < edge < end:
                return [
                    *_split(start, edge, bar, thirds),
                    *_split(edge, end, bar, thirds),
                ]
        if cell <= start and end <= cell + ticks and end - start < ticks:
            return _in_thirds(start, end, cell, ticks // 3)
    a, b = start - bar.start, end - bar.start
    if _is_plain(a, b, bar.beat):
        return [(start, end)]
    cut = bar.start + _cut(a, b, bar.beat)
    return [*_split(start, cut, bar, thirds), *_split(cut, end, bar, thirds)]


def _in_thirds(start: int, end: int, cell: int, third: int) -> list[tuple[int, int]]:
    """A span within a cell of thirds, cut at thirds where it begins or ends between them."""
    edges = [start]
    if (start - cell) % third:
        edges.append(start + third - (start - cell) % third)
    if (end - cell) % third:
        edges.append(end - (end - cell) % third)
    edges = sorted({e for e in edges if start <= e < end} | {end})
    return list(pairwise(edges))


def _is_plain(a: int, b: int, beat: int) -> bool:
    """Whether one sign may go from ``a`` to ``b``, counted from the bar."""
    if b - a not in _VALUES:
        return b - a < 2 * SHORTEST
    half = beat / 2
    return (
        a % beat == 0
        or a // beat == (b - 1) // beat
        or (b % beat == 0 and a % half == 0)
        or (a % half == 0 and b - a == beat)
    )


def _cut(a: int, b: int, beat: int) -> int:
    """Where a span that is not plain is cut: on the strongest place within it."""
    if a % beat == 0 and b % beat == 0:
        fitting = [v for v in _VALUES if v < b - a and v % beat == 0]
        if fitting:
            return a + max(fitting)
    for level in (beat, beat // 2 if beat % 36 and beat % 18 else beat // 3, 12, 6, SHORTEST):
        if level >= SHORTEST and (first := (a // level + 1) * level) < b:
            # from a place of its own: as far as it goes
            return (b - 1) // level * level if a % level == 0 else first
    return a + SHORTEST
