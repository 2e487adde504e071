"""Counts of symbols in contexts, and probabilities from them by backing off.

A :class:`Backoff` is a ladder of contexts, from what is seen often to what is seen rarely. With
``c(h, w)`` the count of symbol ``w`` in context ``h``, ``c(h)`` the sum and ``T(h)`` the number of
different symbols in it, each rung smooths its counts by the rung below:

    P_k(w) = (c(h_k, w) + s_k T(h_k) P_k-1(w)) / (c(h_k) + s_k T(h_k))

and P_0 is uniform. With s = 1 this is interpolated Witten-Bell smoothing (Witten & Bell 1991,
method C; Chen & Goodman 1998, section 2.4). The strengths s_k are chosen on music that was not
counted, as the weights of Jelinek & Mercer 1980 are: notes of one piece repeat each other, so that
counts say less about another piece than they seem to. A context that was never seen leaves the rung
below as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

NEVER = -1  # a context that has no counts


class Query(NamedTuple):
    """What a rung is asked for ``N`` times.

    ``context`` is an id, or ``NEVER``; ``origin`` the number that symbol 0 has in the table, by
    which symbols can be counted from where the last one was.
    """

    context: Tensor
    origin: Tensor


class Counts(nn.Module):
    """How often each symbol was seen in each context: one rung.

    A pair has one number, ``context * width + symbol``; pairs that were seen are kept in order, so
    that those of a context lie side by side.

    Parameters
    ----------
    n_symbols : how many symbols are asked for at once.
    width : how many the table tells apart; more where they are counted from an origin.
    """

    pairs: Tensor
    counts: Tensor

    def __init__(self, n_symbols: int, width: int) -> None:
        super().__init__()
        self.n_symbols, self.width = n_symbols, width
        self.register_buffer("pairs", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(0, dtype=torch.int32))

    def count(self, query: Query, symbols: Tensor) -> None:
        """Replace what was counted by symbols ``[N]`` in their contexts."""
        seen = query.context != NEVER
        pairs = query.context * self.width + query.origin + symbols
        self.pairs, counts = torch.unique(pairs[seen], return_counts=True)
        self.counts = counts.int()

    def of(self, query: Query, symbols: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``c(h, w)``, ``c(h)`` and ``T(h)`` of symbols ``[N]``: int64 ``[N]`` each."""
        first, low, high = self._range(query)
        here, after = (torch.searchsorted(self.pairs, first + symbols + n) for n in (0, 1))
        sums = nn.functional.pad(self.counts.long().cumsum(0), (1, 0))
        return sums[after] - sums[here], sums[high] - sums[low], high - low

    def rows(self, query: Query) -> Tensor:
        """``c(h, .)``: float ``[N, n_symbols]``."""
        first, low, high = self._range(query)
        row = torch.repeat_interleave(high - low)
        # the pairs of each row are neighbours: its first is low, and they follow one another
        before = (high - low).cumsum(0) - (high - low)
        at = torch.arange(len(row), device=row.device) + (low - before)[row]
        rows = torch.zeros(len(first), self.n_symbols, device=first.device)
        rows[row, self.pairs[at] - first[row]] = self.counts[at].float()
        return rows

    def _range(self, query: Query) -> tuple[Tensor, Tensor, Tensor]:
        """The pair of symbol 0, and where a context's begin and end in ``pairs``: ``[N]`` each."""
        first = query.context * self.width + query.origin
        low, high = (torch.searchsorted(self.pairs, first + n) for n in (0, self.n_symbols))
        return first, low, high

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        # how many pairs there are is known from the checkpoint alone
        for name in ("pairs", "counts"):
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor):
                setattr(self, name, torch.empty_like(saved, device=self.pairs.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


class Backoff(nn.Module):
    """Probabilities of ``n_symbols`` symbols by a ladder of contexts, the commonest first.

    Parameters
    ----------
    widths : of each rung, see :class:`Counts`.
    """

    strengths: Tensor

    def __init__(self, n_symbols: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.n_symbols = n_symbols
        self.tables = nn.ModuleList(Counts(n_symbols, width) for width in widths)
        self.register_buffer("strengths", torch.ones(len(widths)))

    @property
    def rungs(self) -> list[Counts]:
        """The tables, from the commonest context to the rarest."""
        return cast("list[Counts]", list(self.tables))

    def count(self, queries: Sequence[Query], symbols: Tensor) -> None:
        """Replace what was counted: one query a rung, of symbols ``[N]``."""
        for rung, query in zip(self.rungs, queries, strict=True):
            rung.count(query, symbols)

    def fit_strengths(self, queries: Sequence[Query], symbols: Tensor, n_steps: int = 150) -> None:
        """Choose the strengths under which symbols ``[N]``, none of them counted, are likeliest."""
        counts = [
            tuple(x.double() for x in rung.of(query, symbols))
            for rung, query in zip(self.rungs, queries, strict=True)
        ]
        logs = torch.zeros(
            len(counts), dtype=torch.float64, device=symbols.device, requires_grad=True
        )
        optimizer = torch.optim.Adam([logs], lr=0.1)
        # a callback of a trainer may have switched gradients off
        with torch.enable_grad():
            for _ in range(n_steps):
                loss = -self._ladder(counts, logs.exp()).log().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.strengths = logs.detach().exp().float()

    def log_probability(self, queries: Sequence[Query], symbols: Tensor) -> Tensor:
        """Of symbols ``[N]``, float ``[N]``."""
        counts = [
            tuple(x.float() for x in rung.of(query, symbols))
            for rung, query in zip(self.rungs, queries, strict=True)
        ]
        return self._ladder(counts, self.strengths).log()

    def probabilities(self, queries: Sequence[Query]) -> Tensor:
        """Of every symbol, float ``[N, n_symbols]``."""
        counts = []
        for rung, query in zip(self.rungs, queries, strict=True):
            rows = rung.rows(query)
            counts.append((rows, rows.sum(1, keepdim=True), (rows > 0).sum(1, keepdim=True)))
        return self._ladder(counts, self.strengths)

    def _ladder(self, counts: Sequence[tuple[Tensor, ...]], strengths: Tensor) -> Tensor:
        p = torch.full_like(counts[0][0], 1 / self.n_symbols)
        for (count, total, n_types), strength in zip(counts, strengths, strict=True):
            below = strength * n_types
            p = torch.where(total > 0, (count + below * p) / (total + below).clamp_min(1e-9), p)
        return p
