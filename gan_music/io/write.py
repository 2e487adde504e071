"""Notes -> a MIDI file, through symusic. The mirror of ``read``: what is written reads back."""

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

_TICKS_PER_STEP = 20  # 24 steps a quarter give the usual 480 ticks


def write_midi(piece: Piece, path: Path, *, program: int = 0) -> None:
    """Write a piece as a MIDI file (format 1), whole or not at all.

    ``program`` is the instrument, 0 to 127 by General MIDI.
    """
    data = midi_score(piece, program=program).dumps_midi()
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def midi_score(piece: Piece, *, program: int = 0) -> Any:
    """What a MIDI file of the piece holds, a ``symusic.Score`` in ticks.

    MIDI cannot tell apart two notes of one pitch that sound at once in one channel, so such a note
    goes to a further track with a channel of its own.
    """
    # music21 calls program 0 so, and makes a part of its own for any other name
    instrument = GENERAL_MIDI[program] if program else "Piano"
    score = symusic.Score(piece.grid * _TICKS_PER_STEP)
    score.tempos.append(symusic.Tempo(0, qpm=piece.tempo))
    for start, numerator, denominator in _meters(piece):
        score.time_signatures.append(
            symusic.TimeSignature(start * _TICKS_PER_STEP, numerator, denominator)
        )
    layers = layer(piece)
    for number in range(int(layers.max(initial=0)) + 1):
        name = instrument if number == 0 else f"{instrument} {number + 1}"
        track = symusic.Track(name=name, program=program)
        for i in np.flatnonzero(layers == number):
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


def _meters(piece: Piece) -> list[tuple[int, int, int]]:
    """A piece's meters as MIDI can have them, in steps.

    No bar can begin before the file does: a pickup is a short bar with a meter of its own.
    """
    meters: list[tuple[int, int, int]] = []
    for start, numerator, denominator in piece.meters.tolist():
        if start < 0:
            bar = Fraction(4 * piece.grid * numerator, denominator)
            first = start + math.ceil(-start / bar) * bar  # the first bar that begins in the file
            if first > 0:
                pickup = first / piece.grid / 4
                meters.append((0, pickup.numerator, pickup.denominator))
            start = math.floor(first)
        meters.append((start, numerator, denominator))
    # a numerator is a byte, and a denominator a power of two
    return [m for m in meters if m[1] < 256 and m[2] <= 64 and m[2] & (m[2] - 1) == 0]


def layer(piece: Piece) -> np.ndarray:
    """The layer of each note, int64 ``[N]``: the lowest where its pitch does not sound already."""
    layers = np.zeros(len(piece), dtype=np.int64)
    ends: dict[int, list[int]] = {}  # pitch -> when each layer falls silent
    for i, (onset, duration, pitch) in enumerate(piece.notes()):
        silent = ends.setdefault(pitch, [])
        number = next((n for n, end in enumerate(silent) if end <= onset), len(silent))
        if number == len(silent):
            silent.append(0)
        silent[number] = onset + duration
        layers[i] = number
    return layers
