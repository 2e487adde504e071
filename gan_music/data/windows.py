"""Pieces -> windows of events, and the order in which an epoch shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from gan_music.events import EventCodec
from gan_music.notes import Piece
from gan_music.triples import TripleCodec


class WindowDataset(Dataset[Tensor]):
    """Windows of ``length`` events, cut every ``stride`` events from each piece.

    An item is (index of a window, transposition in semitones); a batch of them is one tensor of
    ids, int64 ``[B, T, 3]``. All events lie in one array, and a batch is one indexing into it.

    Pieces shorter than a window give none; ``n_short`` counts them.
    """

    def __init__(
        self, pieces: Sequence[Piece], codec: EventCodec, *, length: int, stride: int
    ) -> None:
        ids = [codec.encode(p) for p in pieces]
        self.length = length
        self.n_pitches = codec.n_pitches
        self.n_short = sum(len(p) < length for p in pieces)
        self.events = torch.from_numpy(np.concatenate([np.empty((0, 3), np.int64), *ids]))
        first = [codec.first_offsets(i) for i in ids]
        self.first_offset = torch.from_numpy(np.concatenate([np.empty(0, np.int64), *first]))
        begins = np.cumsum([0, *map(len, ids)])[:-1]
        starts = [
            b + np.arange(0, len(i) - length + 1, stride) for b, i in zip(begins, ids, strict=True)
        ]
        self.starts = torch.from_numpy(np.concatenate([np.empty(0, np.int64), *starts]))

    def __len__(self) -> int:
        return len(self.starts)

    def describe(self) -> str:
        """What is served, in words."""
        short = f"; {self.n_short} pieces are shorter and left out" if self.n_short else ""
        return f"{len(self)} training windows of {self.length} notes{short}"

    def __getitems__(self, items: Sequence[tuple[int, int]]) -> Tensor:
        index, shift = torch.tensor(items, dtype=torch.int64).reshape(-1, 2).T
        starts = self.starts[index]
        batch = self.events[starts[:, None] + torch.arange(self.length)]
        batch[:, 0, 0] = self.first_offset[starts]
        pitch = batch[..., 1]
        # a transposition off the keyboard is cut back to what fits
        low, high = -pitch.amin(1), self.n_pitches - 1 - pitch.amax(1)
        batch[..., 1] = pitch + torch.clamp(shift, low, high)[:, None]
        return batch

    def __getitem__(self, item: tuple[int, int]) -> Tensor:
        return self.__getitems__([item])[0]


class NoteDataset(Dataset[Tensor]):
    """Single notes as the paper's triples; a batch is one tensor, float ``[B, 3]``.

    An item is (index of a note, transposition in semitones).
    """

    def __init__(self, pieces: Sequence[Piece], codec: TripleCodec) -> None:
        triples = [codec.encode(p) for p in pieces]
        self.triples = torch.from_numpy(np.concatenate([np.empty((0, 3), np.float32), *triples]))

    def __len__(self) -> int:
        return len(self.triples)

    def describe(self) -> str:
        """What is served, in words."""
        return f"{len(self)} training notes, each alone"

    def __getitems__(self, items: Sequence[tuple[int, int]]) -> Tensor:
        index, shift = torch.tensor(items, dtype=torch.int64).reshape(-1, 2).T
        batch = self.triples[index]
        batch[:, 0] += shift
        return batch

    def __getitem__(self, item: tuple[int, int]) -> Tensor:
        return self.__getitems__([item])[0]


class WindowSampler(Sampler[tuple[int, int]]):
    """Every window once an epoch, shuffled, each transposed by a draw from -transpose..transpose.

    Order and draws depend on the seed and the epoch alone, so a resumed run sees what the
    undisturbed one would have seen.
    """

    def __init__(self, n_windows: int, *, seed: int, transpose: int) -> None:
        self.n_windows = n_windows
        self.seed = seed
        self.transpose = transpose
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_windows

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.n_windows)
        shifts = rng.integers(-self.transpose, self.transpose + 1, self.n_windows)
        return zip(order.tolist(), shifts.tolist(), strict=True)
