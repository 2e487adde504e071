"""A critic that scores every event of a sequence given the events before it."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.features.feature_set import FeatureSet
from gan_music.networks.features.history import IntervalEmbedding, intervals
from gan_music.networks.note_space import BarEmbedding, NoteSpace

_PITCH = 1  # column of an event
_STYLE_NOISE = 0.5  # deviation of the noise on style vectors, in their standard deviations


class CriticFeatures(NamedTuple):
    """Hand-made features of events given those before them, without any weights.

    Attributes
    ----------
    intervals : from each pitch to those before it, ids as
        :class:`~gan_music.networks.features.history.IntervalEmbedding` takes them, int64
        ``[B, T, I]``.
    numbers : descriptors of each event by all features, float ``[B, T, F]``.
    style_vector : noise ``z`` to which the events were generated, ``[B, Z]``; ``Z`` is 0 for a
        critic that is not conditioned on it.
    """

    intervals: Tensor
    numbers: Tensor
    style_vector: Tensor


def hold(scores: Tensor, present: Tensor) -> Tensor:
    """Scores ``[B, T]``, with the last one of an event that is present after it."""
    last = (present.sum(1, keepdim=True) - 1).clamp_min(0)
    return scores.where(present, scores.gather(1, last))


class StepDiscriminator(nn.Module):
    """Events ``[B, T, C + 2]`` -> a logit of each event and all before it, ``[B, T]``; above 0 is
    "real".

    A score at every step (de Masson d'Autume et al. 2019) tells which event makes a sequence
    unconvincing: the difference between two steps is the event's reward. Scores do not depend on
    later events.

    Hand-made features (:class:`~gan_music.networks.features.feature_set.FeatureSet`) stand beside
    the embeddings, since a recurrent network is slow to learn them.

    With ``style_size`` above 0 it is conditioned on the style vector to which events were generated
    (conditional GAN, Mirza & Osindero 2014). In training the vector has noise: that of real music
    is exact to the last digit, which would give it away.
    """

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
        self.feature_set = FeatureSet(
            space,
            n_intervals=max(0, n_intervals - 1),
            lookback_span=lookback_span,
            active_notes_span=active_notes_span,
        )
        self.embed = nn.ModuleList(nn.Embedding(size, embedding_size) for size in space.sizes)
        self.embed_bar = BarEmbedding(space, embedding_size)
        self.embed_intervals = IntervalEmbedding(space, embedding_size, n_intervals=n_intervals)
        n_parts = space.n_categories + 1 + (n_intervals > 0)
        n_numbers = self.feature_set.n_descriptors + style_size
        self.merge = nn.Linear(n_parts * embedding_size + n_numbers, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.norm = nn.LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)
        last = nn.Linear(hidden_size, 1)
        nn.init.zeros_(last.weight)  # all scores are 0 at first
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(2 * hidden_size, hidden_size), nn.GELU(), last)

    @torch.no_grad()
    def features(self, events: Tensor, z: Tensor) -> CriticFeatures:
        """Of ids ``[B, T, C + 2]`` and the noise ``[B, Z]`` to which they were generated; undefined
        for padding.
        """
        found = self.feature_set.sequence(events)
        pitch = events[..., _PITCH, None].clamp_min(0)
        earlier = found.history.pitches[..., : self.n_intervals]
        return CriticFeatures(
            intervals(pitch, earlier, self.space.n_pitches),
            found.describe(events),
            z[:, : self.style_size],
        )

    def forward(self, events: Tensor, features: CriticFeatures) -> Tensor:
        """Score ids ``[B, T, C + 2]`` whose features are known."""
        return self.score(self.inputs(events, features))

    def inputs(self, events: Tensor, features: CriticFeatures) -> Tensor:
        """Embeddings and features, ``[B, T, F]``, which a gradient penalty interpolates."""
        ids = events.clamp_min(0)
        style_vector = features.style_vector
        if self.training:
            style_vector = style_vector + _STYLE_NOISE * torch.randn_like(style_vector)
        style_vector = style_vector[:, None].expand(-1, events.shape[1], -1)
        parts = [e(ids[..., i]) for i, e in enumerate(self.embed)]
        parts.append(self.embed_bar(ids[..., -2], ids[..., -1]))
        if self.n_intervals:
            parts.append(self.embed_intervals(features.intervals))
        return torch.cat([*parts, features.numbers, style_vector], -1)

    def score(self, inputs: Tensor) -> Tensor:
        """The logits ``[B, T]`` of :meth:`inputs`."""
        merged = F.gelu(self.merge(self.dropout(inputs)))
        hidden = self.norm(self.lstm(self.dropout(merged))[0])
        return self.head(torch.cat([self.dropout(hidden), merged], -1))[..., 0].float()
