"""What a piece quotes of the training music, told without that music.

A note is (interval to the note before, duration, time since the note before), as in
:mod:`gan_music.metrics.sets.originality`, so that a transposed quotation is one. All runs of eight notes
of the training pieces are kept as hashes of 32 bits: four bytes a note, beside the weights of a
model that is not to repeat them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

SHORTEST = 8  # notes: of shorter quotations nothing is known
_MOST_DRAWS = 50  # of a piece, one after another
_APART = 7919  # from the seed of one draw to that of the next, modulo 2 ** 32


class CopyFilter:
    """The runs of :data:`SHORTEST` notes of some pieces: ``hashes``, uint32, ascending."""

    def __init__(self, hashes: NDArray[np.uint32]) -> None:
        self.hashes = hashes

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> CopyFilter:
        """Those of these pieces, one after another: only hashes are held."""
        found = [np.empty(0, np.uint32)]
        found += [np.unique(_hashes(piece)) for piece in pieces]
        return cls(np.unique(np.concatenate(found)))

    @classmethod
    def from_tensor(cls, saved: Tensor) -> CopyFilter:
        """Of a checkpoint.

        Raises
        ------
        ValueError
            If it is none of :meth:`as_tensor`.
        """
        if saved.dtype != torch.int32 or saved.dim() != 1:
            raise ValueError(f"hashes of {saved.dtype}, {list(saved.shape)}")
        return cls(np.unique(saved.numpy().view(np.uint32)))

    def as_tensor(self) -> Tensor:
        """For a checkpoint: int32 ``[N]``, the same bits."""
        return torch.from_numpy(self.hashes.view(np.int32).copy())

    def longest(self, piece: Piece, n_before: int = 0) -> int:
        """The length in notes of the longest run of a piece that is a quotation, if it is of
        :data:`SHORTEST` notes or more; 0 if there is none.

        One note more for each run that is known and begins a note later: where two quotations meet
        so, they count as one. The first ``n_before`` notes do not count.
        """
        runs = _hashes(piece)[max(0, n_before - 1) :]  # the first note begins none
        if not len(self.hashes) or not len(runs):
            return 0
        at = np.searchsorted(self.hashes, runs)
        known = self.hashes[np.minimum(at, len(self.hashes) - 1)] == runs
        ends = np.flatnonzero(np.diff(np.concatenate([[0], known, [0]])))
        in_a_row = int((ends[1::2] - ends[::2]).max(initial=0))
        return in_a_row + SHORTEST - 1 if in_a_row else 0


def without_copies(
    draw: Callable[[int, int], Sequence[Piece]],
    copy_filter: CopyFilter | None,
    *,
    longest: int | None,
    n_pieces: int,
    seed: int,
    n_before: int = 0,
) -> tuple[list[Piece], int]:
    """``n_pieces`` pieces that quote at most ``longest`` notes in a row, and how many were thrown
    away for that.

    ``draw(n, seed)`` writes pieces; those that quote more are drawn again, with another seed, so
    that the same seed gives the same pieces. Their first ``n_before`` notes do not count. Without
    ``longest``, all that is drawn is taken.

    Raises
    ------
    UserError
        If there are no ``quotes`` to tell, or some still quote more after fifty draws.
    """
    if longest is not None and copy_filter is None:
        raise UserError(
            f"max_copied_notes={longest}, but this checkpoint does not know what it was trained on: "
            "train with samples.max_copied_notes, or leave it out."
        )
    pieces = list(draw(n_pieces, seed))
    if longest is None or copy_filter is None:
        return pieces, 0
    n_thrown, n_draws = 0, 1
    while copies := [i for i, p in enumerate(pieces) if copy_filter.longest(p, n_before) > longest]:
        if n_draws == _MOST_DRAWS:
            raise UserError(
                f"max_copied_notes={longest}: after {_MOST_DRAWS} draws, {len(copies)} of {n_pieces} "
                "pieces still have a longer run of notes of the training music: allow more, or "
                "write fewer notes."
            )
        again = draw(len(copies), (seed + n_draws * _APART) % 2**32)
        for i, piece in zip(copies, again, strict=True):
            pieces[i] = replace(piece, name=pieces[i].name)
        n_thrown, n_draws = n_thrown + len(copies), n_draws + 1
    return pieces, n_thrown


def _hashes(piece: Piece) -> NDArray[np.uint32]:
    """Of each run of notes of a piece, in their order."""
    notes = np.stack([np.diff(piece.pitch), np.diff(piece.onset), piece.duration[1:]])
    mixed = np.zeros(notes.shape[1], np.uint64)
    for column in notes.astype(np.int64).view(np.uint64):
        mixed = _mixed(mixed ^ column)
    n_runs = len(mixed) - SHORTEST + 1
    if n_runs < 1:
        return np.empty(0, np.uint32)
    total = np.zeros(n_runs, np.uint64)
    for i in range(SHORTEST):
        total = _mixed(total ^ mixed[i : i + n_runs])
    return (total >> np.uint64(32)).astype(np.uint32)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection that spreads all bits (SplitMix64, Steele et al. 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
