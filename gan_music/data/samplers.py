"""The order of an epoch: which windows a batch has, and how each is augmented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from gan_music.music.piece import IntArray


class Item(NamedTuple):
    """A window and its augmentation.

    ``transposition`` is in semitones, ``scale`` the index of a time scale, ``shift`` the number of
    rows by which the window begins later.
    """

    window: int
    transposition: int = 0
    scale: int = 0
    shift: int = 0


class WindowSampler(Sampler[Item]):
    """Every window once an epoch, shuffled, each with its own augmentation.

    Drawn uniformly are a transposition from -transpose to transpose semitones, one of ``n_scales``
    time scales, and a shift of up to ``jitter`` rows to either side. All depends on the seed and
    the epoch alone, so that a resumed run sees the same batches as an uninterrupted one. With
    ``first``, the first so many windows are repeated instead of all being drawn.
    """

    def __init__(
        self,
        n_windows: int,
        *,
        seed: int,
        transpose: int = 0,
        n_scales: int = 1,
        jitter: int = 0,
        first: int | None = None,
    ) -> None:
        self.n_windows = n_windows
        self.seed = seed
        self.transpose = transpose
        self.n_scales = n_scales
        self.jitter = jitter
        self.first = min(first or n_windows, n_windows)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_windows

    def __iter__(self) -> Iterator[Item]:
        rows = torch.stack([field.long() for field in self.draw()], 1)
        return (Item(*row) for row in rows.tolist())

    def draw(self) -> list[Tensor]:
        """The fields of this epoch's items, ``[n]`` each.

        They have the smallest integer type that holds them: with many windows they are most of what
        an epoch keeps in memory.
        """
        rng = np.random.default_rng((self.seed, self.epoch))
        n = self.n_windows
        drawn = [_smallest_type(rng.permutation(n) % self.first)]
        for low, high in (
            (-self.transpose, self.transpose),
            (0, self.n_scales - 1),
            (-self.jitter, self.jitter),
        ):
            drawn.append(_smallest_type(rng.integers(low, high + 1, n)))
        return drawn


def _smallest_type(values: IntArray) -> Tensor:
    largest = int(np.abs(values).max(initial=0))
    return torch.from_numpy(values.astype(np.min_scalar_type(-largest - 1)))


class DistributedBatchSampler(Sampler[Tensor]):
    """Batches of a sampler's items, int64 ``[B, 4]`` on ``device``; each item goes to one process.

    All processes have the same number of batches of ``batch_size`` items. The items left at the end
    make one more batch, whose sizes differ by at most one between processes; if they are fewer than
    the processes, they join the last full batch.
    """

    def __init__(
        self,
        sampler: WindowSampler,
        batch_size: int,
        *,
        process: int = 0,
        n_processes: int = 1,
        device: torch.device | None = None,
    ) -> None:
        if len(sampler) < n_processes:
            raise ValueError(f"{len(sampler)} items are too few for {n_processes} processes")
        self.sampler, self.process, self.n_processes = sampler, process, n_processes
        self.device = device
        self.step = batch_size * n_processes  # items of one batch of all processes
        n_whole, rest = divmod(len(sampler), self.step)
        self.n_batches = n_whole + (rest >= n_processes)
        self.first = 0  # the first batch of the next epoch, above 0 after resuming within one

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Tensor]:
        first, self.first = self.first, 0
        fields = [f.to(self.device) for f in self.sampler.draw()]
        for number in range(first, self.n_batches):
            last = number == self.n_batches - 1
            shared = slice(number * self.step, None if last else (number + 1) * self.step)
            mine = [f[shared][self.process :: self.n_processes] for f in fields]
            yield torch.stack([f.long() for f in mine], 1)
