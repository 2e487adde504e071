"""Notes -> what a score says of them beside their values: bars, hands, voices, spelling.

Times are in ticks, 24 a quarter (:mod:`gan_music.io.engraving.note_values`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gan_music.io.engraving.note_values import SHORTEST, TICKS, Chord, Measure, Note
from gan_music.music.bars import bars_until
from gan_music.music.piece import Piece

N_VOICES = 4  # in a staff; notation programs have no more

_MIDDLE = 60
_SPAN = 14  # semitones that a hand reaches


@dataclass
class Staff:
    """One hand: its voices, each in the order of time, and its cells in thirds, by their start."""

    voices: list[list[Chord]]
    thirds: dict[int, int] = field(default_factory=dict)  # start -> ticks of the cell


def measures(piece: Piece) -> list[Measure]:
    """The bars of a piece from the one of its first note on, and one more for what moves there.

    A first bar whose first note comes later than its first beat is an upbeat, number 0, and begins
    shortly before that note. Bars are whole 32nds long.
    """
    scale = TICKS / piece.grid
    end = int((piece.onset + piece.duration).max(initial=1))
    first = int(piece.onset[0]) if len(piece) else 0
    bars = [b for b in bars_until(piece, end) if b.stop > first]
    beyond = bars[-1].stop - bars[-1].start
    bars.append(bars[-1]._replace(start=bars[-1].stop, stop=bars[-1].stop + beyond))
    found: list[Measure] = []
    for bar in bars:
        start, stop = _round(float(bar.start) * scale), _round(float(bar.stop) * scale)
        meter = bar.numerator, bar.denominator
        if 4 * TICKS * bar.numerator % (SHORTEST * bar.denominator):
            meter = max(1, round(32 * bar.numerator / bar.denominator)), 32
        if stop > start:  # a bar cut short by a new meter may vanish
            found.append(Measure(len(found) + 1, start, stop, *meter))
    upbeat = found[0]
    late = max(0, int(first * scale) - upbeat.start)
    # a short one begins with the note, others with its beat
    is_short = upbeat.end - upbeat.start - late <= upbeat.beat
    unit = min(TICKS // 2, upbeat.beat) if is_short else upbeat.beat
    found[0] = upbeat._replace(start=upbeat.start + late // unit * unit)
    if found[0].start > upbeat.start:
        found = [m._replace(number=m.number - 1) for m in found]
    return found


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


def _round(ticks: float) -> int:
    """To whole 32nds."""
    return math.floor(ticks / SHORTEST + 0.5) * SHORTEST


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
