"""The record that the data module serves and every training step reads."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """A batch of ``B`` training examples.

    Attributes
    ----------
    x : encoded music, ``[B, T, ...]`` along time, or ``[B, ...]`` for single notes.
    mask : bool ``[B, T]`` (``[B]`` for single notes), False where ``x`` is padding.
    labels : conditions by name, float ``[B]`` or class ids int64 ``[B]``; empty without labels.
    piece : int64 ``[B]``, the index of each example's piece among the pieces of its split.
    """

    x: Tensor
    mask: Tensor
    labels: dict[str, Tensor]
    piece: Tensor
