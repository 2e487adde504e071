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


class ChainedHeads(nn.Module):
    """Logits of each category given the hidden state and the categories before it in the chain:
    offset, then pitch, then duration, then velocity where events have it.

    The outputs of a head are the logits that it gives each choice itself, and the weights by which
    the features score the choices (:class:`~gan_music.networks.features.feature_set.FeatureSet`).
    """

    def __init__(self, feature_set: FeatureSet, *, hidden_size: int, embedding_size: int) -> None:
        super().__init__()
        sizes = feature_set.space.sizes
        self.first = nn.ModuleList(
            nn.Linear(hidden_size + i * embedding_size, hidden_size) for i in range(len(sizes))
        )
        self.out = nn.ModuleList(
            nn.Linear(hidden_size, feature_set.n_outputs(i)) for i in range(len(sizes))
        )
        # embeddings of the categories before a head's own
        self.chain = nn.ModuleList(nn.Embedding(n, embedding_size) for n in sizes[:-1])

    def forward(
        self, hidden: Tensor, events: Tensor, features: SequenceFeatures
    ) -> tuple[Tensor, ...]:
        """Hidden states ``[B, T, H]`` before known events, ids ``[B, T, C + 2]`` -> ``C`` times
        ``[B, T, n]``.
        """
        ids = events.clamp_min(0)
        inputs, logits = [hidden], []
        for i, (first, out) in enumerate(zip(self.first, self.out, strict=True)):
            outputs = out(F.gelu(first(torch.cat(inputs, -1))))
            logits.append(features.logits(i, outputs))
            if i < len(self.chain):
                inputs.append(self.chain[i](ids[..., i]))
        return tuple(logits)


class HeadDecoder:
    """:class:`ChainedHeads` for one event of each sequence."""

    def __init__(self, heads: ChainedHeads, *, hidden_size: int, bf16: bool) -> None:
        first = [cast(nn.Linear, f) for f in heads.first]
        chain = [cast(nn.Embedding, c) for c in heads.chain]
        # the part of all first layers that reads the hidden state, as one product
        self.first = InferenceLinear(
            torch.cat([layer.weight[:, :hidden_size] for layer in first]).T,
            torch.cat([layer.bias for layer in first]),
            bf16=bf16,
        )
        # the part that reads the categories before
        self.chain = []
        for i, layer in enumerate(first[1:], 1):
            tables = [[c.weight] for c in chain[:i]]
            self.chain.append(FusedEmbeddings(tables, layer.weight[:, hidden_size:].T))
        layers = [cast(nn.Linear, o) for o in heads.out]
        self.out = [InferenceLinear(o.weight.T, o.bias, bf16=bf16) for o in layers]

    def choose(
        self, hidden: Tensor, noise: Sequence[Tensor], state: StepState, temperature: float
    ) -> Tensor:
        """Hidden states ``[B, H]`` and Gumbel noise of each category, ``[B, n]`` -> the event that
        is chosen, ids ``[B, C]``.
        """
        parts = self.first(hidden).chunk(len(self.out), -1)
        event = hidden.new_empty((len(hidden), len(self.out)), dtype=torch.int64)
        for i, x in enumerate(parts):
            if i > 0:
                x = x + self.chain[i - 1](event[:, :i])
            logits = state.logits(i, self.out[i](F.gelu(x)))
            event[:, i] = (logits / temperature + noise[i]).argmax(-1)
            state.choose(i, event[:, i])
        return event
