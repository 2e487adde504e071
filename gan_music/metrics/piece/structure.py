"""Repetition within one piece. Undefined figures are NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.metrics.piece.ngrams import INTERVAL_OFFSET, ngram_ids, note_ids, repetition_rate
from gan_music.music.piece import Piece

LAGS = (1, 2, 4, 8, 16)  # bars
_NGRAMS = (4, 8)


def structure(pieces: Sequence[Piece], spans: Sequence[int]) -> dict[str, np.ndarray]:
    """All figures, one number per piece ``[N]``.

    N-grams are of (interval, offset); ``spans`` are lengths of windows, in notes.
    """
    figures = {
        f"bar_self_similarity_lag_{lag}": np.array([bar_self_similarity(p, lag) for p in pieces])
        for lag in LAGS
    }
    notes = note_ids(pieces, INTERVAL_OFFSET)
    for n in _NGRAMS:
        grams = ngram_ids(notes, n)
        for span in spans:
            figures[f"repeated_{n}gram_rate_in_{span}"] = np.array(
                [repetition_rate_in_windows(g, span - n) for g in grams]
            )
        figures[f"repeated_{n}gram_rate_in_piece"] = np.array([repetition_rate(g) for g in grams])
    return figures


def bar_self_similarity(piece: Piece, lag: int) -> float:
    """Similarity of bars at a distance of ``lag`` bars: 1 if equal, 0 if disjoint.

    The mean of one diagonal of the self-similarity matrix (Foote 1999), weighted by notes:
    Dice's coefficient 2 |A & B| / (|A| + |B|), with both sums over all pairs of bars A, B, which
    are sets of (position in the bar, pitch). NaN without two bars with notes at this distance.
    """
    if not len(piece):
        return float("nan")
    bar, position = piece.bars()
    within = position * 128 + piece.pitch
    width = int(within.max()) + 1
    cells = np.unique(bar * width + within)
    bars, count = np.unique(cells // width, return_counts=True)
    later = np.isin(bars + lag, bars)
    if not later.any():
        return float("nan")
    total = count[later].sum() + count[np.isin(bars - lag, bars)].sum()
    return 2 * float(np.isin(cells + lag * width, cells).sum()) / float(total)


def repetition_rate_in_windows(ids: np.ndarray, n: int) -> float:
    """Share of n-grams that occur earlier in their window, over windows of ``n`` n-grams.

    NaN without a full window.
    """
    n_windows = len(ids) // n if n > 0 else 0
    if not n_windows:
        return float("nan")
    ordered = np.sort(ids[: n_windows * n].reshape(n_windows, n), axis=1)
    return float((np.diff(ordered, axis=1) == 0).sum() / ordered.size)
