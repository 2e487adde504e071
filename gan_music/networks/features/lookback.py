"""What followed earlier in the sequence where the last notes were the same: n-gram matches.

Real music repeats itself literally, which a fading hidden state cannot reproduce. For each event,
earlier places are found whose last pitches or intervals are those before this event, and the
choices that were made there are scored (compare Magenta's Lookback RNN, Waite 2016). A match ends
at the first note that differs; :mod:`gan_music.networks.features.lag_alignment` follows a passage
beyond it.

A generator that always repeats itself ends in a loop. So the network's inputs hold the share of the
last events that matched, and the accuracy of the alignments.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.features import lag_alignment
from gan_music.networks.features.base import (
    Feature,
    FeatureSequence,
    FeatureState,
    select,
    weighted,
)
from gan_music.networks.features.history import History
from gan_music.networks.note_space import NoteSpace, Starts

# kinds of match: the last so many pitches are the same; the last so many intervals
PITCH_MATCHES = (2, 4, 8)
INTERVAL_MATCHES = (4,)
N_MATCHES = len(PITCH_MATCHES) + len(INTERVAL_MATCHES)
N_SCORES = N_MATCHES + lag_alignment.N_ALIGNMENTS  # K

RATE_SPANS = (16, 64, 256)  # time constants, in events, of the repetition rates
N_RATES = len(RATE_SPANS) * N_MATCHES + lag_alignment.N_ACCURACIES

DECAY = 128.0  # events in which a place's weight decays to 1 / e
EPSILON = 0.01  # scores are log(1 + share / EPSILON)
_PITCH = 1  # column of an event
NO_INTERVAL = -(1 << 20)


class Lookback(Feature):
    """Matches and alignments within the last ``span`` events.

    Scores of a category, ``K`` for each choice: by kind of match, the logarithm of the weighted
    share of matching places with this choice; then, by alignment, the log accuracy of the alignment
    where it predicts this choice. An offset is scored over all matching places, a pitch over those
    with the same offset, and so on. Inputs are the repetition rates and accuracies. A known event
    is described by its own scores and the inputs.
    """

    def __init__(self, space: NoteSpace, *, span: int) -> None:
        super().__init__()
        self.space, self.span = space, span
        self.n_inputs, self.n_descriptors = N_RATES, space.n_categories * N_SCORES + N_RATES
        self.n_weights = [N_SCORES] * space.n_categories

    @torch.no_grad()
    def sequence(self, events: Tensor, inputs: Tensor, history: History) -> LookbackSequence:
        n, length = events.shape[:2]
        pitch = inputs[..., _PITCH]
        before = F.pad(pitch, (1, 0), value=-1)[:, :length]  # [B, T]; -1 where there is none
        # few pairs of an event and a place match: the row, the event and the place of each
        matches, match_length = _matches(before, self.span)
        aligned = lag_alignment.align(self.space, inputs, match_length, span=self.span)
        predicted = aligned.predicted
        row, event, place = torch.stack(matches).any(0).nonzero().unbind(1)
        weights = torch.stack([m[row, event, place] for m in matches], 1)  # [M, K]
        weights = weights * torch.exp((place - event) / DECAY)[:, None]
        line = row * length + event
        scores: dict[int, Tensor] = {}
        for i in self.space.order:
            size = self.space.sizes[i]
            choice = inputs[row, place, i]
            is_same = choice == events[row, event, i]
            if i == _PITCH:
                # the same interval from here; where the pitches match, the same pitch
                moved = choice + before[row, event] - before[row, place]
                choice = self.space.moved(choice, moved)
            is_valid = (choice >= 0) & (choice < size)
            cell = line * size + choice.clamp(0, size - 1)
            sums = _sum_rows(weights * is_valid[:, None], cell, n * length * size)
            total = _sum_rows(weights, line, n * length)
            by_match = _log_shares(sums.view(n, length, size, -1).mT, total.view(n, length, -1))
            by_alignment = lag_alignment.alignment_scores(
                predicted, aligned.accuracy, i, size, self.space.n_pitches
            )
            scores[i] = torch.cat([by_match, by_alignment], 2)
            weights = weights * is_same[:, None]
            predicted = lag_alignment.keep_consistent(predicted, i, events[..., i])
        rates = _repetition_rates(torch.stack([m.any(-1) for m in matches], -1).float())
        in_columns = [scores[i] for i in range(self.space.n_categories)]
        return LookbackSequence(in_columns, torch.cat([rates, aligned.accuracy.flatten(2)], -1))

    def state(self, starts: Starts) -> LookbackState:
        return LookbackState(self.space, starts.meter, span=self.span)


class LookbackSequence(FeatureSequence):
    """Scores of each category, ``[B, T, K, n]``, and rates ``[B, T, N_RATES]``."""

    def __init__(self, scores: Sequence[Tensor], rates: Tensor) -> None:
        self.scores, self.rates = scores, rates

    def inputs(self, history: History) -> Tensor:
        return self.rates

    def add_scores(
        self, category: int, logits: Tensor, weights: Tensor, history: History
    ) -> Tensor:
        return logits + weighted(weights, self.scores[category])

    def describe(self, events: Tensor, history: History) -> Tensor:
        ids = events.clamp_min(0)
        found = [select(s, ids[..., i]) / 4 for i, s in enumerate(self.scores)]  # about 1 in size
        return torch.cat([*found, self.rates], -1)


class LookbackState(FeatureState):
    """The same of sequences that are decoded step by step, each in one meter ``[B]``."""

    def __init__(self, space: NoteSpace, meter: Tensor, *, span: int) -> None:
        self.space, n, device = space, len(meter), meter.device
        # the last events and the interval to each from the one before it, the oldest first
        self.events = torch.full((n, space.n_categories, span), -1, device=device)
        self.intervals = torch.full((n, span), NO_INTERVAL, device=device)
        self.last_pitch = torch.full((n,), -1, device=device)
        # how many pitches, and intervals, before each place are those before the next event
        self.runs = torch.zeros(n, 2, span, dtype=torch.int64, device=device)
        self.decay = torch.exp(-torch.arange(span, 0, -1, device=device) / DECAY)
        self.weights = torch.zeros(n, N_MATCHES, span, device=device)  # of each place
        self.spans = torch.tensor(RATE_SPANS, device=device)[:, None]
        self.n_observed = torch.zeros((), dtype=torch.int64, device=device)
        self.rate_sums = torch.zeros(n, len(RATE_SPANS), N_MATCHES, device=device)
        self.alignment = lag_alignment.LagAlignmentState(space, meter, span=span)

    def inputs(self, history: History) -> Tensor:
        total = 1 - (1 - 1 / self.spans) ** (self.n_observed + 1)
        rates = (self.rate_sums / total).flatten(1)
        return torch.cat([rates, self.alignment.accuracy.flatten(1)], 1)

    def scores(self, category: int) -> Tensor:
        """Of the next event's choices, ``[B, K, n]``."""
        size, choice = self.space.sizes[category], self.events[:, category]
        if category == _PITCH:
            choice = self.space.moved(choice, self.intervals + self.last_pitch[:, None])
        weights = self.weights * ((choice >= 0) & (choice < size))[:, None]
        where = choice.clamp(0, size - 1)[:, None].expand_as(weights)
        sums = weights.new_zeros(*weights.shape[:2], size).scatter_add_(-1, where, weights)
        by_match = _log_shares(sums, self.weights.sum(-1))
        return torch.cat([by_match, self.alignment.scores(category, size)], 1)

    def add_scores(
        self, category: int, logits: Tensor, weights: Tensor, history: History
    ) -> Tensor:
        return logits + weighted(weights, self.scores(category))

    def choose(self, category: int, ids: Tensor) -> None:
        # later categories are scored over the places with the same choice
        self.weights = self.weights * (self.events[:, category] == ids[:, None])[:, None]
        self.alignment.choose(category, ids)

    def observe(self, event: Tensor) -> None:
        pitch = event[:, _PITCH]
        interval = (pitch - self.last_pitch).where(self.last_pitch >= 0, NO_INTERVAL)
        is_same = self.events[:, _PITCH] == pitch[:, None]
        is_moved = (self.intervals == interval[:, None]) & (interval != NO_INTERVAL)[:, None]
        # the run before a place grows by one where the event at the place before it is this one
        self.runs = (self.runs + 1).where(torch.stack([is_same, is_moved], 1), 0)
        self.events = torch.cat([self.events[..., 1:], event[..., None]], -1)
        self.intervals = torch.cat([self.intervals[:, 1:], interval[:, None]], -1)
        self.last_pitch = pitch
        of_pitches, of_intervals = self.runs.unbind(1)
        kinds = [of_pitches >= k for k in PITCH_MATCHES]
        matches = torch.stack([*kinds, *(of_intervals >= k for k in INTERVAL_MATCHES)], 1)
        self.weights = matches * self.decay
        self.n_observed = self.n_observed + 1
        self.alignment.observe(event, of_pitches, self.events, self.intervals)
        self.rate_sums += (matches.any(-1)[:, None].float() - self.rate_sums) / self.spans

    def reorder(self, rows: Tensor) -> None:
        for name in ("events", "intervals", "last_pitch", "runs", "weights", "rate_sums"):
            setattr(self, name, getattr(self, name)[rows])
        self.alignment.reorder(rows)


def _repetition_rates(matched: Tensor) -> Tensor:
    """Whether each event had a match, ``[B, T, K]`` -> exponentially weighted means over the
    events up to it, by time constant, ``[B, T, len(RATE_SPANS) K]``.
    """
    step = torch.arange(matched.shape[1], device=matched.device)
    ago = (step[:, None] - step).float()
    spans = torch.tensor(RATE_SPANS, device=matched.device)[:, None, None]
    weights = ((1 - 1 / spans) ** ago.clamp_min(0)).where(ago >= 0, 0)  # [spans, T, T]
    weights = weights / weights.sum(-1, keepdim=True)
    with torch.autocast(matched.device.type, enabled=False):
        return torch.einsum("stu,buk->btsk", weights, matched).flatten(2)


def _matches(before: Tensor, span: int) -> tuple[list[Tensor], Tensor]:
    """Pitches before each event ``[B, T]`` -> which places match it, by kind, bool ``[B, T, T]``;
    and how many of ``lag_alignment.MATCHES`` each reaches, ``[B, T, T]``.

    An event without a pitch before it matches no place, and later places match no event.
    """
    length = before.shape[1]
    is_there = before >= 0
    is_same = (before[:, :, None] == before[:, None]) & is_there[:, None]
    interval = F.pad(before.diff(dim=1), (1, 0))
    has_interval = is_there & F.pad(is_there, (1, 0))[:, :length]
    is_moved = interval[:, :, None] == interval[:, None]
    is_moved = is_moved & has_interval[:, :, None] & has_interval[:, None]
    step = torch.arange(length, device=before.device)
    ago = step[:, None] - step
    is_past = (ago > 0) & (ago <= span)
    lengths = {*PITCH_MATCHES, *lag_alignment.MATCHES}
    runs = {k: _is_run(is_same, k) & is_past for k in lengths}
    kinds = [runs[k] for k in PITCH_MATCHES]
    kinds += [_is_run(is_moved, k) & is_past for k in INTERVAL_MATCHES]
    return kinds, torch.stack([runs[k] for k in lag_alignment.MATCHES]).sum(0)


def _is_run(same: Tensor, n: int) -> Tensor:
    """Where the last ``n`` are the same, given where the last one is: bool ``[B, T, T]``."""
    length, have, run = same.shape[-1], 1, same
    while have < n:
        more = min(have, n - have)
        run = run & F.pad(run, (more, 0, more, 0))[:, :length, :length]
        have += more
    return run


def _sum_rows(rows: Tensor, where: Tensor, size: int) -> Tensor:
    """The sum of the rows ``[M, K]`` of each index ``where [M]``, flat: ``[size * K]``."""
    # flat: a CPU adds the rows of a matrix one by one
    n = rows.shape[1]
    cells = where[:, None] * n + torch.arange(n, device=where.device)
    return rows.new_zeros(size * n).index_add_(0, cells.flatten(), rows.flatten())


def _log_shares(sums: Tensor, total: Tensor) -> Tensor:
    """Sums of weights by choice ``[..., n]``, of a total ``[...]`` -> log(1 + share / EPSILON)."""
    return torch.log1p(sums / total.clamp_min(1e-6)[..., None] / EPSILON)
