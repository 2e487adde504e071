"""A score in notation (MusicXML, Humdrum, ABC) -> its notes, through music21.

- Chords become notes with one onset; ties are merged; rests, unpitched percussion and chord symbols
  are left out; transposing instruments sound as they sound.
- Repeats are read once, as written.
- Grace notes, of length zero, last one step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gan_music.music.piece import COMMON_TIME, DEFAULT_TEMPO, DEFAULT_VELOCITY, Piece, rounding

Note = tuple[Any, Any, int, int]  # onset, length, pitch, velocity; times in quarters


def read_score(path: Path, grid: int, name: str) -> list[Piece]:
    """The pieces in a score: one, except for collections."""
    from music21 import converter, stream

    parsed = converter.parse(path, forceSource=True)
    scores = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    names = [f"{name}#{i + 1}" for i in range(len(scores))] if len(scores) > 1 else [name]
    return [_piece(s, grid, n) for s, n in zip(scores, names, strict=True)]


def piece_in_quarters(notes: list[Note], grid: int, name: str, **fields: Any) -> Piece:
    """A piece of notes in quarters, each time rounded to the grid, halves upwards."""
    onsets = [_steps(onset, grid) for onset, *_ in notes]
    durations = [_steps(length, grid) for _, length, *_ in notes]
    return Piece.from_arrays(
        onsets,
        np.maximum(1, np.array(durations, dtype=np.int64)),
        [pitch for _, _, pitch, _ in notes],
        velocity=[velocity for *_, velocity in notes],
        grid=grid,
        name=name,
        rounding=rounding(
            np.array([float(onset) for onset, *_ in notes]) * grid,
            np.array(onsets),
            np.array([float(length) for _, length, *_ in notes]) * grid,
            np.array(durations),
            grid,
        ),
        **fields,
    )


def _piece(score: Any, grid: int, name: str) -> Piece:
    if not score.atSoundingPitch or score.atSoundingPitch == "unknown":
        score.toSoundingPitch(inPlace=True)
    parts = list(score.parts) if score.hasPartLikeStreams() else [score]
    notes = [n for part in parts for n in _part_notes(part)]
    meters = _meters(parts[0], grid) if parts else [COMMON_TIME]
    return piece_in_quarters(notes, grid, name, meters=meters, tempo=_tempo(score))


def _steps(quarters: Any, grid: int) -> int:
    return math.floor(Fraction(quarters) * grid + Fraction(1, 2))


def _meters(part: Any, grid: int) -> list[tuple[int, int, int]]:
    """The meters of a part's bars, by where the bars are as much as by what is written.

    A bar that lies where the meter before it has one needs no entry; a pickup begins before the
    piece does; a bar in two halves (around a repeat, say) is one.
    """
    measures = list(part.getElementsByClass("Measure"))
    starts = [Fraction(m.offset) for m in measures]
    meters: list[tuple[Fraction, Any]] = []
    current: Any = None
    for i, measure in enumerate(measures):
        written = measure.timeSignature
        if written is not None and (current is None or written.ratioString != current.ratioString):
            current = written
        elif i > 0:
            if current is None or _on_bar(starts[i], meters[-1]):
                continue
            if i + 1 < len(starts) and _on_bar(starts[i + 1], meters[-1]):
                continue
        if current is None:
            continue
        start = starts[i]
        bar = Fraction(current.barDuration.quarterLength)
        if i == 0 and len(starts) > 1 and starts[1] - start < bar:
            start = starts[1] - bar
        meters.append((start, current))
    steps: dict[int, tuple[int, int]] = {}
    for start, meter in meters:
        steps[_steps(start, grid)] = (meter.numerator, meter.denominator)
    if not steps or min(steps) > 0:
        steps[0] = COMMON_TIME[1:]
    return [(start, *steps[start]) for start in sorted(steps)]


def _on_bar(start: Fraction, meter: tuple[Fraction, Any]) -> bool:
    return (start - meter[0]) % Fraction(meter[1].barDuration.quarterLength) == 0


def _part_notes(part: Any) -> Iterator[Note]:
    """(onset, length, pitch, velocity) of a part, in quarters, with ties merged.

    A note tied from another continues it if that one is open at this pitch and ends here; a tie
    that leads nowhere is an end.
    """
    from music21 import harmony, percussion

    open_ties: dict[tuple[int, Any], list[Any]] = {}  # (pitch, end) -> a note that goes on there
    merged: list[list[Any]] = []
    for element in part.flatten().notes:
        if isinstance(element, harmony.Harmony | percussion.PercussionChord):
            continue
        if not element.pitches:
            continue
        # a float and a fraction would add up to a float beside the next note's onset
        onset, length = Fraction(element.offset), Fraction(element.quarterLength)
        for note in getattr(element, "notes", (element,)):
            tie = note.tie.type if note.tie is not None else None
            pitch = note.pitch.midi
            begun = open_ties.pop((pitch, onset), None) if tie in ("stop", "continue") else None
            if begun is None:
                velocity = note.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
                begun = [onset, length, pitch, max(1, min(127, int(velocity)))]
                merged.append(begun)
            else:
                begun[1] += length
            if tie in ("start", "continue"):
                open_ties[pitch, onset + length] = begun
    yield from ((n[0], n[1], n[2], n[3]) for n in merged)


def _tempo(score: Any) -> float:
    for mark in score.flatten().getElementsByClass("MetronomeMark"):
        tempo = mark.getQuarterBPM()
        if tempo and math.isfinite(tempo) and tempo > 0:
            return float(tempo)
    return DEFAULT_TEMPO
