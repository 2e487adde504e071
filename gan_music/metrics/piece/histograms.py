"""Distances between the histograms of pitches, durations and offsets of two sets.

Sets are of whole pieces or of windows, with the same grid. An *offset* is the time since the
previous note of the piece, in steps, and 0 within a chord.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.music.piece import IntArray, Piece, attribute


def entropy(values: IntArray) -> float:
    """Entropy of the values' relative frequencies, in bits; NaN without values."""
    if not len(values):
        return float("nan")
    share = np.unique(values, return_counts=True)[1] / len(values)
    return float(-(share * np.log2(share)).sum()) + 0.0


def histogram_distance(a: IntArray, b: IntArray) -> float:
    """Total variation distance between the histograms of two samples of integers, 0 to 1.

    It is 1 - the overlapped area. NaN if a sample is empty.
    """
    if not len(a) or not len(b):
        return float("nan")
    size = max(a.max(), b.max()) + 1
    p, q = (np.bincount(x, minlength=size) / len(x) for x in (a, b))
    return float(1 - np.minimum(p, q).sum())


def histogram_distances(pieces: Sequence[Piece], reference: Sequence[Piece]) -> dict[str, float]:
    """The distances of pitch, duration and offset to a reference, and ``distance``, their mean."""
    distances = {
        f"distance_{name}": histogram_distance(attribute(pieces, name), attribute(reference, name))
        for name in ("pitch", "duration", "offset")
    }
    return {"distance": float(np.mean(list(distances.values()))), **distances}
