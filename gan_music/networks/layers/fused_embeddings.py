"""Embeddings and the matrix that they are multiplied by, as one table."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class FusedEmbeddings:
    """Ids ``[B, n]`` -> their embeddings times a weight, ``[B, width]``.

    Rows of the embeddings are multiplied by the weight once, so that a call only adds rows.

    Parameters
    ----------
    groups : tables of embeddings, ``[rows, E]`` each, in the order of the ids. Embeddings of one
        group are added; those of the groups are concatenated.
    weight : ``[sum of the groups' E, width]``.
    """

    def __init__(self, groups: Sequence[Sequence[Tensor]], weight: Tensor) -> None:
        parts = weight.split([group[0].shape[1] for group in groups])
        tables = [t @ w for group, w in zip(groups, parts, strict=True) for t in group]
        self.rows = torch.cat(tables)
        # filled on the device: copying values to a GPU would synchronise with it
        sizes = [0, *(len(t) for t in tables[:-1])]
        filled = [self.rows.new_full((), n, dtype=torch.int64) for n in sizes]
        self.first = torch.stack(filled).cumsum(0)

    def __call__(self, ids: Tensor) -> Tensor:
        return F.embedding_bag(ids + self.first, self.rows, mode="sum")
