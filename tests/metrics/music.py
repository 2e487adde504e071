"""Small pieces, and ways to corrupt them, for the tests of the metrics."""

from __future__ import annotations

from dataclasses import replace

import muspy
import numpy as np

from gan_music.music.piece import Piece
from tests.conftest import make_piece


def piece(*notes: tuple[int, int, int], grid: int = 24, meters: object = ((0, 4, 4),)) -> Piece:
    """Notes as (onset, duration, pitch), in steps."""
    onset, duration, pitch = np.array(notes).T if notes else np.empty((3, 0))
    return Piece.from_arrays(onset, duration, pitch, grid=grid, meters=meters)  # type: ignore[arg-type]


def noise(seed: int, n_notes: int = 200) -> Piece:
    """Random notes: chords, rests, overlaps."""
    rng = np.random.default_rng(seed)
    return Piece.from_arrays(
        np.cumsum(rng.choice([0, 0, 3, 6, 12, 24, 31], n_notes)),
        rng.choice([1, 2, 6, 12, 24, 50], n_notes),
        rng.integers(36, 90, n_notes),
        grid=24,
    )


def with_pitches_shuffled(p: Piece, rate: float, seed: int) -> Piece:
    """Permute the pitches of this share of the notes."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(p))[: round(rate * len(p))]
    pitch = p.pitch.copy()
    pitch[chosen] = pitch[rng.permutation(chosen)]
    return Piece.from_arrays(p.onset, p.duration, pitch, grid=p.grid, meters=p.meters)


def transposed(p: Piece, semitones: int) -> Piece:
    return replace(p, pitch=p.pitch + semitones)


def walks(first: int, n_pieces: int = 16) -> list[Piece]:
    return [make_piece(seed, 320).cut(0, 400) for seed in range(first, first + n_pieces)]


def as_muspy(p: Piece) -> muspy.Music:
    notes = [muspy.Note(time=o, pitch=k, duration=d) for o, d, k in p.notes()]
    return muspy.Music(resolution=p.grid, tracks=[muspy.Track(notes=notes)])
