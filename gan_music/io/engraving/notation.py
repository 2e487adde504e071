"""Estimates the notation of a piece: measures, hands, voices, key signature and spelling.

Times are in ticks, 24 per quarter note (:mod:`gan_music.io.engraving.note_values`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gan_music.io.engraving.note_values import SHORTEST, TICKS, Chord, Measure, Note
from gan_music.music.bars import bars_until, opening
from gan_music.music.piece import Piece

N_VOICES = 4  # per staff, the limit of common notation programs

_MIDDLE_C = 60
_SPAN = 14  # semitones that a hand reaches

# How well each scale degree fits a major and a minor key (Temperley 2001, The Cognition of Basic
# Musical Structures). With the profiles of Krumhansl & Kessler the key signature of every fourth
# piano piece is wrong.
_MAJOR = (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0)
_MINOR = (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0)


@dataclass
class Staff:
    """The voices of one staff, each ordered by time, and its triplets (start -> ticks)."""

    voices: list[list[Chord]]
    triplets: dict[int, int] = field(default_factory=dict)


def measures(piece: Piece) -> list[Measure]:
    """The measures of a piece from its first note on, and one more for notes that move beyond.

    The first measure begins where the music does (:func:`gan_music.music.bars.opening`). If that is
    within a bar, it is a pickup, number 0. Measures last whole 32nd notes.
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
        if stop > start:  # a bar that a new meter cuts short may round to nothing
            found.append(Measure(len(found) + 1, start, stop, *meter))
    pickup = found[0]
    start = math.floor(opening(piece) * scale / SHORTEST) * SHORTEST
    if pickup.start < start < pickup.end:
        found[0] = pickup._replace(start=start)
        found = [m._replace(number=m.number - 1) for m in found]
    return found


def split_hands(piece: Piece) -> tuple[np.ndarray, bool]:
    """The notes of the left hand, bool ``[N]``, and whether one hand plays all notes.

    Each chord is split where that costs least: a hand stays near its last position, spans at most
    what it reaches and plays half of the chord; the left hand stays below middle C and the right
    hand above it. A melody without chords is played by one hand.
    """
    left = np.zeros(len(piece), dtype=bool)
    ends = np.maximum.accumulate(piece.onset + piece.duration) if len(piece) else piece.onset
    is_melody = bool((piece.onset[1:] >= ends[:-1]).all())
    if is_melody and (not len(piece) or np.ptp(piece.pitch) <= 2 * _SPAN):
        return left, True
    centres = [48.0, 67.0]
    _, firsts = np.unique(piece.onset, return_index=True)
    for first, last in zip(firsts, [*firsts[1:], len(piece)], strict=True):
        pitches = piece.pitch[first:last]
        n_left = min(range(len(pitches) + 1), key=lambda n: _split_cost(pitches, n, centres))
        left[first : first + n_left] = True
        for hand, part in enumerate((pitches[:n_left], pitches[n_left:])):
            if len(part):
                centres[hand] += 0.5 * (float(part.mean()) - centres[hand])
    return left, bool(left.all() or not left.any())


def _split_cost(pitches: np.ndarray, n_left: int, centres: Sequence[float]) -> float:
    """The cost of playing the ``n_left`` lowest notes of a chord with the left hand."""
    low, high = pitches[:n_left], pitches[n_left:]
    cost = abs(len(low) - len(high)) / 2.0 * (len(pitches) > 2)
    for part, centre in ((low, centres[0]), (high, centres[1])):
        if len(part):
            cost += float(np.abs(part - centre).sum()) / 6 / len(part) ** 0.5
            cost += max(0.0, float(np.ptp(part)) - _SPAN)
    cost += float(np.maximum(0, low - _MIDDLE_C).sum() + np.maximum(0, _MIDDLE_C - high).sum()) / 4
    return cost


def separate_voices(notes: Sequence[Note]) -> list[list[Chord]]:
    """The voices of a staff: chords that do not overlap, from the highest voice to the lowest.

    If more than four chords would sound at once, the one that has sounded longest ends early.
    """
    chords = _chords(notes)
    voices: list[list[Chord]] = [[] for _ in range(N_VOICES)]
    below = _below_another(chords)
    for chord, wanted in zip(chords, below, strict=True):
        free = [i for i, v in enumerate(voices) if not v or v[-1].end <= chord.start]
        if not free:
            held = min(range(N_VOICES), key=lambda i: voices[i][-1].start)
            if voices[held][-1].start == chord.start:  # a fifth chord joins the nearest in length
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
    """Notes with the same start and end, ordered by start, at one start from high to low."""
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
    """1 for a chord that overlaps a higher one, else 0."""
    below = [0] * len(chords)
    sounding: list[int] = []
    for i, chord in enumerate(chords):
        sounding = [j for j in sounding if chords[j].end > chord.start]
        for j in sounding:
            below[j if chord.pitches[-1] > chords[j].pitches[-1] else i] = 1
        sounding.append(i)
    return below


def _round(ticks: float) -> int:
    """Ticks rounded to whole 32nd notes."""
    return math.floor(ticks / SHORTEST + 0.5) * SHORTEST


def key_signature(piece: Piece) -> int:
    """The sharps (flats below 0) of the key that fits the piece best.

    The fit is the correlation of Temperley's profiles with the pitch classes, weighted by duration.
    A piece without notes is in C major.
    """
    weights = np.bincount(piece.pitch % 12, piece.duration, minlength=12)
    if np.ptp(weights) == 0:
        return 0
    fits = {
        (tonic, mode): np.corrcoef(np.roll(profile, tonic), weights)[0, 1]
        for mode, profile in enumerate((_MAJOR, _MINOR))
        for tonic in range(12)
    }
    tonic, mode = max(fits, key=lambda k: fits[k])
    sharps = (tonic + 3 * mode) * 7 % 12
    return sharps - 12 if sharps > 6 else sharps


def spell(pitch: int, sharps: int) -> tuple[str, int, int]:
    """The step, alteration and octave of a MIDI pitch in a key of ``sharps`` (flats below 0).

    Spellings lie on the line of fifths, from three fifths below the major tonic to eight above it.
    In major they include the flat third and the sharp first, fourth and fifth; in minor the sharp
    sixth and seventh.
    """
    fifths = pitch * 7 % 12
    fifths += -((fifths - (sharps - 3)) // 12) * 12
    alter, step = divmod(fifths + 1, 7)
    natural = (5, 0, 7, 2, 9, 4, 11)[step]
    return "FCGDAEB"[step], alter, (pitch - alter - natural) // 12 - 1
