"""Notes -> what a score of them says: hands, voices, and values that can be written.

Times are in ticks, 24 a quarter, which holds both halves and thirds: 3 ticks are a 32nd, 8 a quaver
of a triplet. What lies on neither is moved (:func:`quantised`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gan_music.io.bars import Bar, bars_until
from gan_music.notes import Piece

TICKS = 24
N_VOICES = 4  # in a staff; notation programs have no more

_32ND = 3
# values with and without a dot, from a 32nd to a breve
_VALUES = frozenset({3, 6, 12, 24, 48, 96, 192, 9, 18, 36, 72, 144})
_MIDDLE = 60
_SPAN = 14  # semitones that a hand reaches


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
        return max(_32ND, 4 * TICKS // self.denominator * (3 if compound else 1))

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


@dataclass
class Staff:
    """One hand: its voices, each in the order of time, and its cells in thirds, by their start."""

    voices: list[list[Chord]]
    thirds: dict[int, int] = field(default_factory=dict)  # start -> ticks of the cell


def measures(piece: Piece) -> list[Measure]:
    """The bars of a piece from the one of its first note on, with an end after the last note.

    A first bar that no note begins is an upbeat: it begins with the beat of the first note. Bars
    are whole 32nds long.
    """
    scale = TICKS / piece.grid
    end = int((piece.onset + piece.duration).max(initial=1))
    found: list[Bar] = bars_until(piece, end)
    first = int(piece.onset[0]) if len(piece) else 0
    found = [b for b in found if b.stop > first] or found[-1:]
    edges = [_round(float(b.start) * scale) for b in found]
    edges.append(_round(float(found[-1].stop) * scale))
    measured = [
        Measure(i, start, max(stop, start + _32ND), bar.numerator, bar.denominator)
        for i, (start, stop, bar) in enumerate(zip(edges, edges[1:], found, strict=False), 1)
        if stop > start
    ]
    if not measured:
        measured = [Measure(1, edges[0], edges[0] + 4 * TICKS, 4, 4)]
    upbeat = measured[0]
    begin = int(first * scale)
    late = (begin - upbeat.start) // upbeat.beat * upbeat.beat
    if late > 0 or upbeat.start < 0:
        start = max(0, upbeat.start) if upbeat.start < 0 and late <= -upbeat.start else None
        start = upbeat.start + late if start is None else start
        measured = [upbeat._replace(start=start), *measured[1:]]
        measured = [m._replace(number=i) for i, m in enumerate(measured)]
    # a note may be moved to the end
    last = measured[-1]
    measured.append(
        Measure(
            last.number + 1,
            last.end,
            last.end + max(_32ND, _round(4 * TICKS * last.numerator / last.denominator)),
            last.numerator,
            last.denominator,
        )
    )
    return measured


def hands(piece: Piece) -> tuple[np.ndarray, bool]:
    """Which notes the left hand plays, bool ``[N]``; and whether there is one hand alone.

    A hand keeps to where it was, spans no more than it reaches, and takes its share of a chord; the
    left keeps below middle C and the right above it. A tune without chords is one hand's.
    """
    left = np.zeros(len(piece), dtype=bool)
    ends = np.maximum.accumulate(piece.onset + piece.duration) if len(piece) else piece.onset
    alone = bool((piece.onset[1:] >= ends[:-1]).all())
    if alone and (not len(piece) or np.ptp(piece.pitch) <= 2 * _SPAN):
        return left, True
    centres = [48.0, 67.0]
    _, firsts = np.unique(piece.onset, return_index=True)
    for first, last in zip(firsts, [*firsts[1:], len(piece)], strict=True):
        pitches = piece.pitch[first:last]
        n_left = min(range(len(pitches) + 1), key=lambda n: _awkward(pitches, n, centres))
        left[first : first + n_left] = True
        for hand, part in enumerate((pitches[:n_left], pitches[n_left:])):
            if len(part):
                centres[hand] += 0.5 * (float(part.mean()) - centres[hand])
    return left, bool(left.all() or not left.any())


def _awkward(pitches: np.ndarray, n_left: int, centres: Sequence[float]) -> float:
    """How awkward it is for the left hand to play the lowest so many of a chord."""
    low, high = pitches[:n_left], pitches[n_left:]
    cost = abs(len(low) - len(high)) / 2.0 * (len(pitches) > 2)
    for part, centre in ((low, centres[0]), (high, centres[1])):
        if len(part):
            cost += float(np.abs(part - centre).sum()) / 6 / len(part) ** 0.5
            cost += max(0.0, float(np.ptp(part)) - _SPAN)
    cost += float(np.maximum(0, low - _MIDDLE).sum() + np.maximum(0, _MIDDLE - high).sum()) / 4
    return cost


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
        for part, cost in _PARTS.get(ticks, {_32ND: 0.0}).items()
    }
    part = min(costs, key=lambda p: costs[p])
    return part, costs[part]


def voiced(notes: Sequence[Note]) -> list[list[Chord]]:
    """The voices of a hand: chords that do not overlap; those above go first.

    Where more than four would sound at once, the chord that has sounded longest ends early.
    """
    chords = _chords(notes)
    voices: list[list[Chord]] = [[] for _ in range(N_VOICES)]
    higher = _below_another(chords)
    for chord, wanted in zip(chords, higher, strict=True):
        free = [i for i, v in enumerate(voices) if not v or v[-1].end <= chord.start]
        if not free:
            held = min(range(N_VOICES), key=lambda i: voices[i][-1].start)
            if voices[held][-1].start == chord.start:  # a fifth at one time joins the nearest
                held = min(range(N_VOICES), key=lambda i: abs(voices[i][-1].end - chord.end))
                last = voices[held][-1]
                pitches = tuple(sorted({*last.pitches, *chord.pitches}))
                voices[held][-1] = last._replace(pitches=pitches)
                continue
            voices[held][-1] = voices[held][-1]._replace(end=chord.start)
            free = [held]
        number = min(free, key=lambda i: (abs(i - wanted), i))
        voices[number].append(chord)
    return voices


def _chords(notes: Sequence[Note]) -> list[Chord]:
    """Notes that begin and end together, in order, the highest of one onset first."""
    together: dict[tuple[int, int], list[list[int]]] = {}
    for start, end, pitch in sorted(notes):
        groups = together.setdefault((start, end), [[]])
        group = next((g for g in groups if pitch not in g), None)
        if group is None:  # a unison
            groups.append([pitch])
        else:
            group.append(pitch)
    chords = [Chord(s, e, tuple(g)) for (s, e), groups in together.items() for g in groups]
    return sorted(chords, key=lambda c: (c.start, -c.pitches[-1], c.end))


def _below_another(chords: Sequence[Chord]) -> list[int]:
    """1 for a chord that another sounds above, somewhere while it lasts; else 0."""
    below = [0] * len(chords)
    sounding: list[int] = []
    for i, chord in enumerate(chords):
        sounding = [j for j in sounding if chords[j].end > chord.start]
        for j in sounding:
            below[j if chord.pitches[-1] > chords[j].pitches[-1] else i] = 1
        sounding.append(i)
    return below


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
        return b - a < 2 * _32ND
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
    for level in (beat, beat // 2 if beat % 36 and beat % 18 else beat // 3, 12, 6, _32ND):
        if level >= _32ND and (first := (a // level + 1) * level) < b:
            # from a place of its own: as far as it goes
            return (b - 1) // level * level if a % level == 0 else first
    return a + _32ND


def _round(ticks: float) -> int:
    """To whole 32nds."""
    return round(ticks / _32ND) * _32ND


def spelled(pitch: int, sharps: int) -> tuple[str, int, int]:
    """A MIDI number's step, alteration and octave in a key of so many sharps (flats below 0).

    On the line of fifths, from three below the key's major tonic to eight above it: in major that
    has the flat third and the sharp first, fourth and fifth, in minor the sharp sixth and seventh.
    """
    fifths = pitch * 7 % 12
    fifths += -((fifths - (sharps - 3)) // 12) * 12
    alter, step = divmod(fifths + 1, 7)
    natural = (5, 0, 7, 2, 9, 4, 11)[step]
    return "FCGDAEB"[step], alter, (pitch - alter - natural) // 12 - 1
