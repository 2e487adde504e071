"""Interpolated back-off: probabilities of symbols from their counts in contexts of several orders.

A :class:`Backoff` has levels of contexts, from frequent to rare. With ``c(h, w)`` the count of
symbol ``w`` in context ``h``, ``c(h)`` its sum and ``T(h)`` the number of distinct symbols in
``h``, each level smooths its counts with the level below:

    P_k(w) = (c(h_k, w) + s_k T(h_k) P_k-1(w)) / (c(h_k) + s_k T(h_k))

and P_0 is uniform. With s = 1 this is interpolated Witten-Bell smoothing (Witten & Bell 1991,
method C; Chen & Goodman 1998, section 2.4). The strengths s_k are fitted on held-out music, as the
weights of Jelinek & Mercer 1980 are: notes repeat within a piece, so that the counts of other
pieces are less informative than they seem. A level whose context is unseen equals the level below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

NEVER = -1  # a context without counts
_MAX_STRENGTH = 1e9


class Query(NamedTuple):
    """``N`` contexts of one level, int64 ``[N]`` each.

    Attributes
    ----------
    context : ids, or ``NEVER``.
    origin : the number of symbol 0 in the table, for symbols that are counted relative to the last.
    """

    context: Tensor
    origin: Tensor


class Counts(nn.Module):
    """Counts of symbols in contexts: one level.

    A pair has the number ``context * width + symbol``; the pairs that were counted are sorted, so
    that those of a context are neighbours.

    Parameters
    ----------
    n_symbols : symbols of a query.
    width : symbols of the table; more where they are counted from an origin.
    """

    pairs: Tensor
    counts: Tensor

    def __init__(self, n_symbols: int, width: int) -> None:
        super().__init__()
        self.n_symbols, self.width = n_symbols, width
        self.register_buffer("pairs", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(0, dtype=torch.int32))

    def count(self, query: Query, symbols: Tensor) -> None:
        """Replace all counts by those of symbols ``[N]`` in their contexts."""
        has_context = query.context != NEVER
        pairs = query.context * self.width + query.origin + symbols
        self.pairs, counts = torch.unique(pairs[has_context], return_counts=True)
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
        # the pairs of a row are neighbours, of which the first stands at low
        before = (high - low).cumsum(0) - (high - low)
        at = torch.arange(len(row), device=row.device) + (low - before)[row]
        rows = torch.zeros(len(first), self.n_symbols, device=first.device)
        rows[row, self.pairs[at] - first[row]] = self.counts[at].float()
        return rows

    def _range(self, query: Query) -> tuple[Tensor, Tensor, Tensor]:
        """The pair of symbol 0, and the range of a context in ``pairs``: ``[N]`` each."""
        first = query.context * self.width + query.origin
        low, high = (torch.searchsorted(self.pairs, first + n) for n in (0, self.n_symbols))
        return first, low, high

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        # only the checkpoint knows the number of pairs
        for name in ("pairs", "counts"):
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor):
                setattr(self, name, torch.empty_like(saved, device=self.pairs.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        ascends = self.pairs.dim() == 1 and (self.pairs.diff() > 0).all()
        if not ascends or self.counts.shape != self.pairs.shape or (self.counts < 1).any():
            raise ValueError(f"{prefix}pairs and counts are not those of a table")


class Backoff(nn.Module):
    """Probabilities of ``n_symbols`` symbols.

    Parameters
    ----------
    widths : of each level (:class:`Counts`), from frequent contexts to rare ones.
    """

    strengths: Tensor

    def __init__(self, n_symbols: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.n_symbols = n_symbols
        self.tables = nn.ModuleList(Counts(n_symbols, width) for width in widths)
        self.register_buffer("strengths", torch.ones(len(widths)))

    @property
    def levels(self) -> list[Counts]:
        """The tables, from frequent contexts to rare ones."""
        return cast("list[Counts]", list(self.tables))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        if not ((self.strengths > 0) & (self.strengths < _MAX_STRENGTH)).all():
            raise ValueError(f"{prefix}strengths are not those of a mixture")

    def count(self, queries: Sequence[Query], symbols: Tensor) -> None:
        """Replace all counts: a query for each level, of symbols ``[N]``."""
        for level, query in zip(self.levels, queries, strict=True):
            level.count(query, symbols)

    def fit_strengths(self, queries: Sequence[Query], symbols: Tensor, n_steps: int = 150) -> None:
        """Set the strengths that maximise the likelihood of held-out symbols ``[N]``."""
        counts = [
            tuple(x.double() for x in level.of(query, symbols))
            for level, query in zip(self.levels, queries, strict=True)
        ]
        logs = torch.zeros(
            len(counts), dtype=torch.float64, device=symbols.device, requires_grad=True
        )
        optimizer = torch.optim.Adam([logs], lr=0.1)
        # Lightning may call this with gradients disabled
        with torch.enable_grad():
            for _ in range(n_steps):
                loss = -self._smoothed(counts, logs.exp()).log().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.strengths = logs.detach().exp().float()

    def log_probability(self, queries: Sequence[Query], symbols: Tensor) -> Tensor:
        """Of symbols ``[N]``, float ``[N]``."""
        counts = [
            tuple(x.float() for x in level.of(query, symbols))
            for level, query in zip(self.levels, queries, strict=True)
        ]
        return self._smoothed(counts, self.strengths).log()

    def probabilities(self, queries: Sequence[Query]) -> Tensor:
        """Of every symbol, float ``[N, n_symbols]``."""
        counts = []
        for level, query in zip(self.levels, queries, strict=True):
            rows = level.rows(query)
            counts.append((rows, rows.sum(1, keepdim=True), (rows > 0).sum(1, keepdim=True)))
        return self._smoothed(counts, self.strengths)

    def _smoothed(self, counts: Sequence[tuple[Tensor, ...]], strengths: Tensor) -> Tensor:
        p = torch.full_like(counts[0][0], 1 / self.n_symbols)
        for (count, total, n_types), strength in zip(counts, strengths, strict=True):
            below = strength * n_types
            p = torch.where(total > 0, (count + below * p) / (total + below).clamp_min(1e-9), p)
        return p
