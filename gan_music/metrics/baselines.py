"""Degenerate music as a lower baseline: figures of real music must be better than these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.music.piece import Piece


def shuffled(pieces: Sequence[Piece], seed: int) -> list[Piece]:
    """Each piece with its pitches, durations and offsets permuted independently.

    The marginal distributions are kept; the order and the joint distribution are lost.
    """
    rng = np.random.default_rng(seed)
    result = []
    for piece in pieces:
        offset = rng.permutation(np.diff(piece.onset, prepend=piece.onset[:1]))
        onset = piece.onset[:1] + np.cumsum(offset)
        duration, pitch = rng.permutation(piece.duration), rng.permutation(piece.pitch)
        result.append(_like(piece, onset, duration, pitch))
    return result


def one_note(pieces: Sequence[Piece]) -> list[Piece]:
    """For each piece, as many successive quarter notes of the most common pitch of all pieces."""
    pitches = np.concatenate([np.empty(0, np.int64), *(p.pitch for p in pieces)])
    if not len(pitches):
        return []
    pitch = int(np.bincount(pitches).argmax())
    return [
        _like(p, np.arange(len(p)) * p.grid, np.full(len(p), p.grid), np.full(len(p), pitch))
        for p in pieces
    ]


def _like(piece: Piece, onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray) -> Piece:
    return Piece.from_arrays(
        onset, duration, pitch, grid=piece.grid, meters=piece.meters, name=piece.name
    )
