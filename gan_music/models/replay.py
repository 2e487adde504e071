"""Replay buffers of the critic (Shrivastava et al. 2017): earlier windows and rollouts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gan_music.networks.step_discriminator import CriticFeatures


class ReplayItem(NamedTuple):
    """``N`` sequences.

    Attributes
    ----------
    events : ids ``[N, T, C + 2]``.
    z : global noise that they were generated from, ``[N, Z]``.
    features : the critic's features of them.
    """

    events: Tensor
    z: Tensor
    features: CriticFeatures

    def rows(self, rows: slice) -> ReplayItem:
        """Some of the sequences."""
        features = CriticFeatures(*(x[rows] for x in self.features))
        return ReplayItem(self.events[rows], self.z[rows], features)

    @staticmethod
    def cat(items: Sequence[ReplayItem]) -> ReplayItem:
        """All sequences of several items, in order."""
        features = (torch.cat(x) for x in zip(*(i.features for i in items), strict=True))
        events, z = torch.cat([i.events for i in items]), torch.cat([i.z for i in items])
        return ReplayItem(events, z, CriticFeatures(*features))


class ReplayBuffer:
    """The last ``size`` sequences, each an item of its own."""

    def __init__(self, size: int) -> None:
        self.sequences: deque[ReplayItem] = deque(maxlen=size)

    def add(self, item: ReplayItem) -> None:
        """Append an item's sequences; the oldest ones are dropped."""
        self.sequences.extend(item.rows(slice(i, i + 1)) for i in range(len(item.events)))

    def last(self, n: int) -> ReplayItem:
        """The ``n`` newest sequences, the newest one last."""
        return ReplayItem.cat(list(self.sequences)[-n:])

    def sample(self, n: int) -> ReplayItem:
        """``n`` sequences, drawn uniformly with replacement."""
        drawn = torch.randint(len(self.sequences), (n,)).tolist()
        return ReplayItem.cat([self.sequences[i] for i in drawn])

    def state(self) -> tuple[Tensor, Tensor] | None:
        """Events (int16, since ids are small) and z, for a checkpoint; None while it is empty."""
        if not self.sequences:
            return None
        every = self.last(len(self.sequences))
        return every.events.short(), every.z

    def load(
        self,
        state: tuple[Tensor, Tensor] | None,
        make_item: Callable[[Tensor, Tensor], ReplayItem],
        device: torch.device,
    ) -> None:
        """Restore :meth:`state`; ``make_item`` computes the features of events and z."""
        if state is not None:
            events, z = (x.to(device) for x in state)
            self.add(make_item(events.long(), z))
