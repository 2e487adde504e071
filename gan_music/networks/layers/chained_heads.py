"""Heads that factorise an event's distribution by its categories: offset, pitch, duration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.features.base import StepState
from gan_music.networks.features.feature_set import FeatureSet, SequenceFeatures
from gan_music.networks.layers.bf16_linear import InferenceLinear
from gan_music.networks.layers.fused_embeddings import FusedEmbeddings

_IMPOSSIBLE = 1e4  # minus the logit of what cannot be chosen


class ChainedHeads(nn.Module):
    """Logits of each category given the hidden state and the categories before it in the chain:
    offset, track, pitch, duration, velocity, as far as events have them (``NoteSpace.order``).

    The outputs of a head are the logits that it gives each choice itself, and the weights by which
    the features score the choices (:class:`~gan_music.networks.features.feature_set.FeatureSet`).
    """

    def __init__(self, feature_set: FeatureSet, *, hidden_size: int, embedding_size: int) -> None:
        super().__init__()
        sizes, self.order = feature_set.space.sizes, feature_set.space.order
        self.derived = [feature_set.space.is_derived(i) for i in self.order]
        # all in the order of the chain; categories that follow from others have no head
        self.first = nn.ModuleList(
            nn.Identity() if d else nn.Linear(hidden_size + k * embedding_size, hidden_size)
            for k, d in enumerate(self.derived)
        )
        self.out = nn.ModuleList(
            nn.Identity() if d else nn.Linear(hidden_size, sum(feature_set.head_sizes[i]))
            for i, d in zip(self.order, self.derived, strict=True)
        )
        # embeddings of the categories before a head's own
        self.chain = nn.ModuleList(nn.Embedding(sizes[i], embedding_size) for i in self.order[:-1])

    def forward(
        self, hidden: Tensor, events: Tensor, features: SequenceFeatures
    ) -> tuple[Tensor, ...]:
        """Hidden states ``[B, T, H]`` before known events, ids ``[B, T, C + 2]`` -> ``C`` times
        ``[B, T, n]``; of a derived category, those of certainty.
        """
        ids = events.clamp_min(0)
        space = features.feature_set.space
        inputs: list[Tensor] = [hidden]
        logits: dict[int, Tensor] = {}
        for k, (i, first, out) in enumerate(zip(self.order, self.first, self.out, strict=True)):
            if self.derived[k]:
                chosen = F.one_hot(ids[..., i], space.sizes[i])
                logits[i] = (chosen.to(hidden.dtype) - 1) * _IMPOSSIBLE
            else:
                logits[i] = features.logits(i, out(F.gelu(first(torch.cat(inputs, -1)))))
            if k < len(self.chain):
                inputs.append(self.chain[k](ids[..., i]))
        return tuple(logits[i] for i in range(len(logits)))


class HeadDecoder:
    """:class:`ChainedHeads` for one event of each sequence."""

    def __init__(self, heads: ChainedHeads, *, hidden_size: int, bf16: bool) -> None:
        self.order, self.derived = list(heads.order), heads.derived
        self.places = [self.order.index(i) for i in range(len(self.order))]  # of an event's columns
        chosen = [k for k, d in enumerate(self.derived) if not d]
        first = [cast(nn.Linear, heads.first[k]) for k in chosen]
        chain = [cast(nn.Embedding, c) for c in heads.chain]
        # the part of all first layers that reads the hidden state, as one product
        self.first = InferenceLinear(
            torch.cat([layer.weight[:, :hidden_size] for layer in first]).T,
            torch.cat([layer.bias for layer in first]),
            bf16=bf16,
        )
        # the part that reads the categories before
        self.chain: dict[int, FusedEmbeddings] = {}
        for k, layer in zip(chosen, first, strict=True):
            if k > 0:
                tables = [[c.weight] for c in chain[:k]]
                self.chain[k] = FusedEmbeddings(tables, layer.weight[:, hidden_size:].T)
        layers = [cast(nn.Linear, heads.out[k]) for k in chosen]
        self.out = [InferenceLinear(o.weight.T, o.bias, bf16=bf16) for o in layers]

    def choose(
        self, hidden: Tensor, noise: Sequence[Tensor], state: StepState, temperature: float
    ) -> Tensor:
        """Hidden states ``[B, H]`` and Gumbel noise of each category, ``[B, n]`` -> the event that
        is chosen, ids ``[B, C]``.
        """
        parts = iter(zip(self.first(hidden).chunk(len(self.out), -1), self.out, strict=True))
        # in the order of the chain, so that the categories before one are a slice
        ids = hidden.new_empty((len(hidden), len(self.order)), dtype=torch.int64)
        for k, i in enumerate(self.order):
            if self.derived[k]:
                ids[:, k] = state.derived(i)
            else:
                x, out = next(parts)
                if k > 0:
                    x = x + self.chain[k](ids[:, :k])
                logits = state.logits(i, out(F.gelu(x)))
                ids[:, k] = (logits / temperature + noise[i]).argmax(-1)
            state.choose(i, ids[:, k])
        return torch.stack([ids[:, k] for k in self.places], 1)
