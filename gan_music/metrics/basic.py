"""First figures of likeness, variety and tonality.

Conventions: ``pieces`` are whole pieces or windows of them; a note's *offset* is the time since the
note before it in the piece, in steps, and 0 within a chord. Pieces to compare share a grid.
Undefined is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.metrics import tonality
from gan_music.notes import IntArray, Piece


def distinct_ngrams(pieces: Sequence[Piece], n: int = 4) -> float:
    """Share of pitch n-grams that are different, over those of all pieces together.

    "distinct-n" (Li et al. 2016, section 5). It falls with the number of notes: compare equal
    counts. NaN without an n-gram.
    """
    grams = [np.lib.stride_tricks.sliding_window_view(p.pitch, n) for p in pieces if len(p) >= n]
    if not grams:
        return float("nan")
    everything = np.concatenate(grams)
    return len(np.unique(everything, axis=0)) / len(everything)


def scale_consistency(pieces: Sequence[Piece]) -> float:
    """Mean over pieces of the share of notes in the best-fitting major or minor scale.

    NaN without notes.
    """
    shares = [tonality.scale_consistency(p) for p in pieces if len(p)]
    return float(np.mean(shares)) if shares else float("nan")


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


def describe(pieces: Sequence[Piece]) -> dict[str, float]:
    """What a set of pieces is by itself."""
    return {
        "n_notes": sum(map(len, pieces)),
        "distinct_pitch_4grams": distinct_ngrams(pieces, 4),
        "scale_consistency": scale_consistency(pieces),
        "n_pitches": len(np.unique(attribute(pieces, "pitch"))),
        "n_durations": len(np.unique(attribute(pieces, "duration"))),
    }


def compare(pieces: Sequence[Piece], reference: Sequence[Piece]) -> dict[str, float]:
    """How far the histograms lie from a reference's; ``distance`` is their mean, 0 best."""
    distances = {
        f"distance_{name}": histogram_distance(attribute(pieces, name), attribute(reference, name))
        for name in ("pitch", "duration", "offset")
    }
    return {"distance": float(np.mean(list(distances.values()))), **distances}
