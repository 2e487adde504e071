"""Which earlier passage the music repeats at a fixed lag, and what would come next there.

An alignment is a lag in steps: it predicts that the next event is the one that lies so many steps
before it. A repetition with a few altered notes keeps its lag, where n-gram matches
(:mod:`gan_music.networks.features.lookback`) end at each of them.

There are three groups of alignments, in this order: ``MIN_DISTANCES``, the lags of the last n-gram
matches; ``BAR_LAGS``, fixed lags of a beat and of one, two, four and eight bars; and these fixed
lags again for transposed repetitions, which predict the interval from the last pitch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.note_space import NoteSpace

MATCHES = (4, 8, 16)  # lengths in pitches: a longer match gives the better alignment
# least distance in events of each matched alignment; the second skips short loops
MIN_DISTANCES = (1, 64)
BAR_LAGS = (0, 1, 2, 4, 8)  # lags in bars; 0 stands for a beat
N_EXACT = len(MIN_DISTANCES) + len(BAR_LAGS)  # alignments that predict the pitch exactly
N_ALIGNMENTS = N_EXACT + len(BAR_LAGS)  # S
ACCURACY_SPANS = (8, 64)  # time constants, in events, of an alignment's accuracy
N_ACCURACIES = 2 * len(ACCURACY_SPANS) * N_ALIGNMENTS

_OFFSET, _PITCH = 0, 1  # columns of an event
ORDER = 128  # more than there are pitches, or notes of one onset
_SIZES = (len(MIN_DISTANCES), len(BAR_LAGS))
TOLERANCE = 2  # semitones by which a transposed prediction may miss the pitch
_MAX_DISTANCE = 1 << 20  # events, more than any span
_NO_PITCH = -(1 << 20)
EPSILON = 0.01  # scores are log(1 + accuracy / EPSILON)


class LagAlignment(NamedTuple):
    """The alignments before each event.

    Attributes
    ----------
    predicted : the event that each predicts, ids ``[B, T, S, C]``; -1 where it predicts none.
    accuracy : exponentially weighted share of the past events that each predicted, by
        ``ACCURACY_SPANS``, in onset and in both onset and pitch,
        ``[B, T, len(ACCURACY_SPANS), 2, S]``.
    """

    predicted: Tensor
    accuracy: Tensor


def align(space: NoteSpace, events: Tensor, match_length: Tensor, *, span: int) -> LagAlignment:
    """The alignments of ids ``[B, T, C + 2]`` within ``span`` events.

    ``match_length`` is how many of ``MATCHES`` each earlier place reaches for each event,
    ``[B, T, T]``.
    """
    length = events.shape[1]
    ids = events[..., : space.n_categories].clamp_min(0)
    steps = space.offset_bins[ids[..., _OFFSET]]
    onset = steps.cumsum(1)
    t = torch.arange(length, device=events.device)
    rank = t - t.where((steps > 0) | (t == 0), 0).cummax(1).values
    orders = torch.stack([_order(onset, ids[..., _PITCH]).cummax(1).values, _order(onset, rank)])
    last = F.pad(onset, (1, 0))[:, :length]

    best, place = _rank(match_length, t[:, None] - t).max(-1)  # [B, T, S]
    lag = last[..., None] - _at(onset - steps, place)
    since = t[:, None].where(best > 0, -1).cummax(1).values
    lag = lag.gather(1, since.clamp_min(0)).where(since >= 0, 0)
    meter = events[..., -1].clamp_min(0)
    meter = torch.cat([meter[:, :1], meter[:, :-1]], 1)
    lag = torch.cat([lag, bar_lags(space, meter)], -1)

    source = torch.cat(
        [
            torch.searchsorted(
                order, (F.pad(order, (1, 0))[:, :length, None] - x * ORDER).flatten(1), right=True
            ).view(x.shape)
            for order, x in zip(orders, lag.split(_SIZES, -1), strict=True)
        ],
        -1,
    )
    within = (source < t[:, None]) & (t[:, None] - source < span) & space.present(events)[..., None]
    source = source.clamp_max(length - 1)
    found = torch.stack([_at(ids[..., i], source) for i in range(ids.shape[-1])], -1)
    predicted = _predict(space, last[..., None], lag * within, _at(onset, source), found)
    before = F.pad(ids[..., _PITCH], (1, 0))[:, :length]
    interval = _at(ids[..., _PITCH] - before, source).where(source > 0, _NO_PITCH)
    predicted = _with_transposed(space, predicted, before[..., None] + interval)

    hits = _hits(predicted, ids).flatten(2).mT[:, None]  # [B, 1, 2 S, T]
    ago = (t - t[:, None] - 1).clamp_min(-1)  # from the event of the row to that of the column
    decays = torch.stack([(1 - 1 / k) ** ago / k for k in ACCURACY_SPANS]).where(ago >= 0, 0)
    with torch.autocast(events.device.type, enabled=False):
        accuracy = hits @ decays  # [B, spans, 2 S, T]
    return LagAlignment(predicted, accuracy.permute(0, 3, 1, 2).unflatten(-1, (2, -1)))


def bar_lags(space: NoteSpace, meter: Tensor) -> Tensor:
    """Lags in steps of ``BAR_LAGS`` in meters ``[...]``: ``[..., len(BAR_LAGS)]``."""
    bar = space.bars[meter]
    return torch.stack([bar * n if n else torch.full_like(bar, space.grid) for n in BAR_LAGS], -1)


class LagAlignmentState:
    """The same of sequences that are decoded step by step, each in one meter ``[n]``."""

    def __init__(self, space: NoteSpace, meter: Tensor, *, span: int) -> None:
        self.space, n, device = space, len(meter), meter.device
        # of the last events, the oldest first: onset and that of the event before, both in steps;
        # and their order in the sequence, by pitch and by rank among the notes of one onset
        self.onset = torch.zeros(n, span, dtype=torch.int64, device=device)
        self.before = torch.zeros_like(self.onset)
        self.orders = torch.full((n, 2, span), -(1 << 40), device=device)
        self.rank = torch.full((n, 1), -1, device=device)
        self.ago = torch.arange(span, 0, -1, device=device)
        self.lag = F.pad(bar_lags(space, meter), (len(MIN_DISTANCES), 0))
        self.predicted = torch.full((n, N_ALIGNMENTS, space.n_categories), -1, device=device)
        self.consistent = self.predicted  # with the categories that are chosen so far
        self.accuracy = torch.zeros(n, len(ACCURACY_SPANS), 2, N_ALIGNMENTS, device=device)
        self.spans = torch.tensor(ACCURACY_SPANS, device=device)[:, None, None]

    def scores(self, category: int, size: int) -> Tensor:
        """Of the next event's choices, ``[B, S, size]``."""
        n_notes = self.space.n_pitches
        return alignment_scores(self.consistent, self.accuracy, category, size, n_notes)

    def choose(self, category: int, ids: Tensor) -> None:
        """The next event's category is ``ids [B]``."""
        self.consistent = keep_consistent(self.consistent, category, ids)

    def observe(self, event: Tensor, runs: Tensor, past: Tensor, intervals: Tensor) -> None:
        """Append an event, ids ``[B, C]``.

        ``runs`` are how many pitches before each place are those before the next event,
        ``[B, span]``; ``past`` are the events there, ``[B, C, span]``, and ``intervals`` the
        intervals to them from the events before, ``[B, span]``.
        """
        hits = _hits(self.predicted, event)
        self.accuracy = self.accuracy + (hits[:, None] - self.accuracy) / self.spans
        last = self.onset[:, -1:]
        onset = last + self.space.offset_bins[event[:, :1]]
        self.rank = (self.rank + 1).where(onset == last, 0)
        order = torch.maximum(_order(onset, event[:, 1:2]), self.orders[:, 0, -1:])
        now = torch.stack([order, _order(onset, self.rank)], 1)
        self.onset = torch.cat([self.onset[:, 1:], onset], 1)
        self.before = torch.cat([self.before[:, 1:], last], 1)
        self.orders = torch.cat([self.orders[..., 1:], now], 2)

        match_length = torch.stack([runs >= k for k in MATCHES]).sum(0)
        best, place = _rank(match_length, self.ago).max(-1)  # [B, S]
        matched, fixed = self.lag.split(_SIZES, 1)
        matched = (onset - self.before.gather(1, place)).where(best > 0, matched)
        self.lag = torch.cat([matched, fixed], 1)
        # all lags are searched in both orders, of which each group reads its own
        wanted = now - self.lag[:, None] * ORDER
        source = torch.searchsorted(self.orders, wanted, right=True)
        n_matched = len(MIN_DISTANCES)
        source = torch.cat([source[:, 0, :n_matched], source[:, 1, n_matched:]], 1)
        size = self.orders.shape[2]
        within = (source > 0) & (source < size)
        source = source.clamp_max(size - 1)
        found = past.gather(2, source[:, None].expand(-1, past.shape[1], -1)).mT
        predicted = _predict(
            self.space, onset, self.lag * within, self.onset.gather(1, source), found
        )
        pitch = event[:, 1:2] + intervals.gather(1, source)
        self.predicted = self.consistent = _with_transposed(self.space, predicted, pitch)

    def reorder(self, rows: Tensor) -> None:
        """Replace the sequences by those of the rows, int64 ``[n]``."""
        shared = ("space", "ago", "spans")
        vars(self).update({k: x[rows] for k, x in vars(self).items() if k not in shared})


def alignment_scores(
    predicted: Tensor, accuracy: Tensor, category: int, size: int, n_notes: int
) -> Tensor:
    """Predictions ``[..., S, C]`` and accuracies as in :class:`LagAlignment` -> scores of the
    choices of a category, ``[..., S, size]``: log accuracies, those of onsets for an offset.
    ``n_notes`` pitches are notes.
    """
    predicted = predicted[..., category]
    accuracy = accuracy[..., 0, 0 if category == _OFFSET else 1, :]
    height = torch.log1p(accuracy / EPSILON) * (predicted >= 0)
    n_exact = N_EXACT if category == _PITCH else N_ALIGNMENTS
    scores = torch.zeros(*predicted.shape, size, device=predicted.device)
    exact = scores[..., :n_exact, :]
    exact.scatter_(-1, predicted[..., :n_exact, None].clamp_min(0), height[..., :n_exact, None])
    if n_exact < N_ALIGNMENTS:
        apart = torch.arange(n_notes, device=predicted.device) - predicted[..., n_exact:, None]
        scores[..., n_exact:, :n_notes] = pitch_kernel(apart) * height[..., n_exact:, None]
    return scores


def pitch_kernel(apart: Tensor) -> Tensor:
    """The share of a transposed alignment's score for pitches so many semitones apart."""
    return torch.exp(-0.5 * (apart / (0.75 * TOLERANCE)) ** 2)


def keep_consistent(predicted: Tensor, category: int, chosen: Tensor) -> Tensor:
    """Predictions ``[..., S, C]``, with -1 for those that contradict the choice ``[...]``."""
    return predicted.where(_agrees(predicted[..., category], category, chosen)[..., None], -1)


def _agrees(predicted: Tensor, category: int, chosen: Tensor) -> Tensor:
    """Whether predictions of a category ``[..., S]`` hold for the choice ``[...]``."""
    agrees = predicted == chosen[..., None]
    if category == _PITCH:
        is_near = (predicted - chosen[..., None]).abs() <= TOLERANCE
        is_near &= predicted >= 0
        agrees = torch.cat([agrees[..., :N_EXACT], is_near[..., N_EXACT:]], -1)
    return agrees


def _with_transposed(space: NoteSpace, predicted: Tensor, pitch: Tensor) -> Tensor:
    """Predictions and those of the transposed alignments, with the pitches ``[..., S]``."""
    pitch = pitch[..., len(MIN_DISTANCES) :, None]
    moved = predicted[..., len(MIN_DISTANCES) :, :]
    moved = torch.cat([moved[..., :_PITCH], pitch, moved[..., _PITCH + 1 :]], -1)
    is_valid = (moved[..., :1] >= 0) & (pitch >= 0) & (pitch < space.n_pitches)
    return torch.cat([predicted, moved.where(is_valid, -1)], -2)


def _order(onset: Tensor, pitch: Tensor) -> Tensor:
    return onset * ORDER + pitch


def _rank(match_length: Tensor, ago: Tensor) -> Tensor:
    """A rank of each place for each matched alignment, ``[..., S, places]``, 0 where it is none:
    longer matches rank higher, and of equal ones the earlier. Both inputs are ``[..., places]``.
    """
    ago = ago[..., None, :]
    least = torch.stack([ago.new_full((), n) for n in MIN_DISTANCES])[:, None]
    match_length = match_length[..., None, :]
    return (match_length * _MAX_DISTANCE + ago) * ((match_length > 0) & (ago >= least))


def _predict(space: NoteSpace, last: Tensor, lag: Tensor, onset: Tensor, ids: Tensor) -> Tensor:
    """The events with ids ``[..., S, C]`` and onsets ``[..., S]``, moved by their lags, as the next
    event after the last onset ``[..., 1]``: ids ``[..., S, C]``; -1 where they cannot be.
    """
    step = onset + lag - last
    offset = torch.searchsorted(space.offset_bins, step).clamp_max(space.sizes[_OFFSET] - 1)
    is_valid = (lag > 0) & (space.offset_bins[offset] == step)
    predicted = torch.cat([offset[..., None], ids[..., 1:]], -1)
    return predicted.where(is_valid[..., None], -1)


def _hits(predicted: Tensor, ids: Tensor) -> Tensor:
    """Whether each alignment predicted the event's onset, and its onset and pitch,
    ``[..., 2, S]``.
    """
    onset, pitch = (_agrees(predicted[..., i], i, ids[..., i]) for i in (_OFFSET, _PITCH))
    return torch.stack([onset, onset & pitch], -2).float()


def _at(x: Tensor, index: Tensor) -> Tensor:
    """``x [B, T]`` at ``[B, T, S]`` of its steps."""
    return x.gather(1, index.flatten(1)).view(index.shape)
