"""Notes -> a MIDI file, through symusic. The mirror of ``read``: what is written reads back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import symusic

from gan_music.files import replacing
from gan_music.notes import Piece

_TICKS_PER_STEP = 20  # 24 steps a quarter give the usual 480 ticks


def write_midi(piece: Piece, path: Path) -> None:
    """Write a piece as a MIDI file (format 1), whole or not at all.

    MIDI cannot tell apart two notes of one pitch that sound at once in one channel, so such a note
    goes to a further track with a channel of its own.
    """
    score = symusic.Score(piece.grid * _TICKS_PER_STEP)
    score.tempos.append(symusic.Tempo(0, qpm=piece.tempo))
    layers = layer(piece)
    for number in range(int(layers.max(initial=0)) + 1):
        track = symusic.Track(name="Piano" if number == 0 else f"Piano {number + 1}", program=0)
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
    with replacing(path) as temporary:
        temporary.write_bytes(score.dumps_midi())


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
