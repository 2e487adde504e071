"""Which earlier passage the music is following, and how that goes on.

Where a passage comes back, notes differ here and there, and what is found by the last notes being
the same (:mod:`gan_music.networks.features.lookback`) is lost at each of them. A thread is not: once the last
notes are those of an earlier place, the music is taken to follow that place at a fixed distance in
time, until another place is more like it. The event that lies there next is what the thread says.

Other threads are always there: they follow what was a beat, a bar, two, four and eight bars ago.
Each is there twice: once for the same notes, and once for about the same way from note to note, as
a figure goes on in another harmony.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.note_space import NoteSpace

# a place is the better to follow the more of these numbers of last pitches are the same
LIKE = (4, 8, 16)
# one thread each: its places lie so many events back at least, so that the second is no near loop
BACK = (1, 64)
BARS = (0, 1, 2, 4, 8)  # bars ago, for those that are always there; 0 stands for a beat
N_THREADS = len(BACK) + 2 * len(BARS)  # S: found, always there, about the same
TRUST_SPANS = (8, 64)  # events over which it is counted, fading, how often a thread was right
N_TRUSTS = 2 * len(TRUST_SPANS) * N_THREADS

_OFFSET, _PITCH = 0, 1  # columns of an event
ORDER = 128  # more than there are pitches, or notes of one onset
_SIZES = (len(BACK), len(BARS))
N_SAME = sum(_SIZES)  # threads before those of about the same
ABOUT = 2  # semitones that a pitch is off at most, for those of which it need not be the same
_MOST_BACK = 1 << 20  # more events than anything is recalled of
_NOWHERE = -(1 << 20)
RARE = 0.01  # what trust is large against


class LagAlignment(NamedTuple):
    """What is known of the threads before each event.

    Attributes
    ----------
    said : the event that comes next on each, ids ``[B, T, S, C]``; -1 where there is none. Of the
        last ``len(BARS)``, its pitch is as far from the last one as there.
    trust : share of the last events that it was right about, by ``TRUST_SPANS``, in onset alone
        and in onset and pitch, ``[B, T, len(TRUST_SPANS), 2, S]``.
    """

    said: Tensor
    trust: Tensor


def follow(space: NoteSpace, events: Tensor, likeness: Tensor, *, span: int) -> LagAlignment:
    """The threads of ids ``[B, T, C + 2]`` within ``span`` events.

    ``likeness`` is how many of ``LIKE`` each place reaches for each event, ``[B, T, T]``.
    """
    length = events.shape[1]
    ids = events[..., : space.n_categories].clamp_min(0)
    steps = space.offset_bins[ids[..., _OFFSET]]
    onset = steps.cumsum(1)
    t = torch.arange(length, device=events.device)
    rank = t - t.where((steps > 0) | (t == 0), 0).cummax(1).values
    orders = torch.stack([_order(onset, ids[..., _PITCH]).cummax(1).values, _order(onset, rank)])
    last = F.pad(onset, (1, 0))[:, :length]

    best, place = _rank(likeness, t[:, None] - t).max(-1)  # [B, T, S]
    lag = last[..., None] - _at(onset - steps, place)
    since = t[:, None].where(best > 0, -1).cummax(1).values
    lag = lag.gather(1, since.clamp_min(0)).where(since >= 0, 0)
    meter = events[..., -1].clamp_min(0)
    meter = torch.cat([meter[:, :1], meter[:, :-1]], 1)
    lag = torch.cat([lag, lags(space, meter)], -1)

    there = torch.cat(
        [
            torch.searchsorted(
                order, (F.pad(order, (1, 0))[:, :length, None] - x * ORDER).flatten(1), right=True
            ).view(x.shape)
            for order, x in zip(orders, lag.split(_SIZES, -1), strict=True)
        ],
        -1,
    )
    near = (there < t[:, None]) & (t[:, None] - there < span) & space.present(events)[..., None]
    there = there.clamp_max(length - 1)
    found = torch.stack([_at(ids[..., i], there) for i in range(ids.shape[-1])], -1)
    said = _said(space, last[..., None], lag * near, _at(onset, there), found)
    before = F.pad(ids[..., _PITCH], (1, 0))[:, :length]
    went = _at(ids[..., _PITCH] - before, there).where(there > 0, _NOWHERE)
    said = _and_about(space, said, before[..., None] + went)

    right = _right(said, ids).flatten(2).mT[:, None]  # [B, 1, 2 S, T]
    ago = (t - t[:, None] - 1).clamp_min(-1)  # of the columns' events, from the rows'
    kept = torch.stack([(1 - 1 / k) ** ago / k for k in TRUST_SPANS]).where(ago >= 0, 0)
    with torch.autocast(events.device.type, enabled=False):
        trust = right @ kept  # [B, spans, 2 S, T]
    return LagAlignment(said, trust.permute(0, 3, 1, 2).unflatten(-1, (2, -1)))


def lags(space: NoteSpace, meter: Tensor) -> Tensor:
    """Steps back of the threads that are always there, in meters ``[...]``: ``[..., BARS]``."""
    bar = space.bars[meter]
    return torch.stack([bar * n if n else torch.full_like(bar, space.grid) for n in BARS], -1)


class LagAlignmentState:
    """The same for sequences side by side, one event at a time, each in one meter ``[n]``."""

    def __init__(self, space: NoteSpace, meter: Tensor, *, span: int) -> None:
        self.space, n, device = space, len(meter), meter.device
        # of the last events, the oldest first: onset, that of the event before, both in steps;
        # and their order in the piece, by pitch and by rank among those of one onset
        self.onset = torch.zeros(n, span, dtype=torch.int64, device=device)
        self.before = torch.zeros_like(self.onset)
        self.orders = torch.full((n, 2, span), -(1 << 40), device=device)
        self.rank = torch.full((n, 1), -1, device=device)
        self.ago = torch.arange(span, 0, -1, device=device)
        self.lag = F.pad(lags(space, meter), (len(BACK), 0))
        self.said = torch.full((n, N_THREADS, space.n_categories), -1, device=device)
        self.still = self.said
        self.trust = torch.zeros(n, len(TRUST_SPANS), 2, N_THREADS, device=device)
        self.spans = torch.tensor(TRUST_SPANS, device=device)[:, None, None]

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``."""
        for name in ("onset", "before", "orders", "rank", "lag", "said", "still", "trust"):
            setattr(self, name, getattr(self, name)[rows])

    def scores(self, category: int, size: int) -> Tensor:
        """Of the choices for the next event, ``[B, S, size]``."""
        return scored(self.still, self.trust, category, size)

    def chose(self, category: int, ids: Tensor) -> None:
        """What was chosen for it, ``[B]``."""
        self.still = still(self.still, category, ids)

    def after(self, chosen: Tensor, runs: Tensor, past: Tensor, intervals: Tensor) -> None:
        """The event is whole: ids ``[B, C]``.

        ``runs`` are how many pitches before each place are those before the next event,
        ``[B, span]``, ``past`` the events there, ``[B, C, span]``, and ``intervals`` how far from
        those before them, ``[B, span]``.
        """
        right = _right(self.said, chosen)
        self.trust = self.trust + (right[:, None] - self.trust) / self.spans
        last = self.onset[:, -1:]
        onset = last + self.space.offset_bins[chosen[:, :1]]
        self.rank = (self.rank + 1).where(onset == last, 0)
        order = torch.maximum(_order(onset, chosen[:, 1:2]), self.orders[:, 0, -1:])
        now = torch.stack([order, _order(onset, self.rank)], 1)
        self.onset = torch.cat([self.onset[:, 1:], onset], 1)
        self.before = torch.cat([self.before[:, 1:], last], 1)
        self.orders = torch.cat([self.orders[..., 1:], now], 2)

        likeness = torch.stack([runs >= k for k in LIKE]).sum(0)
        best, place = _rank(likeness, self.ago).max(-1)  # [B, S]
        found, always = self.lag.split(_SIZES, 1)
        found = (onset - self.before.gather(1, place)).where(best > 0, found)
        self.lag = torch.cat([found, always], 1)
        # both kinds in both orders, of which each has its own
        wanted = now - self.lag[:, None] * ORDER
        there = torch.searchsorted(self.orders, wanted, right=True)
        there = torch.cat([there[:, 0, : len(BACK)], there[:, 1, len(BACK) :]], 1)
        size = self.orders.shape[2]
        near = (there > 0) & (there < size)
        there = there.clamp_max(size - 1)
        events = past.gather(2, there[:, None].expand(-1, past.shape[1], -1)).mT
        said = _said(self.space, onset, self.lag * near, self.onset.gather(1, there), events)
        self.said = _and_about(self.space, said, chosen[:, 1:2] + intervals.gather(1, there))
        self.still = self.said


def scored(said: Tensor, trust: Tensor, category: int, size: int) -> Tensor:
    """What threads say, ``[..., S, C]``, and how far each is trusted, as in :class:`Followed` ->
    scores of the choices of a category, ``[..., S, size]``: of offsets by the trust in onsets.
    """
    said = said[..., category]
    trusted = trust[..., 0, 0 if category == _OFFSET else 1, :]
    height = torch.log1p(trusted / RARE) * (said >= 0)
    n_same = N_SAME if category == _PITCH else N_THREADS
    scores = torch.zeros(*said.shape, size, device=said.device)
    same = scores[..., :n_same, :]
    same.scatter_(-1, said[..., :n_same, None].clamp_min(0), height[..., :n_same, None])
    if n_same < N_THREADS:  # around the pitch
        off = torch.arange(size, device=said.device) - said[..., n_same:, None]
        scores[..., n_same:, :] = bell(off) * height[..., n_same:, None]
    return scores


def bell(off: Tensor) -> Tensor:
    """What a thread of about the same says of pitches so many semitones off."""
    return torch.exp(-0.5 * (off / (0.75 * ABOUT)) ** 2)


def still(said: Tensor, category: int, chosen: Tensor) -> Tensor:
    """What threads say ``[..., S, C]`` once a category ``[...]`` was chosen otherwise: nothing."""
    return said.where(_same(said[..., category], category, chosen)[..., None], -1)


def _same(said: Tensor, category: int, chosen: Tensor) -> Tensor:
    """Whether a category of what threads say, ``[..., S]``, is what was chosen, ``[...]``."""
    same = said == chosen[..., None]
    if category == _PITCH:
        about = (said - chosen[..., None]).abs() <= ABOUT
        about &= said >= 0
        same = torch.cat([same[..., :N_SAME], about[..., N_SAME:]], -1)
    return same


def _and_about(space: NoteSpace, said: Tensor, pitch: Tensor) -> Tensor:
    """With threads for about the same: those that are always there, with these pitches
    ``[..., S]``.
    """
    pitch = pitch[..., len(BACK) :, None]
    about = said[..., len(BACK) :, :]
    about = torch.cat([about[..., :_PITCH], pitch, about[..., _PITCH + 1 :]], -1)
    is_there = (about[..., :1] >= 0) & (pitch >= 0) & (pitch < space.sizes[_PITCH])
    return torch.cat([said, about.where(is_there, -1)], -2)


def _order(onset: Tensor, pitch: Tensor) -> Tensor:
    return onset * ORDER + pitch


def _rank(likeness: Tensor, ago: Tensor) -> Tensor:
    """How good each place is to follow, ``[..., S, places]``, 0 where it is none: the most like,
    and of those the earliest. Likeness and events back are ``[..., places]``.
    """
    ago = ago[..., None, :]
    back = torch.stack([ago.new_full((), n) for n in BACK])[:, None]
    likeness = likeness[..., None, :]
    return (likeness * _MOST_BACK + ago) * ((likeness > 0) & (ago >= back))


def _said(space: NoteSpace, last: Tensor, lag: Tensor, onset: Tensor, ids: Tensor) -> Tensor:
    """The event to come, ids ``[..., S, C]``, -1 where there is none: that of ids ``[..., S, C]``
    and onset ``[..., S]``, so many steps later, from the last onset ``[..., 1]`` on.
    """
    step = onset + lag - last
    offset = torch.searchsorted(space.offset_bins, step).clamp_max(space.sizes[_OFFSET] - 1)
    there_is = (lag > 0) & (space.offset_bins[offset] == step)
    said = torch.cat([offset[..., None], ids[..., 1:]], -1)
    return said.where(there_is[..., None], -1)


def _right(said: Tensor, ids: Tensor) -> Tensor:
    """Whether each thread said the event's onset, and that and its pitch, ``[..., 2, S]``."""
    onset, pitch = (_same(said[..., i], i, ids[..., i]) for i in (_OFFSET, _PITCH))
    return torch.stack([onset, onset & pitch], -2).float()


def _at(x: Tensor, index: Tensor) -> Tensor:
    """``x [B, T]`` at ``[B, T, S]`` of its steps."""
    return x.gather(1, index.flatten(1)).view(index.shape)
