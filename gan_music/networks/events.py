"""What both networks read: an event as one-hot vectors, and its position in the beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EventSpace(nn.Module):
    """The categories of an event and the time they stand for; holds no parameters.

    Parameters
    ----------
    sizes : number of offsets, pitches and durations; ``V`` is their sum.
    offset_bins : steps that each offset id stands for.
    grid : steps a beat.
    """

    offset_bins: Tensor

    def __init__(self, sizes: Sequence[int], offset_bins: Sequence[int], grid: int) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.grid = grid
        # part of the codec's table, not of the weights
        self.register_buffer("offset_bins", torch.tensor(offset_bins), persistent=False)

    @property
    def width(self) -> int:
        """``V``."""
        return sum(self.sizes)

    def positions(self, events: Tensor) -> Tensor:
        """Position in the beat after each event: ids ``[B, T, 3]`` -> steps ``[B, T]``."""
        return self.offset_bins[events[..., 0]].cumsum(-1) % self.grid

    def one_hot(self, events: Tensor) -> Tensor:
        """Ids ``[B, T, 3]`` -> float ``[B, T, V]``, a one in each of the three parts."""
        parts = [F.one_hot(events[..., i], n) for i, n in enumerate(self.sizes)]
        return torch.cat(parts, -1).float()
