"""An LSTM that hears music event by event and says after each whether it sounds real so far."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.features import active_notes
from gan_music.networks.features.history import (
    MEMORIES,
    N_FAMILIAR,
    History,
    IntervalEmbedding,
    familiarity,
    histories,
    nearness,
)
from gan_music.networks.features.lookback import N_ECHOES, N_KINDS, lookback
from gan_music.networks.note_space import BarEmbedding, NoteSpace

_PITCH = 1  # column of an event
_BLUR = 0.5  # of outlines, in their standard deviations


class CriticFeatures(NamedTuple):
    """What is plain to hear of events, given those before them: no weight has a part in it.

    Attributes
    ----------
    intervals : from each pitch to those before it, ids as
        :class:`~gan_music.networks.features.history.IntervalEmbedding` takes them, int64 ``[B, T, I]``.
    numbers : how familiar the pitch is, how far each choice repeats what followed at places like
        this one, and how it goes with what sounds, ``[B, T, F]``.
    outline : that to which the events were written, as the generator knows it, ``[B, Z]``; of no
        numbers for a critic that does not hear it.
    """

    intervals: Tensor
    numbers: Tensor
    style_vector: Tensor


class StepDiscriminator(nn.Module):
    """Events ``[B, T, C + 2]`` -> a logit for each, and all that came before it, ``[B, T]``; above
    0 is "real".

    A discriminator that gives a score to every step (de Masson d'Autume et al. 2019) says where a
    piece stops to be convincing, not only whether it does: the rise or fall of the score over an
    event is what that event is to blame for. It sees no later event than it scores.

    What a recurrent network is slow to find it is told: intervals, how familiar a pitch is; by what
    is recalled of ``lookback_span`` events, whether this repeats what went before; and, of the last
    ``active_notes_span``, what harmony a pitch joins and which notes end when it begins and ends.

    With ``outline_size`` above 0 it is told the outline to which events were written, too, and so
    hears whether they keep to it (a conditional GAN, Mirza & Osindero 2014). In training that is
    blurred: real music keeps to its own to the last digit, which is nothing to hear.
    """

    nearness: Tensor

    def __init__(
        self,
        space: NoteSpace,
        *,
        hidden_size: int,
        embedding_size: int,
        dropout: float,
        n_intervals: int,
        lookback_span: int,
        active_notes_span: int,
        style_size: int = 0,
    ) -> None:
        super().__init__()
        self.space, self.n_intervals = space, n_intervals
        self.style_size = style_size
        self.lookback_span, self.active_notes_span = lookback_span, active_notes_span
        n = space.n_categories
        self.embed = nn.ModuleList(nn.Embedding(size, embedding_size) for size in space.sizes)
        self.embed_bar = BarEmbedding(space, embedding_size)
        self.embed_intervals = IntervalEmbedding(space, embedding_size, n_intervals=n_intervals)
        n_parts = n + 1 + (n_intervals > 0)
        n_numbers = N_FAMILIAR + (n * N_KINDS + N_ECHOES if lookback_span else 0)
        if active_notes_span:
            n_numbers += active_notes.n_around(len(MEMORIES)) + 2 * active_notes.N_TIMES
        n_numbers += style_size
        self.merge = nn.Linear(n_parts * embedding_size + n_numbers, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.norm = nn.LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)
        last = nn.Linear(hidden_size, 1)
        nn.init.zeros_(last.weight)  # it begins undecided
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(2 * hidden_size, hidden_size), nn.GELU(), last)
        self.register_buffer("nearness", nearness(space.sizes[_PITCH]), persistent=False)

    @torch.no_grad()
    def features(self, events: Tensor, z: Tensor) -> CriticFeatures:
        """Of ids ``[B, T, C + 2]`` and the noise that they were written to, ``[B, Z]``; what it is
        for padding means nothing.
        """
        context = histories(
            self.space,
            events,
            n_intervals=max(0, self.n_intervals - 1),
            active_notes_span=self.active_notes_span,
        )
        pitch = events[..., _PITCH].clamp_min(0)
        n_pitches = self.space.sizes[_PITCH]
        earlier = context.pitches[..., : self.n_intervals]
        intervals = (pitch[..., None] - earlier + n_pitches).where(earlier < n_pitches, 0)
        familiar = familiarity(context.heard, self.nearness)
        numbers = [familiar.gather(-1, _at(pitch, familiar))[..., 0] / 3]  # about 1 in size
        if self.lookback_span:
            found = lookback(self.space, events, events, span=self.lookback_span)
            for i, scores in enumerate(found.scores):
                ids = events[..., i].clamp_min(0)
                numbers.append(scores.gather(-1, _at(ids, scores))[..., 0] / 4)
            numbers.append(found.echoes)
        if self.active_notes_span:
            numbers += self._joins(events.clamp_min(0), context)
        return CriticFeatures(intervals, torch.cat(numbers, -1), z[:, : self.style_size])

    def _joins(self, ids: Tensor, context: History) -> list[Tensor]:
        """How each choice goes with what sounds."""
        offset, pitch, duration = ids[..., :3].unbind(-1)
        met = active_notes.offsets(self.space, context.sounding)
        then = context.sounding.moved(self.space.offset_bins[offset])
        ends = active_notes.durations(self.space, then)
        return [
            active_notes.around(
                active_notes.harmony(self.space, then, ids[..., -2], context.heard), pitch
            ),
            met.gather(-1, _at(offset, met))[..., 0],
            ends.gather(-1, _at(duration, ends))[..., 0],
        ]

    def forward(self, events: Tensor, features: CriticFeatures) -> Tensor:
        """Score windows of ids, of which :meth:`notice` is known."""
        ids = events.clamp_min(0)
        style_vector = features.style_vector
        if self.training:
            style_vector = style_vector + _BLUR * torch.randn_like(style_vector)
        style_vector = style_vector[:, None].expand(-1, events.shape[1], -1)
        parts = [e(ids[..., i]) for i, e in enumerate(self.embed)]
        parts.append(self.embed_bar(ids[..., -2], ids[..., -1]))
        if self.n_intervals:
            parts.append(self.embed_intervals(features.intervals))
        told = torch.cat([*parts, features.numbers, style_vector], -1)
        merged = F.gelu(self.merge(self.dropout(told)))
        hidden = self.norm(self.lstm(self.dropout(merged))[0])
        return self.head(torch.cat([self.dropout(hidden), merged], -1))[..., 0].float()


def _at(ids: Tensor, scores: Tensor) -> Tensor:
    """Ids ``[B, T]`` as the index into the last axis of scores ``[B, T, K, n]``."""
    return ids[..., None, None].expand(*scores.shape[:-1], 1)
