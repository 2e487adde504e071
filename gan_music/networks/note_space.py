"""Events as networks see them: ids, one-hot vectors, positions in the bar.

An event is a row of ids: ``C`` categories (offset, pitch, duration and, where the representation
has them, velocity and track), then the position in the bar and the meter, which follow from them.
Ids of the pitch from ``n_pitches`` on are no notes: an end, a rest, a tie. Rows of -1 are padding,
which stands only at the end of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.representations.base import PADDING

NAMES = ("offset", "pitch", "duration", "velocity")
_PITCH = 1  # column of an event
_NEVER = 1 << 20  # steps, until a track is free that has no event


class Starts(NamedTuple):
    """Where ``B`` sequences begin.

    Attributes
    ----------
    position, meter : in the bar, and the id of its meter, ``[B]`` each.
    free : steps until each of ``K`` tracks has ended the notes before, ``[B, K]``; 0 where tracks
        may have gaps.
    """

    position: Tensor
    meter: Tensor
    free: Tensor

    def rows(self, rows: Tensor) -> Starts:
        """Of these sequences, int64 ``[n]``."""
        return Starts(*(x[rows] for x in self))


class NoteSpace(nn.Module):
    """The categories of an event and the steps that their ids stand for; holds no parameters.

    Parameters
    ----------
    sizes : number of ids of each of the ``C`` categories; ``V`` is their sum.
    names : of the categories, in the order of the columns.
    n_pitches : ids of the pitch that are notes; None: all. An end, a rest and a tie follow, as far
        as there are ids for them.
    derived : names of the categories that follow from the events before.
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
        names: Sequence[str] = (),
        n_pitches: int | None = None,
        derived: Sequence[str] = (),
        offset_bins: Sequence[int],
        duration_bins: Sequence[int],
        bars: Sequence[int],
        n_positions: int,
        grid: int,
    ) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.names = tuple(names) or NAMES[: len(self.sizes)]
        self.n_pitches = self.sizes[1] if n_pitches is None else n_pitches
        self.end, self.tie = self.n_pitches, self.n_pitches + 2
        self._derived = frozenset(self.names.index(name) for name in derived)
        self.track_column = self.names.index("track") if "track" in self.names else None
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

    def is_derived(self, category: int | None) -> bool:
        """Whether a category follows from the events before, so that no network chooses it."""
        return category in self._derived

    @property
    def n_tracks(self) -> int:
        """Ids of the track; 1 where it is no category."""
        return 1 if self.track_column is None else self.sizes[self.track_column]

    @property
    def order(self) -> tuple[int, ...]:
        """The columns in the order in which they are chosen: a track comes before its pitch."""
        columns = range(self.n_categories)
        if self.track_column is None:
            return tuple(columns)
        rest = (i for i in columns if i not in (0, self.track_column))
        return (0, self.track_column, *rest)

    def sounding(self, pitch: Tensor) -> Tensor:
        """Ids of pitches, with ``n_pitches`` for those that are no notes."""
        return pitch.clamp_max(self.n_pitches)

    def moved(self, pitch: Tensor, other: Tensor) -> Tensor:
        """Transposed pitches ``other`` where ``pitch`` are notes; what is no note stays, and what
        leaves the keyboard is -1.
        """
        inside = other.masked_fill((other < 0) | (other >= self.n_pitches), -1)
        return inside.where(pitch < self.n_pitches, pitch)

    def add_to_pitches(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Logits of all ids of the pitch, ``[..., n]``, plus scores of the notes, ``[..., P]``."""
        rest = logits.shape[-1] - self.n_pitches
        return logits + (F.pad(scores, (0, rest)) if rest else scores)

    @property
    def has_end(self) -> bool:
        """Whether an event may be the end of a piece."""
        return self.sizes[_PITCH] > self.n_pitches

    def ended(self, events: Tensor) -> Tensor:
        """Which events follow an end: ids ``[B, T, C + 2]`` -> bool ``[B, T]``."""
        is_end = events[..., _PITCH] == self.end
        return (is_end.cumsum(1) - is_end.long() > 0) & self.has_end

    def until_end(self, events: Tensor) -> Tensor:
        """Ids ``[B, T, C + 2]`` with padding after an end."""
        if not self.has_end:
            return events
        return events.masked_fill(self.ended(events)[..., None], PADDING)

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

    def starts(self, events: Tensor) -> Starts:
        """Where sequences of ids ``[B, T, C + 2]`` begin, before the first event's offset."""
        meter = events[:, 0, -1]
        position = events[:, 0, -2] - self.offset_bins[events[:, 0, 0]]
        return Starts(position % self.bars[meter], meter, self._free(events))

    def beginning(self, position: Tensor, meter: Tensor) -> Starts:
        """Where pieces begin, all of whose tracks are free: positions and meters, ``[B]`` each."""
        return Starts(position, meter, position.new_zeros(len(position), self.n_tracks))

    def _free(self, events: Tensor) -> Tensor:
        """Steps until each track is free, ``[B, K]``: a track without gaps is free where its first
        event begins; without one, it never is.
        """
        if self.track_column is None or not self.is_derived(self.track_column):
            return events.new_zeros(len(events), self.n_tracks)
        ids = events.clamp_min(0)
        onset = self.offset_bins[ids[..., 0]].cumsum(1)[..., None]
        tracks = torch.arange(self.n_tracks, device=events.device)
        own = (ids[..., self.track_column, None] == tracks) & self.present(events)[..., None]
        return onset.expand(own.shape).masked_fill(~own, _NEVER).amin(1)

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
