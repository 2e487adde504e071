"""How far the histograms of pitches, durations and offsets lie apart.

Conventions: ``pieces`` are whole pieces or windows of them; a note's *offset* is the time since the
note before it in the piece, in steps, and 0 within a chord. Pieces to compare share a grid.
Undefined is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.music.piece import IntArray, Piece


def attribute(pieces: Sequence[Piece], name: str) -> IntArray:
    """All values of ``pitch``, ``duration`` or ``offset``; a piece's first note has no offset."""
    if name == "offset":
        columns = [np.diff(p.onset) for p in pieces]
    else:
        columns = [getattr(p, name) for p in pieces]
    return np.concatenate([np.empty(0, np.int64), *columns])


def histogram_distance(a: IntArray, b: IntArray) -> float:
    """1 - overlap of two samples' histograms of integers: 0 for the same, 1 for disjoint.

    The overlap is the sum over values of the smaller share, so this is the total variation
    distance. NaN if either is empty.
    """
    if not len(a) or not len(b):
        return float("nan")
    size = max(a.max(), b.max()) + 1
    p, q = (np.bincount(x, minlength=size) / len(x) for x in (a, b))
    return float(1 - np.minimum(p, q).sum())


def compare(pieces: Sequence[Piece], reference: Sequence[Piece]) -> dict[str, float]:
    """How far the histograms lie from a reference's; ``distance`` is their mean, 0 best."""
    distances = {
        f"distance_{name}": histogram_distance(attribute(pieces, name), attribute(reference, name))
        for name in ("pitch", "duration", "offset")
    }
    return {"distance": float(np.mean(list(distances.values()))), **distances}
