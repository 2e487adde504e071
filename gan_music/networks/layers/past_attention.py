"""Attention of a recurrent network over its own past, for whole sequences and step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PastAttention(nn.Module):
    """Where was I in such a state before, and which event came then?

    At each step the state ``[H]`` looks back over at most ``span`` earlier steps. A step is found
    by its state *before* its event, and what is read is that state together with the event, so
    that to write on as at another place is one look away (what a plain LSTM cannot do: its samples
    hardly ever repeat themselves). One further place to look at stands for "nowhere".

    The attention is scaled dot-product (Vaswani et al. 2017) with a learned bias a head for each
    distance in events; what it reads is added to the state. Cost and memory of a step are bounded
    by ``span``.

    Parameters
    ----------
    hidden_size : ``H``.
    event_size : width of an embedded event.
    n_heads, head_size : heads, and the width of each; ``A`` is their product.
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
        """States before each event ``[B, T, H]`` and embedded events ``[B, T, E]`` -> states."""
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
        """What is added to the scores, ``[heads, T, 1 + T]``: the bias, or -inf out of reach."""
        steps = torch.arange(length, device=self.bias.device)
        distance = steps[:, None] - steps
        reach = (distance >= 1) & (distance <= self.span)
        bias = self.bias[:, (distance - 1).clamp(0, self.span - 1)]
        bias = bias.masked_fill(~reach, -torch.inf)
        return F.pad(bias, (1, 0))


class AttentionCache:
    """Keys and values of the last ``span`` steps of ``n`` sequences, for :class:`PastAttention`.

    A step costs the same however long the sequence is. ``tables`` are those that an event is
    embedded by, as :class:`SummedRows` takes them; ``in_half`` is :class:`Product`'s.
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
        self.out = Product(attention.out.weight.T, attention.out.bias, bf16=bf16)
        heads, span, size = attention.n_heads, attention.span, attention.head_size
        weight = attention.value_of_event.weight
        self.events = SummedRows(tables, weight.T)
        # slot 0 is "nowhere"; the others are a ring, of zeros before they are written
        self.keys = weight.new_zeros(n * heads, 1 + span, size)
        self.values = weight.new_zeros(n * heads, 1 + span, size)
        self.keys[:, :1] = attention.nowhere_key.repeat(n, 1, 1)
        self.values[:, :1] = attention.nowhere_value.repeat(n, 1, 1)
        # how many steps before the last one each slot was written; span: never, which has no weight
        self.ago = torch.full((span,), span, device=weight.device)
        self.bias = F.pad(attention.bias, (0, 1), value=-torch.inf)  # [heads, span + 1]
        self.slot = self.ago.new_zeros(1)  # the next one of the ring
        self.n_filled = 0  # none behind these slots need be read
        # the query (scaled), key and value of a state by one product
        scale = size**-0.5
        query, key, value = attention.query, attention.key, attention.value_of_state
        self.of_state = Product(
            torch.cat([query.weight * scale, key.weight, value.weight]).T,
            torch.cat([query.bias * scale, key.bias, value.bias]),
            bf16=bf16,
        )
        self._key = self._value = weight.new_empty(n, heads * size)
        self._shape = (n * heads, 1, size)

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``."""
        heads, n = len(self.bias), len(rows)
        self.keys = self.keys.unflatten(0, (-1, heads))[rows].flatten(0, 1)
        self.values = self.values.unflatten(0, (-1, heads))[rows].flatten(0, 1)
        self._key, self._value = self._key[rows], self._value[rows]
        self._shape = (n * heads, 1, self._shape[2])

    def read(self, hidden: Tensor) -> Tensor:
        """The state before an event ``[B, H]`` -> the state with what was read, ``[B, H]``."""
        query, self._key, self._value = self.of_state(hidden).chunk(3, -1)
        n = self.n_filled
        scores = query.reshape(self._shape) @ self.keys[:, : 1 + n].mT
        bias = self.bias.index_select(1, self.ago[:n])  # [heads, n]
        scores.view(-1, len(bias), 1 + n)[..., 1:] += bias
        read = scores.softmax(-1) @ self.values[:, : 1 + n]
        return hidden + self.out(read.view(len(hidden), -1))

    def write(self, chosen: Tensor) -> None:
        """Remember the state that was last read with, and the ids of the event that came, one a
        table, ``[B, n]``.
        """
        there, value = 1 + self.slot, self._value + self.events(chosen)
        self.keys.index_copy_(1, there, self._key.reshape(self._shape))
        self.values.index_copy_(1, there, value.view(self._shape))
        self.ago.add_(1).clamp_(max=self.span).index_fill_(0, self.slot, 0)
        self.slot = there.remainder_(self.span)
        self.n_filled = min(self.n_filled + 1, self.span)


class SummedRows:
    """What a matrix makes of embedded ids: ids ``[B, n]`` -> ``[B, width]``.

    A row of an embedding that only goes into a matrix is a row of their product, which is made
    once.

    Parameters
    ----------
    groups : tables of embeddings, ``[rows, E]`` each, in the order of the ids. Rows of the tables
        of one group are summed; the groups stand side by side.
    weight : ``[sum of the groups' E, width]``.
    """

    def __init__(self, groups: Sequence[Sequence[Tensor]], weight: Tensor) -> None:
        parts = weight.split([group[0].shape[1] for group in groups])
        tables = [t @ w for group, w in zip(groups, parts, strict=True) for t in group]
        self.rows = torch.cat(tables)
        # filled where it lies: a copy to a device would wait for it
        sizes = [0, *(len(t) for t in tables[:-1])]
        filled = [self.rows.new_full((), n, dtype=torch.int64) for n in sizes]
        self.first = torch.stack(filled).cumsum(0)

    def __call__(self, ids: Tensor) -> Tensor:
        return F.embedding_bag(ids + self.first, self.rows, mode="sum")


class Product:
    """What a matrix ``[in, out]`` and a bias ``[out]`` make of ``[B, in]``.

    ``in_half`` multiplies in bfloat16, which some processors do in half the time, most of which is
    to fetch the weights; what is given and comes out is float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, bf16: bool) -> None:
        self.bias = bias
        self.weight = (weight.T.bfloat16() if bf16 else weight).contiguous()
        self.half = _packed(self.weight) if bf16 else None

    def __call__(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        if self.half is not None:
            return self.half(x).add_(self.bias)
        return torch.addmm(self.bias, x, self.weight)

    def added_to(self, sums: Tensor, x: Tensor) -> Tensor:
        """Without the bias, to ``[B, out]`` where they lie."""
        if self.half is not None:
            return sums.add_(self.half(x))
        return sums.addmm_(x, self.weight)


def _packed(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """``F.linear`` in bfloat16, from and to float32, with a weight ``[out, in]`` that is laid out
    beforehand as oneDNN wants it: to do so at each call takes a third of a small product's time.

    These are operations that torch has for its compiler. Where they are missing, or others, it is
    ``F.linear`` itself.
    """
    ops = torch.ops.mkldnn

    def linear(x: Tensor) -> Tensor:
        return ops._linear_pointwise(x.bfloat16(), packed, None, "none", [], "").float()

    try:
        packed = ops._reorder_linear_weight(weight)
        linear(weight[:1])  # as a trial
    except (AttributeError, RuntimeError):
        return lambda x: F.linear(x.bfloat16(), weight).float()
    return linear
