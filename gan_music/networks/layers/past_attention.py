"""Attention of a recurrent network over its own past, for whole sequences and step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.layers.bf16_linear import InferenceLinear
from gan_music.networks.layers.fused_embeddings import FusedEmbeddings


class PastAttention(nn.Module):
    """Multi-head attention of each hidden state ``[H]`` over at most ``span`` earlier steps.

    The key of a step is its hidden state *before* its event; the value is that state together with
    the event. So the network can find an earlier place like the present one and read which event
    came next there, which lets it repeat passages as a plain LSTM cannot. A learned null key and
    value stand for no such place.

    Scaled dot-product attention (Vaswani et al. 2017) with a learned bias by head and distance; the
    result is added to the hidden state. ``span`` bounds the time and memory of a step.

    Parameters
    ----------
    hidden_size : ``H``.
    event_size : width of an embedded event.
    n_heads, head_size : their product is ``A``.
    """

    def __init__(
        self, *, hidden_size: int, event_size: int, n_heads: int, head_size: int, span: int
    ) -> None:
        super().__init__()
        self.n_heads, self.head_size, self.span = n_heads, head_size, span
        width = n_heads * head_size
        self.query = nn.Linear(hidden_size, width)
        self.key = nn.Linear(hidden_size, width)
        self.value_of_state = nn.Linear(hidden_size, width)
        self.value_of_event = nn.Linear(event_size, width, bias=False)
        self.out = nn.Linear(width, hidden_size)
        self.bias = nn.Parameter(torch.zeros(n_heads, span))  # by distance - 1
        self.nowhere_key = nn.Parameter(torch.zeros(n_heads, 1, head_size))
        self.nowhere_value = nn.Parameter(torch.zeros(n_heads, 1, head_size))

    def forward(self, hidden: Tensor, events: Tensor) -> Tensor:
        """Hidden states before each event ``[B, T, H]`` and embedded events ``[B, T, E]`` -> hidden
        states ``[B, T, H]``.
        """
        n, length, _ = hidden.shape
        query = self.split(self.query(hidden))
        key = self.split(self.key(hidden))
        value = self.split(self.value_of_state(hidden) + self.value_of_event(events))
        key = torch.cat([self.nowhere_key.expand(n, -1, -1, -1), key], 2)
        value = torch.cat([self.nowhere_value.expand(n, -1, -1, -1), value], 2)
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=self._mask(length))
        return hidden + self.out(read.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """``[B, T, A]`` -> ``[B, heads, T, head_size]``."""
        return x.unflatten(-1, (self.n_heads, self.head_size)).transpose(1, 2)

    def _mask(self, length: int) -> Tensor:
        """Added to the scores, ``[heads, T, 1 + T]``: the bias, or -inf where out of reach."""
        steps = torch.arange(length, device=self.bias.device)
        distance = steps[:, None] - steps
        reach = (distance >= 1) & (distance <= self.span)
        bias = self.bias[:, (distance - 1).clamp(0, self.span - 1)]
        bias = bias.masked_fill(~reach, -torch.inf)
        return F.pad(bias, (1, 0))


class AttentionCache:
    """The KV cache of :class:`PastAttention`: the last ``span`` steps of ``n`` sequences.

    A step takes the same time at any length of the sequence.

    Parameters
    ----------
    tables : those that an event is embedded by, as ``FusedEmbeddings`` takes them.
    bf16 : multiply by weights in bfloat16.
    """

    def __init__(
        self,
        attention: PastAttention,
        n: int,
        tables: Sequence[Sequence[Tensor]],
        *,
        bf16: bool = False,
    ) -> None:
        self.span = attention.span
        self.out = InferenceLinear(attention.out.weight.T, attention.out.bias, bf16=bf16)
        heads, span, size = attention.n_heads, attention.span, attention.head_size
        weight = attention.value_of_event.weight
        self.event_values = FusedEmbeddings(tables, weight.T)
        # slot 0 is the null key; the others are a ring buffer, zero until written
        self.keys = weight.new_zeros(n * heads, 1 + span, size)
        self.values = weight.new_zeros(n * heads, 1 + span, size)
        self.keys[:, :1] = attention.nowhere_key.repeat(n, 1, 1)
        self.values[:, :1] = attention.nowhere_value.repeat(n, 1, 1)
        # steps since each slot was written; span: never, whose bias is -inf
        self.ago = torch.full((span,), span, device=weight.device)
        self.bias = F.pad(attention.bias, (0, 1), value=-torch.inf)  # [heads, span + 1]
        self.slot = self.ago.new_zeros(1)  # the next one of the ring
        self.n_filled = 0  # no slot from here on need be read
        # query (scaled), key and value of a hidden state by one product
        scale = size**-0.5
        query, key, value = attention.query, attention.key, attention.value_of_state
        self.qkv = InferenceLinear(
            torch.cat([query.weight * scale, key.weight, value.weight]).T,
            torch.cat([query.bias * scale, key.bias, value.bias]),
            bf16=bf16,
        )
        self._key = self._value = weight.new_empty(n, heads * size)
        self._shape = (n * heads, 1, size)

    def attend(self, hidden: Tensor) -> Tensor:
        """The hidden state before an event ``[B, H]`` -> with what was read added, ``[B, H]``."""
        query, self._key, self._value = self.qkv(hidden).chunk(3, -1)
        n = self.n_filled
        scores = query.reshape(self._shape) @ self.keys[:, : 1 + n].mT
        bias = self.bias.index_select(1, self.ago[:n])  # [heads, n]
        scores.view(-1, len(bias), 1 + n)[..., 1:] += bias
        read = scores.softmax(-1) @ self.values[:, : 1 + n]
        return hidden + self.out(read.view(len(hidden), -1))

    def append(self, event: Tensor) -> None:
        """Cache the hidden state that last attended, with the ids of its event, one a table,
        ``[B, n]``.
        """
        slot, value = 1 + self.slot, self._value + self.event_values(event)
        self.keys.index_copy_(1, slot, self._key.reshape(self._shape))
        self.values.index_copy_(1, slot, value.view(self._shape))
        self.ago.add_(1).clamp_(max=self.span).index_fill_(0, self.slot, 0)
        self.slot = slot.remainder_(self.span)
        self.n_filled = min(self.n_filled + 1, self.span)

    def reorder(self, rows: Tensor) -> None:
        """Replace the sequences by those of the rows, int64 ``[n]``."""
        heads, n = len(self.bias), len(rows)
        self.keys = self.keys.unflatten(0, (-1, heads))[rows].flatten(0, 1)
        self.values = self.values.unflatten(0, (-1, heads))[rows].flatten(0, 1)
        self._key, self._value = self._key[rows], self._value[rows]
        self._shape = (n * heads, 1, self._shape[2])

    def fix_shapes(self) -> None:
        """Read all slots from now on, so that every step has the same shapes."""
        self.n_filled = self.span
