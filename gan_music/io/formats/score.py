"""Reads scores (MusicXML, Humdrum, ABC) through music21.

- The notes of a chord have one onset, tied notes are one note, and transposing instruments are at
  sounding pitch.
- Rests, unpitched percussion and chord symbols are left out.
- Repeats are read once, as written.
- Grace notes have no duration in the score and last one step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gan_music.music.piece import COMMON_TIME, DEFAULT_TEMPO, DEFAULT_VELOCITY, Piece, rounding

Note = tuple[Any, Any, int, int]  # onset, duration, pitch, velocity; times in quarter notes


def read_score(path: Path, grid: int, name: str) -> list[Piece]:
    """The pieces in a score: one, or several for a collection."""
    from music21 import converter, stream

    parsed = converter.parse(path, forceSource=True)
    scores = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    names = [f"{name}#{i + 1}" for i in range(len(scores))] if len(scores) > 1 else [name]
    return [_piece(s, grid, n) for s, n in zip(scores, names, strict=True)]


def piece_in_quarters(notes: list[Note], grid: int, name: str, **fields: Any) -> Piece:
    """A piece of notes with times in quarter notes, rounded to the grid, halves upwards."""
    onsets = [_steps(onset, grid) for onset, *_ in notes]
    durations = [_steps(duration, grid) for _, duration, *_ in notes]
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
            np.array([float(duration) for _, duration, *_ in notes]) * grid,
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
    return piece_in_quarters(notes, grid, name, meters=meters, tempo=_first_tempo(score))


def _steps(quarters: Any, grid: int) -> int:
    return math.floor(Fraction(quarters) * grid + Fraction(1, 2))


def _meters(part: Any, grid: int) -> list[tuple[int, int, int]]:
    """The meters of a part, from its time signatures and its barlines, with starts in steps.

    A measure needs no entry if it begins on a barline of the meter before it. The meter of a pickup
    begins before the piece does. A bar that is written as two measures, as around a repeat, is one.
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
            if current is None or _on_barline(starts[i], meters[-1]):
                continue
            if i + 1 < len(starts) and _on_barline(starts[i + 1], meters[-1]):
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


def _on_barline(time: Fraction, meter: tuple[Fraction, Any]) -> bool:
    return (time - meter[0]) % Fraction(meter[1].barDuration.quarterLength) == 0


def _part_notes(part: Any) -> Iterator[Note]:
    """The notes of a part, with ties merged.

    A tied note continues the open note of its pitch that ends at its onset. A tie that leads to no
    note ends there.
    """
    from music21 import harmony, percussion

    open_ties: dict[tuple[int, Any], list[Any]] = {}  # (pitch, end) -> the note to continue
    merged: list[list[Any]] = []
    for element in part.flatten().notes:
        if isinstance(element, harmony.Harmony | percussion.PercussionChord):
            continue
        if not element.pitches:
            continue
        # A float plus a fraction is a float, which may miss the onset of the next note.
        onset, duration = Fraction(element.offset), Fraction(element.quarterLength)
        for note in getattr(element, "notes", (element,)):
            tie = note.tie.type if note.tie is not None else None
            pitch = note.pitch.midi
            begun = open_ties.pop((pitch, onset), None) if tie in ("stop", "continue") else None
            if begun is None:
                velocity = note.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
                begun = [onset, duration, pitch, max(1, min(127, int(velocity)))]
                merged.append(begun)
            else:
                begun[1] += duration
            if tie in ("start", "continue"):
                open_ties[pitch, onset + duration] = begun
    yield from ((n[0], n[1], n[2], n[3]) for n in merged)


def _first_tempo(score: Any) -> float:
    for mark in score.flatten().getElementsByClass("MetronomeMark"):
        tempo = mark.getQuarterBPM()
        if tempo and math.isfinite(tempo) and tempo > 0:
            return float(tempo)
    return DEFAULT_TEMPO


_SUFFIXES = (".xml", ".musicxml", ".mxl", ".krn", ".abc")
FORMATS = {suffix: {"music21": read_score} for suffix in _SUFFIXES}
