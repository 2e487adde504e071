"""Reads scores through music21, for the modules of Humdrum and ABC.

- The notes of a chord have one onset, tied notes are one note, and transposing instruments are at
  sounding pitch.
- A part is a track.
- Rests and chord symbols are left out.
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

from gan_music.io.formats.measures import meters_of_measures, steps
from gan_music.io.instruments import track_name
from gan_music.music.piece import (
    COMMON_TIME,
    DEFAULT_TEMPO,
    DEFAULT_VELOCITY,
    ONE_TRACK,
    Piece,
    Track,
    names_of_pieces,
    rounding,
)

Note = tuple[Any, Any, int, int]  # onset, duration, pitch, velocity; times in quarter notes


def read_score(path: Path, grid: int, name: str) -> list[Piece]:
    """The pieces in a score: one, or several for a collection."""
    from music21 import converter, stream

    parsed = converter.parse(path, forceSource=True)
    scores = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    names = names_of_pieces(name, len(scores))
    return [_piece(s, grid, n) for s, n in zip(scores, names, strict=True)]


def piece_in_quarters(notes: list[Note], grid: int, name: str, **fields: Any) -> Piece:
    """A piece of notes with times in quarter notes, rounded to the grid, halves upwards."""
    onsets = [steps(onset, grid) for onset, *_ in notes]
    durations = [steps(duration, grid) for _, duration, *_ in notes]
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
    tracks, notes = [], []
    for part in parts:
        if own := list(_part_notes(part)):
            tracks.append(_track(part))
            notes.append(own)
    meters = _meters(parts[0], grid) if parts else [COMMON_TIME]
    return piece_in_quarters(
        [n for own in notes for n in own],
        grid,
        name,
        meters=meters,
        tempo=_first_tempo(score),
        track=np.repeat(np.arange(len(notes)), [len(own) for own in notes]),
        tracks=tracks or ONE_TRACK,
    )


def _meters(part: Any, grid: int) -> list[tuple[int, int, int]]:
    """The meters of a part, from its time signatures and its barlines."""
    measures = [
        (Fraction(m.offset), (t.numerator, t.denominator) if (t := m.timeSignature) else None)
        for m in part.getElementsByClass("Measure")
    ]
    return meters_of_measures(measures, grid)


def _track(part: Any) -> Track:
    instrument = part.getInstrument(returnDefault=False)
    program = getattr(instrument, "midiProgram", None)
    if not isinstance(program, int) or not 0 <= program <= 127:
        program = 0
    return Track(track_name(str(part.partName or "")), program)


def _part_notes(part: Any) -> Iterator[Note]:
    """The notes of a part, with ties merged.

    A tied note continues the open note of its pitch that ends at its onset. A tie that leads to no
    note ends there.
    """
    from music21 import harmony

    open_ties: dict[tuple[int, Any], list[Any]] = {}  # (pitch, end) -> the note to continue
    merged: list[list[Any]] = []
    for element in part.flatten().notes:
        if isinstance(element, harmony.Harmony):
            continue
        # A float plus a fraction is a float, which may miss the onset of the next note.
        onset, duration = Fraction(element.offset), Fraction(element.quarterLength)
        for single in getattr(element, "notes", (element,)):
            tie = single.tie.type if single.tie is not None else None
            pitch = single.pitch.midi
            begun = open_ties.pop((pitch, onset), None) if tie in ("stop", "continue") else None
            if begun is None:
                velocity = single.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
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
