"""Writes MIDI files."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import symusic

from gan_music.io.instruments import GENERAL_MIDI
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import atomic_write

Meter = tuple[int, int, int]  # start, numerator, denominator

_TICKS_PER_STEP = 20  # 24 steps per quarter note give the usual 480 ticks


def write_midi(piece: Piece, path: Path, *, program: int = 0) -> None:
    """Write a piece as a MIDI file of format 1, atomically. It reads back as the same notes.

    ``program`` is the General MIDI program, 0 to 127.
    """
    data = midi_score(piece, program=program).dumps_midi()
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def midi_score(piece: Piece, *, program: int = 0) -> Any:
    """The MIDI content of a piece: a ``symusic.Score`` in ticks.

    One MIDI channel cannot hold two notes of one pitch that overlap. The later note goes to another
    track with its own channel.
    """
    # music21 uses this name for program 0 and makes a separate part for any other name.
    instrument = GENERAL_MIDI[program] if program else "Piano"
    score = symusic.Score(piece.grid * _TICKS_PER_STEP)
    score.tempos.append(symusic.Tempo(0, qpm=piece.tempo))
    for start, numerator, denominator in _meters_in_file(piece):
        score.time_signatures.append(
            symusic.TimeSignature(start * _TICKS_PER_STEP, numerator, denominator)
        )
    tracks = assign_tracks(piece)
    for number in range(int(tracks.max(initial=0)) + 1):
        name = instrument if number == 0 else f"{instrument} {number + 1}"
        track = symusic.Track(name=name, program=program)
        for i in np.flatnonzero(tracks == number):
            track.notes.append(
                symusic.Note(
                    int(piece.onset[i]) * _TICKS_PER_STEP,
                    int(piece.duration[i]) * _TICKS_PER_STEP,
                    int(piece.pitch[i]),
                    int(piece.velocity[i]),
                )
            )
        score.tracks.append(track)
    return score


def _meters_in_file(piece: Piece) -> list[Meter]:
    """The meters that MIDI can hold, with starts in steps.

    No bar can begin before the file does, so a pickup becomes a short bar with its own meter.
    """
    meters: list[Meter] = []
    for start, numerator, denominator in piece.meters.tolist():
        if start < 0:
            bar = Fraction(4 * piece.grid * numerator, denominator)
            first = start + math.ceil(-start / bar) * bar  # the first bar that begins in the file
            if first > 0:
                pickup = first / piece.grid / 4
                meters.append((0, pickup.numerator, pickup.denominator))
            start = math.floor(first)
        meters.append((start, numerator, denominator))
    # The numerator is one byte, the denominator a power of two.
    return [m for m in meters if m[1] < 256 and m[2] <= 64 and m[2] & (m[2] - 1) == 0]


def assign_tracks(piece: Piece) -> np.ndarray:
    """The track of each note, int64 ``[N]``: the first one in which its pitch is not sounding."""
    tracks = np.zeros(len(piece), dtype=np.int64)
    ends: dict[int, list[int]] = {}  # pitch -> end of its last note in each track
    for i, (onset, duration, pitch) in enumerate(piece.notes()):
        last = ends.setdefault(pitch, [])
        number = next((n for n, end in enumerate(last) if end <= onset), len(last))
        if number == len(last):
            last.append(0)
        last[number] = onset + duration
        tracks[i] = number
    return tracks
