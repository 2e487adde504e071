"""Events as networks see them: ids, one-hot vectors, positions in the bar.

An event is a row of ids: ``C`` categories that are predicted (offset, pitch, duration and, where
the representation has it, velocity), then the position in the bar and the meter, which follow from
them. Rows of -1 are padding, which stands only at the end of a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.representations.base import PADDING


class NoteSpace(nn.Module):
    """The categories of an event and the steps that their ids stand for; holds no parameters.

    Parameters
    ----------
    sizes : number of ids of each of the ``C`` categories; ``V`` is their sum.
    offset_bins, duration_bins : steps of each id, ascending.
    bars : steps of each meter's bar.
    n_positions : number of positions in a bar.
    grid : steps a beat.
    """

    offset_bins: Tensor
    duration_bins: Tensor
    bars: Tensor
    nothing: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        offset_bins: Sequence[int],
        duration_bins: Sequence[int],
        bars: Sequence[int],
        n_positions: int,
        grid: int,
    ) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.n_positions = n_positions
        self.grid = grid
        # they belong to the representation, not to the weights
        self.register_buffer("offset_bins", torch.tensor(offset_bins), persistent=False)
        self.register_buffer("duration_bins", torch.tensor(duration_bins), persistent=False)
        self.register_buffer("bars", torch.tensor(bars), persistent=False)
        # ids of the event before the first
        self.register_buffer("nothing", torch.tensor(self.sizes), persistent=False)

    @property
    def width(self) -> int:
        """``V``."""
        return sum(self.sizes)

    @property
    def n_beats(self) -> int:
        """Beats of the longest bar."""
        return -(-self.n_positions // self.grid)

    @property
    def n_categories(self) -> int:
        """``C``."""
        return len(self.sizes)

    def present(self, events: Tensor) -> Tensor:
        """Which events are not padding: ids ``[B, T, C + 2]`` -> bool ``[B, T]``."""
        return events[..., 0] != PADDING

    def one_hot(self, events: Tensor) -> Tensor:
        """Ids ``[B, T, C + 2]`` -> one-hot vectors of all categories, ``[B, T, V]``; zeros for
        padding.
        """
        ids = events.clamp_min(0)
        parts = [F.one_hot(ids[..., i], n) for i, n in enumerate(self.sizes)]
        return torch.cat(parts, -1).float() * self.present(events)[..., None]

    def starts(self, events: Tensor) -> tuple[Tensor, Tensor]:
        """Where sequences begin: ids ``[B, T, C + 2]`` -> the position in the bar before the first
        event's offset, and its meter, ``[B]`` each.
        """
        meter = events[:, 0, -1]
        position = events[:, 0, -2] - self.offset_bins[events[:, 0, 0]]
        return position % self.bars[meter], meter

    def advance(self, position: Tensor, offset: Tensor, meter: Tensor) -> Tensor:
        """The position in the bar after an offset, whose id is given, ``[B]``."""
        return (position + self.offset_bins[offset]) % self.bars[meter]


class BarEmbedding(nn.Module):
    """The sum of embeddings of the beat, of the position in the beat and of the meter, ``[E]``.

    A position in the beat that is rare in one beat shares its embedding with the others.
    """

    def __init__(self, space: NoteSpace, embedding_size: int) -> None:
        super().__init__()
        self.grid = space.grid
        self.n_positions = space.n_positions
        self.beat = nn.Embedding(space.n_beats, embedding_size)
        self.within = nn.Embedding(space.grid, embedding_size)
        self.meter = nn.Embedding(len(space.bars), embedding_size)

    def positions(self) -> Tensor:
        """The sum of the first two for each position, ``[n_positions, E]``."""
        ids = torch.arange(self.n_positions, device=self.within.weight.device)
        return self.beat(ids // self.grid) + self.within(ids % self.grid)

    def forward(self, position: Tensor, meter: Tensor) -> Tensor:
        """Ids ``[...]`` of both -> ``[..., E]``."""
        beat, within = position // self.grid, position % self.grid
        return self.beat(beat) + self.within(within) + self.meter(meter)
