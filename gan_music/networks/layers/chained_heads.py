"""From a hidden state to choices: chained heads, which score a choice also by where it leads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.features import active_notes
from gan_music.networks.features.history import MEMORIES, N_FAMILIAR, History, familiarity, nearness
from gan_music.networks.note_space import NoteSpace

_OFFSET, _PITCH, _DURATION = 0, 1, 2


class Heads(nn.Module):
    """Logits of each category given the state and the categories before it in the chain.

    Offset, then pitch given the offset, then duration given both (then velocity given all). Each is
    scored as itself, by ``n`` numbers of its own; and

    - an *offset* and a *duration* also by where the onset or the end would lie, in its beat and on
      which beat of the bar;
    - a *pitch* also by its interval to each of the last ``n_intervals`` pitches, and by how
      familiar it is: the logarithms of the shares that it, its pitch class and its register have of
      what was heard of late, with weights that the state gives.

    With ``n_recalled`` above 0, each is scored also by what followed at places like this one
    (:func:`~gan_music.networks.features.lookback.recall`, in so many kinds of likeness), with weights that the
    state gives.

    With ``hears_sounding``, an offset and a duration are scored also by whether held notes end
    then, and a pitch by its intervals to those that begin with it, are held, and were heard of late
    (:mod:`gan_music.networks.features.active_notes`), with weights that the state gives.

    So a network that knows where the beat or the key is need not learn for each offset and each
    pitch what leads there; and what it learned in one key or at one place holds at all others.
    With ``n_intervals=0`` each is scored as itself alone.
    """

    nearness: Tensor

    def __init__(
        self,
        space: NoteSpace,
        *,
        hidden_size: int,
        embedding_size: int,
        n_intervals: int,
        n_expected: int = 0,
        n_recalled: int = 0,
        hears_sounding: bool = False,
    ) -> None:
        super().__init__()
        self.space, self.n_intervals, self.n_recalled = space, n_intervals, n_recalled
        self.n_weights = N_FAMILIAR + n_expected
        n_places = space.grid + space.n_beats
        n_pitches = space.sizes[_PITCH]
        relations = {
            _OFFSET: n_places,
            _PITCH: n_intervals * (2 * n_pitches - 1) + self.n_weights,
            _DURATION: n_places,
        }
        more = relations if n_intervals else {}
        self.n_sounding = {
            _OFFSET: active_notes.N_TIMES,
            _PITCH: active_notes.n_around(len(MEMORIES)),
            _DURATION: active_notes.N_TIMES,
        }
        if not hears_sounding:
            self.n_sounding = {}
        self.first = nn.ModuleList(
            nn.Linear(hidden_size + i * embedding_size, hidden_size)
            for i in range(space.n_categories)
        )
        self.out = nn.ModuleList(
            nn.Linear(hidden_size, n + more.get(i, 0) + self.n_sounding.get(i, 0) + n_recalled)
            for i, n in enumerate(space.sizes)
        )
        # what a head is told of the choices before its own
        self.chain = nn.ModuleList(nn.Embedding(n, embedding_size) for n in space.sizes[:-1])
        self.register_buffer("nearness", nearness(n_pitches), persistent=False)

    def forward(
        self,
        hidden: Tensor,
        context: History,
        events: Tensor,
        recalled: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, ...]:
        """States ``[B, T, H]`` before known ids ``[B, T, C + 2]`` -> ``C`` times ``[B, T, n]``.

        ``recalled`` is what is recalled of each category, ``[B, T, K, n]``.
        """
        ids = events.clamp_min(0)
        told, logits = [hidden], []
        for i, (first, out) in enumerate(zip(self.first, self.out, strict=True)):
            scores = out(F.gelu(first(torch.cat(told, -1))))
            of_past = recalled[i] if recalled else None
            logits.append(self.logits(i, scores, context, ids[..., -2], of_past, ids[..., _OFFSET]))
            if i < len(self.chain):
                told.append(self.chain[i](ids[..., i]))
        return tuple(logits)

    def logits(
        self,
        category: int,
        scores: Tensor,
        context: History,
        onset: Tensor,
        recalled: Tensor | None = None,
        offset: Tensor | None = None,
    ) -> Tensor:
        """What the output of a head ``[..., W]`` says of each choice ``[..., n]``.

        ``onset`` is the event's position in the bar and ``offset`` the id of its offset, which
        heads after the offset's may know; ``recalled`` is what is recalled of this category,
        ``[..., K, n]``.
        """
        more = []
        if recalled is not None:
            scores, trust = scores.tensor_split([-self.n_recalled], -1)
            more.append(_weighted(trust, recalled))
        if n := self.n_sounding.get(category, 0):
            scores, weights = scores.tensor_split([-n], -1)
            more.append(self._sounding(category, weights, context, onset, offset))
        return sum(reversed(more), self._related(category, scores, context, onset))

    def _sounding(
        self,
        category: int,
        weights: Tensor,
        context: History,
        onset: Tensor,
        offset: Tensor | None,
    ) -> Tensor:
        """Scores by what sounds, with weights ``[..., F]``."""
        if category == _OFFSET:
            return _weighted(weights, active_notes.offsets(self.space, context.sounding))
        assert offset is not None
        then = context.sounding.moved(self.space.offset_bins[offset])
        if category == _PITCH:
            found = active_notes.harmony(self.space, then, onset, context.heard)
            return active_notes.score(found, weights)
        return _weighted(weights, active_notes.durations(self.space, then))

    def _related(self, category: int, scores: Tensor, context: History, onset: Tensor) -> Tensor:
        """By itself, and by what it is to what came before."""
        if not self.n_intervals:
            return scores
        own, scores = scores.tensor_split([self.space.sizes[category]], -1)
        if category == _OFFSET:
            return own + self._landing(scores, context.position, context.meter, _OFFSET)
        if category == _PITCH:
            *intervals, weights = scores.split(
                [*[2 * own.shape[-1] - 1] * self.n_intervals, self.n_weights], -1
            )
            for k, score in enumerate(intervals):
                own = own + self._interval(score, context.pitches[..., k])
            return own + self._familiarity(weights, context)
        if category == _DURATION:
            return own + self._landing(scores, onset, context.meter, _DURATION)
        return own

    def _landing(self, scores: Tensor, start: Tensor, meter: Tensor, category: int) -> Tensor:
        """Scores of places in the beat, and of beats -> of each way there from ``start``."""
        space = self.space
        bins = space.offset_bins if category == _OFFSET else space.duration_bins
        place = (start[..., None] + bins) % space.bars[meter][..., None]
        within, beat = scores.tensor_split([space.grid], -1)
        return within.gather(-1, place % space.grid) + beat.gather(-1, place // space.grid)

    def _interval(self, scores: Tensor, pitch: Tensor) -> Tensor:
        """Scores of intervals ``[..., 2 P - 1]`` -> of each pitch, ``[..., P]``."""
        n = self.space.sizes[_PITCH]
        start = pitch.where(pitch < n, n // 2)  # before there is one: from the middle
        steps = torch.arange(n, device=scores.device) + n - 1
        return scores.gather(-1, steps - start[..., None])

    def _familiarity(self, weights: Tensor, context: History) -> Tensor:
        """Weights ``[..., F + E]`` of how familiar and expected each pitch is -> its score,
        ``[..., P]``.
        """
        expected = context.expected
        familiar = familiarity(context.heard, self.nearness)
        of_heard, of_expected = weights.tensor_split([N_FAMILIAR], -1)
        scores = _weighted(of_heard, familiar)
        if expected.shape[1]:
            scores = scores + torch.einsum(
                "b...e,bep->b...p", of_expected, expected.to(weights.dtype)
            )
        return scores


def _weighted(weights: Tensor, told: Tensor) -> Tensor:
    """Weights ``[..., K]`` of what is told of each choice ``[..., K, n]`` -> its score,
    ``[..., n]``.
    """
    return (weights[..., None, :] @ told.to(weights.dtype))[..., 0, :]
