"""Which earlier passage the music is following, and how that goes on.

Where a passage comes back, notes differ here and there, and what is found by the last notes being
the same (:mod:`gan_music.networks.recall`) is lost at each of them. A thread is not: once the last
notes are those of an earlier place, the music is taken to follow that place at a fixed distance in
time, until another place is more like it. The event that lies there next is what the thread says.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.events import EventSpace

# a place is the better to follow the more of these numbers of last pitches are the same
LIKE = (4, 8, 16)
# one thread each: its places lie so many events back at least, so that the second is no near loop
BACK = (1, 64)
N_THREADS = len(BACK)  # S
TRUST_SPANS = (8, 64)  # events over which it is counted, fading, how often a thread was right
N_TRUSTS = len(TRUST_SPANS) * N_THREADS

_OFFSET, _PITCH = 0, 1  # columns of an event
_ORDER = 128  # more than there are pitches
_MOST_BACK = 1 << 20  # more events than anything is recalled of
_RARE = 0.01  # what trust is large against


class Followed(NamedTuple):
    """What is known of the threads before each event.

    Attributes
    ----------
    said : the event that comes next on each, ids ``[B, T, S, C]``; -1 where there is none.
    trust : share of the last events that it was right about in onset and pitch, by
        ``TRUST_SPANS``, ``[B, T, len(TRUST_SPANS), S]``.
    """

    said: Tensor
    trust: Tensor


def follow(space: EventSpace, events: Tensor, likeness: Tensor, *, span: int) -> Followed:
    """The threads of ids ``[B, T, C + 2]`` within ``span`` events.

    ``likeness`` is how many of ``LIKE`` each place reaches for each event, ``[B, T, T]``.
    """
    length = events.shape[1]
    ids = events[..., : space.n_categories].clamp_min(0)
    steps = space.offset_bins[ids[..., _OFFSET]]
    onset = steps.cumsum(1)
    order = _order(onset, ids[..., _PITCH]).cummax(1).values
    last, last_order = (F.pad(x, (1, 0))[:, :length] for x in (onset, order))

    t = torch.arange(length, device=events.device)
    best, place = _rank(likeness, t[:, None] - t).max(-1)  # [B, T, S]
    lag = last[..., None] - _at(onset - steps, place)
    since = t[:, None].where(best > 0, -1).cummax(1).values
    lag = lag.gather(1, since.clamp_min(0)).where(since >= 0, 0)

    wanted = (last_order[..., None] - lag * _ORDER).flatten(1)
    there = torch.searchsorted(order, wanted, right=True).view(lag.shape)
    near = (t[:, None] - there < span) & space.present(events)[..., None]
    there = there.clamp_max(length - 1)
    found = torch.stack([_at(ids[..., i], there) for i in range(ids.shape[-1])], -1)
    said = _said(space, last[..., None], lag * near, _at(onset, there), found)

    right = _right(said, ids).mT[:, None]  # [B, 1, S, T]
    ago = (t - t[:, None] - 1).clamp_min(-1)  # of the columns' events, from the rows'
    kept = torch.stack([(1 - 1 / k) ** ago / k for k in TRUST_SPANS]).where(ago >= 0, 0)
    with torch.autocast(events.device.type, enabled=False):
        trust = right @ kept  # [B, spans, S, T]
    return Followed(said, trust.permute(0, 3, 1, 2))


class Threads:
    """The same for ``n`` sequences side by side, one event at a time."""

    def __init__(self, space: EventSpace, n: int, *, span: int, device: torch.device) -> None:
        self.space = space
        # of the last events, the oldest first: onset, that of the event before, both in steps;
        # and their order in the piece
        self.onset = torch.zeros(n, span, dtype=torch.int64, device=device)
        self.before = torch.zeros_like(self.onset)
        self.order = torch.full_like(self.onset, -(1 << 40))
        self.ago = torch.arange(span, 0, -1, device=device)
        self.lag = torch.zeros(n, N_THREADS, dtype=torch.int64, device=device)
        self.said = torch.full((n, N_THREADS, space.n_categories), -1, device=device)
        self.still = self.said
        self.trust = torch.zeros(n, len(TRUST_SPANS), N_THREADS, device=device)
        self.spans = torch.tensor(TRUST_SPANS, device=device)[:, None]

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``."""
        for name in ("onset", "before", "order", "lag", "said", "still", "trust"):
            setattr(self, name, getattr(self, name)[rows])

    def scores(self, category: int, size: int) -> Tensor:
        """Of the choices for the next event, ``[B, S, size]``."""
        return scored(self.still[..., category], self.trust[:, 0], size)

    def chose(self, category: int, ids: Tensor) -> None:
        """What was chosen for it, ``[B]``."""
        self.still = still(self.still, category, ids)

    def after(self, chosen: Tensor, runs: Tensor, past: Tensor) -> None:
        """The event is whole: ids ``[B, C]``.

        ``runs`` are how many pitches before each place are those before the next event,
        ``[B, span]``, and ``past`` the events there, ``[B, C, span]``.
        """
        right = _right(self.said, chosen)
        self.trust = self.trust + (right[:, None] - self.trust) / self.spans
        last = self.onset[:, -1:]
        onset = last + self.space.offset_bins[chosen[:, :1]]
        order = torch.maximum(_order(onset, chosen[:, 1:2]), self.order[:, -1:])
        self.onset = torch.cat([self.onset[:, 1:], onset], 1)
        self.before = torch.cat([self.before[:, 1:], last], 1)
        self.order = torch.cat([self.order[:, 1:], order], 1)

        likeness = torch.stack([runs >= k for k in LIKE]).sum(0)
        best, place = _rank(likeness, self.ago).max(-1)  # [B, S]
        self.lag = (onset - self.before.gather(1, place)).where(best > 0, self.lag)
        there = torch.searchsorted(self.order, order - self.lag * _ORDER, right=True)
        near = there > 0
        there = there.clamp_max(self.order.shape[1] - 1)
        found = past.gather(2, there[:, None].expand(-1, past.shape[1], -1)).mT
        self.said = _said(self.space, onset, self.lag * near, self.onset.gather(1, there), found)
        self.still = self.said


def scored(said: Tensor, trust: Tensor, size: int) -> Tensor:
    """One category of what threads say and how far each is trusted, ``[..., S]`` -> scores of the
    choices, ``[..., S, size]``.
    """
    scores = torch.zeros(*said.shape, size, device=said.device)
    height = torch.log1p(trust / _RARE) * (said >= 0)
    return scores.scatter_(-1, said.clamp_min(0)[..., None], height[..., None])


def still(said: Tensor, category: int, chosen: Tensor) -> Tensor:
    """What threads say ``[..., S, C]`` once a category ``[...]`` was chosen otherwise: nothing."""
    return said.where((said[..., category] == chosen[..., None])[..., None], -1)


def _order(onset: Tensor, pitch: Tensor) -> Tensor:
    return onset * _ORDER + pitch


def _rank(likeness: Tensor, ago: Tensor) -> Tensor:
    """How good each place is to follow, ``[..., S, places]``, 0 where it is none: the most like,
    and of those the earliest. Likeness and events back are ``[..., places]``.
    """
    ago = ago[..., None, :]
    back = torch.stack([ago.new_full((), n) for n in BACK])[:, None]
    likeness = likeness[..., None, :]
    return (likeness * _MOST_BACK + ago) * ((likeness > 0) & (ago >= back))


def _said(space: EventSpace, last: Tensor, lag: Tensor, onset: Tensor, ids: Tensor) -> Tensor:
    """The event to come, ids ``[..., S, C]``, -1 where there is none: that of ids ``[..., S, C]``
    and onset ``[..., S]``, so many steps later, from the last onset ``[..., 1]`` on.
    """
    step = onset + lag - last
    offset = torch.searchsorted(space.offset_bins, step).clamp_max(space.sizes[_OFFSET] - 1)
    there_is = (lag > 0) & (space.offset_bins[offset] == step)
    said = torch.cat([offset[..., None], ids[..., 1:]], -1)
    return said.where(there_is[..., None], -1)


def _right(said: Tensor, ids: Tensor) -> Tensor:
    """Whether each thread said the event's onset and pitch, ``[..., S]``."""
    same = said == ids[..., None, :]
    return (same[..., _OFFSET] & same[..., _PITCH]).float()


def _at(x: Tensor, index: Tensor) -> Tensor:
    """``x [B, T]`` at ``[B, T, S]`` of its steps."""
    return x.gather(1, index.flatten(1)).view(index.shape)
