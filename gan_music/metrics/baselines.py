"""Music that a figure must put below any real one: what its worst values look like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.music.piece import Piece


def shuffled(pieces: Sequence[Piece], seed: int) -> list[Piece]:
    """Each piece with its pitches, its durations and its offsets in random orders of their own.

    What notes there are stays as it was; in what order, and what goes with what, is lost.
    """
    rng = np.random.default_rng(seed)
    floor = []
    for piece in pieces:
        offset = rng.permutation(np.diff(piece.onset, prepend=piece.onset[:1]))
        floor.append(
            _like(
                piece,
                piece.onset[:1] + np.cumsum(offset),
                rng.permutation(piece.duration),
                rng.permutation(piece.pitch),
            )
        )
    return floor


def one_note(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces of as many notes as these, all of the commonest pitch, one quarter after another."""
    everything = np.concatenate([np.empty(0, np.int64), *(p.pitch for p in pieces)])
    if not len(everything):
        return []
    pitch = int(np.bincount(everything).argmax())
    return [
        _like(
            p,
            np.arange(len(p)) * p.grid,
            np.full(len(p), p.grid),
            np.full(len(p), pitch),
        )
        for p in pieces
    ]


def _like(piece: Piece, onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray) -> Piece:
    return Piece.from_arrays(
        onset, duration, pitch, grid=piece.grid, meters=piece.meters, name=piece.name
    )
