"""Detects runs of notes that are copied from the training music, without keeping that music.

A note is (interval to the note before, duration, time since the note before), as in
:mod:`gan_music.metrics.sets.originality`, so that a transposed copy is a copy. The 32-bit hashes of
all 8-grams of notes of the training pieces are kept beside a model's weights: four bytes a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

MIN_NOTES = 8  # length of the n-grams; shorter copies are not detected
_MAX_DRAWS = 50  # of one piece
_SEED_STEP = 7919  # from the seed of one draw to that of the next, modulo 2 ** 32


class CopyFilter:
    """The n-grams of :data:`MIN_NOTES` notes of some pieces: ``hashes``, uint32, ascending."""

    def __init__(self, hashes: NDArray[np.uint32]) -> None:
        self.hashes = hashes

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> CopyFilter:
        """Of these pieces, which are read one by one."""
        found = [np.empty(0, np.uint32)]
        found += [np.unique(_hashes(piece)) for piece in pieces]
        return cls(np.unique(np.concatenate(found)))

    @classmethod
    def from_tensor(cls, saved: Tensor) -> CopyFilter:
        """From :meth:`as_tensor` in a checkpoint.

        Raises
        ------
        ValueError
            If the tensor has another type or shape.
        """
        if saved.dtype != torch.int32 or saved.dim() != 1:
            raise ValueError(f"hashes of {saved.dtype}, {list(saved.shape)}")
        return cls(np.unique(saved.numpy().view(np.uint32)))

    def as_tensor(self) -> Tensor:
        """The hashes for a checkpoint: int32 ``[N]``, the same bits."""
        return torch.from_numpy(self.hashes.view(np.int32).copy())

    def longest(self, piece: Piece, n_before: int = 0) -> int:
        """Notes of the piece's longest copied run; 0 if none has :data:`MIN_NOTES`.

        Consecutive n-grams that are known count as one run, even where they come from two copies
        that overlap. The first ``n_before`` notes do not count.
        """
        runs = _hashes(piece)[max(0, n_before - 1) :]  # no n-gram begins with the first note
        if not len(self.hashes) or not len(runs):
            return 0
        at = np.searchsorted(self.hashes, runs)
        known = self.hashes[np.minimum(at, len(self.hashes) - 1)] == runs
        ends = np.flatnonzero(np.diff(np.concatenate([[0], known, [0]])))
        in_a_row = int((ends[1::2] - ends[::2]).max(initial=0))
        return in_a_row + MIN_NOTES - 1 if in_a_row else 0


Draw = Callable[[int, int], Iterable[Piece]]  # (number of pieces, seed) -> samples


def without_copies(
    draw: Draw,
    copy_filter: CopyFilter | None,
    *,
    longest: int | None,
    n_pieces: int,
    seed: int,
    n_before: int = 0,
) -> Iterator[tuple[int, Piece]]:
    """``n_pieces`` pieces that copy at most ``longest`` notes in a row, with their numbers from 0,
    as they are drawn.

    Rejected pieces are drawn again, after all others, with other seeds, which depend on ``seed``
    alone. Their first ``n_before`` notes do not count. Without ``longest``, all are accepted.

    Raises
    ------
    UserError
        If there is no ``copy_filter``, or some pieces are rejected fifty times.
    """
    if longest is not None and copy_filter is None:
        raise UserError(
            f"max_copied_notes={longest}, but this checkpoint holds no copy filter: train with "
            "samples.max_copied_notes, or leave it out."
        )
    numbers = list(range(n_pieces))
    names: dict[int, str] = {}  # of pieces that were rejected
    for n_draws in range(_MAX_DRAWS):
        copies = []
        drawn = draw(len(numbers), (seed + n_draws * _SEED_STEP) % 2**32 if n_draws else seed)
        for number, piece in zip(numbers, drawn, strict=True):
            if longest is None or copy_filter is None:
                yield number, piece
            elif copy_filter.longest(piece, n_before) > longest:
                names.setdefault(number, piece.name)
                copies.append(number)
            else:
                yield number, replace(piece, name=names[number]) if number in names else piece
        if not copies:
            return
        numbers = copies
    raise UserError(
        f"max_copied_notes={longest}: after {_MAX_DRAWS} draws, {len(copies)} of "
        f"{n_pieces} pieces still copy a longer run of notes from the training music: "
        "allow more, or sample fewer notes."
    )


def in_order(numbered: Iterable[tuple[int, Piece]]) -> list[Piece]:
    """Pieces by their numbers."""
    return [piece for _, piece in sorted(numbered, key=lambda pair: pair[0])]


def _hashes(piece: Piece) -> NDArray[np.uint32]:
    """Of each n-gram of notes of a piece, in order."""
    notes = np.stack([np.diff(piece.pitch), np.diff(piece.onset), piece.duration[1:]])
    mixed = np.zeros(notes.shape[1], np.uint64)
    for column in notes.astype(np.int64).view(np.uint64):
        mixed = _mix(mixed ^ column)
    n_runs = len(mixed) - MIN_NOTES + 1
    if n_runs < 1:
        return np.empty(0, np.uint32)
    total = np.zeros(n_runs, np.uint64)
    for i in range(MIN_NOTES):
        total = _mix(total ^ mixed[i : i + n_runs])
    return (total >> np.uint64(32)).astype(np.uint32)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection that spreads all bits (SplitMix64, Steele et al. 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
