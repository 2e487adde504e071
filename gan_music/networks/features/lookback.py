"""What followed, in the same sequence, when it last went like this.

Real music repeats itself, often word for word; a state that fades does not. So past places are
found whose notes before them are those before the next one, pitch for pitch or interval for
interval, and choices are told which were made there. Nothing is learned here but, by the heads,
how far to trust it.

Notes that differ here and there do not end the return of a passage, but such likeness: so the music
is also taken to follow an earlier passage in time (:mod:`gan_music.networks.features.lag_alignment`).

Whoever always goes on as before goes round in circles, and cannot tell: how much of late was an
echo, and how often a thread was right, is told, too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.features import lag_alignment
from gan_music.networks.note_space import NoteSpace

# kinds of likeness: so many last pitches are the same; so many last intervals
SAME_PITCHES = (2, 4, 8)
SAME_INTERVALS = (4,)
N_LIKE = len(SAME_PITCHES) + len(SAME_INTERVALS)
N_KINDS = N_LIKE + lag_alignment.N_THREADS  # K

ECHO_SPANS = (16, 64, 256)  # events that echoes are counted over, fading
N_ECHOES = len(ECHO_SPANS) * N_LIKE + lag_alignment.N_TRUSTS  # E

FADING = 128.0  # events after which a place counts 1 / e
RARE = 0.01  # what shares are large against
_PITCH = 1  # column of an event
_NO_INTERVAL = -(1 << 20)


class Lookback(NamedTuple):
    """What is known of the past before each event.

    Attributes
    ----------
    scores : for each category, ``[B, T, K, n]``: logarithms of the shares that each choice has of
        those made at places like this one. An offset is held against all of them; a pitch against
        those where the offset was this one; and so on down the chain. Later places count more.
        Then, by thread, what it says, as high as it has been right of late.
    echoes : ``[B, T, E]``, of the last events: the share of those before which it went as it had
        gone before, by kind of likeness within ``ECHO_SPANS``; then of those that the threads were
        right about.
    """

    scores: list[Tensor]
    echoes: Tensor


@torch.no_grad()
def lookback(space: NoteSpace, events: Tensor, past: Tensor, *, span: int) -> Lookback:
    """What ids ``[B, T, C + 2]`` have in the ``span`` events before them that is like them.

    ``past`` are the same events, as they were heard.
    """
    n, length = events.shape[:2]
    pitch = past[..., _PITCH]
    before = F.pad(pitch, (1, 0), value=-1)[:, :length]  # [B, T]; -1 where there is none
    # most events are like few places: of each pair, the row of B T events, and both in their row
    kinds, length_of_likeness = _likeness(before, span)
    thread = lag_alignment.follow(space, past, length_of_likeness, span=span)
    said = thread.said
    row, event, place = torch.stack(kinds).any(0).nonzero().unbind(1)
    weights = torch.stack([k[row, event, place] for k in kinds], 1)  # [M, K]
    weights = weights * torch.exp((place - event) / FADING)[:, None]
    line = row * length + event
    found = []
    for i, size in enumerate(space.sizes):
        choice = past[row, place, i]
        same = choice == events[row, event, i]
        if i == _PITCH:
            # the interval that followed there, from here: where pitches are the same, the same one
            choice = choice + before[row, event] - before[row, place]
        is_there = (choice >= 0) & (choice < size)
        cell = line * size + choice.clamp(0, size - 1)
        sums = _summed(weights * is_there[:, None], cell, n * length * size)
        total = _summed(weights, line, n * length)
        by_likeness = _scores(sums.view(n, length, size, -1).mT, total.view(n, length, -1))
        by_thread = lag_alignment.scored(said, thread.trust, i, size)
        found.append(torch.cat([by_likeness, by_thread], 2))
        weights = weights * same[:, None]
        said = lag_alignment.still(said, i, events[..., i])
    echoes = _echoes(torch.stack([k.any(-1) for k in kinds], -1).float())
    return Lookback(found, torch.cat([echoes, thread.trust.flatten(2)], -1))


class LookbackState:
    """The same for sequences side by side, one event at a time, each in one meter ``[n]``."""

    def __init__(self, space: NoteSpace, meter: Tensor, *, span: int) -> None:
        self.space, n, device = space, len(meter), meter.device
        # the last events and how each went on from the one before it, the oldest first
        self.past = torch.full((n, space.n_categories, span), -1, device=device)
        self.intervals = torch.full((n, span), _NO_INTERVAL, device=device)
        self.last = torch.full((n,), -1, device=device)  # pitch
        # of each place: how many pitches, and intervals, before it are those before the next event
        self.runs = torch.zeros(n, 2, span, dtype=torch.int64, device=device)
        self.fading = torch.exp(-torch.arange(span, 0, -1, device=device) / FADING)
        self.weights = torch.zeros(n, N_LIKE, span, device=device)  # of each place
        self.spans = torch.tensor(ECHO_SPANS, device=device)[:, None]
        self.n_heard = torch.zeros((), dtype=torch.int64, device=device)
        self.echo_sums = torch.zeros(n, len(ECHO_SPANS), N_LIKE, device=device)
        self.threads = lag_alignment.LagAlignmentState(space, meter, span=span)

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``."""
        self.past, self.intervals, self.last = (
            x[rows] for x in (self.past, self.intervals, self.last)
        )
        self.runs, self.weights = self.runs[rows], self.weights[rows]
        self.echo_sums = self.echo_sums[rows]
        self.threads.keep(rows)

    def echoes(self) -> Tensor:
        """Before the next event, ``[B, E]``."""
        all_of_them = 1 - (1 - 1 / self.spans) ** (self.n_heard + 1)
        shares = (self.echo_sums / all_of_them).flatten(1)
        return torch.cat([shares, self.threads.trust.flatten(1)], 1)

    def scores(self, category: int) -> Tensor:
        """Of the choices for the next event, ``[B, K, n]``."""
        size, choice = self.space.sizes[category], self.past[:, category]
        if category == _PITCH:
            choice = self.intervals + self.last[:, None]
        weights = self.weights * ((choice >= 0) & (choice < size))[:, None]
        where = choice.clamp(0, size - 1)[:, None].expand_as(weights)
        sums = weights.new_zeros(*weights.shape[:2], size).scatter_add_(-1, where, weights)
        by_likeness = _scores(sums, self.weights.sum(-1))
        return torch.cat([by_likeness, self.threads.scores(category, size)], 1)

    def chose(self, category: int, ids: Tensor) -> None:
        """What was chosen for it, ``[B]``: only places where it was the same count from here on."""
        self.weights = self.weights * (self.past[:, category] == ids[:, None])[:, None]
        self.threads.chose(category, ids)

    def after(self, chosen: Tensor) -> None:
        """The event is whole: ids ``[B, C]``."""
        pitch = chosen[:, _PITCH]
        interval = (pitch - self.last).where(self.last >= 0, _NO_INTERVAL)
        same = self.past[:, _PITCH] == pitch[:, None]
        moved = (self.intervals == interval[:, None]) & (interval != _NO_INTERVAL)[:, None]
        # a place is like the next event for as long as the one before it is like this event
        self.runs = (self.runs + 1).where(torch.stack([same, moved], 1), 0)
        self.past = torch.cat([self.past[..., 1:], chosen[..., None]], -1)
        self.intervals = torch.cat([self.intervals[:, 1:], interval[:, None]], -1)
        self.last = pitch
        exact, turned = self.runs.unbind(1)
        kinds = [exact >= k for k in SAME_PITCHES] + [turned >= k for k in SAME_INTERVALS]
        like = torch.stack(kinds, 1)
        self.weights = like * self.fading
        self.n_heard = self.n_heard + 1
        self.threads.after(chosen, exact, self.past, self.intervals)
        self.echo_sums += (like.any(-1)[:, None].float() - self.echo_sums) / self.spans


def _echoes(like: Tensor) -> Tensor:
    """Whether there was a place like each event, ``[B, T, K]`` -> shares of the last ones
    ``[B, T, E]``, which fade along each span; as if there had been nothing before the first.
    """
    step = torch.arange(like.shape[1], device=like.device)
    ago = (step[:, None] - step).float()
    spans = torch.tensor(ECHO_SPANS, device=like.device)[:, None, None]
    weights = ((1 - 1 / spans) ** ago.clamp_min(0)).where(ago >= 0, 0)  # [spans, T, T]
    weights = weights / weights.sum(-1, keepdim=True)
    with torch.autocast(like.device.type, enabled=False):
        return torch.einsum("stu,buk->btsk", weights, like).flatten(2)


def _likeness(before: Tensor, span: int) -> tuple[list[Tensor], Tensor]:
    """Pitches before each event ``[B, T]`` -> which places are like it, by kind, bool
    ``[B, T, T]``; and how long the likeness of each is, as threads count it, ``[B, T, T]``.

    What has no pitch before it is like nothing, and nothing is like what is not past.
    """
    length = before.shape[1]
    is_there = before >= 0
    same = (before[:, :, None] == before[:, None]) & is_there[:, None]
    interval = F.pad(before.diff(dim=1), (1, 0))
    is_moved = is_there & F.pad(is_there, (1, 0))[:, :length]
    moved = (interval[:, :, None] == interval[:, None]) & is_moved[:, :, None] & is_moved[:, None]
    step = torch.arange(length, device=before.device)
    ago = step[:, None] - step
    is_past = (ago > 0) & (ago <= span)
    runs = {k: _run(same, k) & is_past for k in {*SAME_PITCHES, *lag_alignment.LIKE}}
    kinds = [runs[k] for k in SAME_PITCHES] + [_run(moved, k) & is_past for k in SAME_INTERVALS]
    return kinds, torch.stack([runs[k] for k in lag_alignment.LIKE]).sum(0)


def _run(like: Tensor, n: int) -> Tensor:
    """Where the last ``n`` are alike, given where the last one is: bool ``[B, T, T]``."""
    length, have, run = like.shape[-1], 1, like
    while have < n:
        more = min(have, n - have)
        run = run & F.pad(run, (more, 0, more, 0))[:, :length, :length]
        have += more
    return run


def _summed(rows: Tensor, where: Tensor, size: int) -> Tensor:
    """Rows ``[M, K]`` summed by their places ``[M]`` among ``size``: ``[size * K]``."""
    # flat: of more than one dimension, a processor adds row after row
    n = rows.shape[1]
    cells = where[:, None] * n + torch.arange(n, device=where.device)
    return rows.new_zeros(size * n).index_add_(0, cells.flatten(), rows.flatten())


def _scores(sums: Tensor, total: Tensor) -> Tensor:
    """Sums of weights by choice ``[..., n]``, of a total ``[...]`` -> logarithms of their shares,
    such that no share is 0.
    """
    return torch.log1p(sums / total.clamp_min(1e-6)[..., None] / RARE)
