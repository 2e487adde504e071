"""What the networks read: events as ids, as one-hot vectors, and where in the bar they lie.

An event is a row of ids: ``C`` categories that are chosen (offset, pitch, duration and, if asked
for, velocity), then the position in the bar and the meter, which follow from them. A row of -1 is
padding; it stands at the end of a window alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.representations.base import PADDING


class NoteSpace(nn.Module):
    """The categories of an event and the time they stand for; holds no parameters.

    Parameters
    ----------
    sizes : how many ids each of the ``C`` chosen categories has; ``V`` is their sum.
    offset_bins, duration_bins : steps that each of their ids stands for.
    bars : steps of each meter's bar.
    n_positions : how many ids the position in the bar has.
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
        # part of the codec's table, not of the weights
        self.register_buffer("offset_bins", torch.tensor(offset_bins), persistent=False)
        self.register_buffer("duration_bins", torch.tensor(duration_bins), persistent=False)
        self.register_buffer("bars", torch.tensor(bars), persistent=False)
        # ids that stand for "nothing yet", before the first event
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
        """Which events are none of the padding: ids ``[B, T, C + 2]`` -> bool ``[B, T]``."""
        return events[..., 0] != PADDING

    def one_hot(self, events: Tensor) -> Tensor:
        """Ids ``[B, T, C + 2]`` -> float ``[B, T, V]``, a one in each part; zeros for padding."""
        ids = events.clamp_min(0)
        parts = [F.one_hot(ids[..., i], n) for i, n in enumerate(self.sizes)]
        return torch.cat(parts, -1).float() * self.present(events)[..., None]

    def starts(self, events: Tensor) -> tuple[Tensor, Tensor]:
        """Where windows begin: ids ``[B, T, C + 2]`` -> the position before the first event's
        offset, and its meter, ``[B]`` each.
        """
        meter = events[:, 0, -1]
        position = events[:, 0, -2] - self.offset_bins[events[:, 0, 0]]
        return position % self.bars[meter], meter

    def advance(self, position: Tensor, offset: Tensor, meter: Tensor) -> Tensor:
        """The position in the bar an offset (its id) later, ``[B]``."""
        return (position + self.offset_bins[offset]) % self.bars[meter]


class BarEmbedding(nn.Module):
    """Where in which bar: the sum of embeddings of the beat, of the position in it, of the meter.

    ``E`` wide. A position is told by its beat and by its place in the beat, so that a place that is
    rare in one beat is known from the others.
    """

    def __init__(self, space: NoteSpace, embedding_size: int) -> None:
        super().__init__()
        self.grid = space.grid
        self.n_positions = space.n_positions
        self.beat = nn.Embedding(space.n_beats, embedding_size)
        self.within = nn.Embedding(space.grid, embedding_size)
        self.meter = nn.Embedding(len(space.bars), embedding_size)

    def positions(self) -> Tensor:
        """What is embedded of each position, ``[n_positions, E]``."""
        ids = torch.arange(self.n_positions, device=self.within.weight.device)
        return self.beat(ids // self.grid) + self.within(ids % self.grid)

    def forward(self, position: Tensor, meter: Tensor) -> Tensor:
        """Ids ``[...]`` of both -> ``[..., E]``."""
        beat, within = position // self.grid, position % self.grid
        return self.beat(beat) + self.within(within) + self.meter(meter)
