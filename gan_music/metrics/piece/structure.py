"""Structure of one piece: what comes back in it, and after how long. Undefined is NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.metrics.piece.ngrams import INTERVAL_OFFSET, comeback_rate, runs, symbols
from gan_music.music.piece import Piece

LAGS = (1, 2, 4, 8, 16)
_LENGTHS = (4, 8)


def structure(pieces: Sequence[Piece], spans: Sequence[int]) -> dict[str, np.ndarray]:
    """Every figure, one number a piece ``[N]``; ``spans`` are the lengths of windows, in notes."""
    figures = {
        f"repetition_after_{lag}_bars": np.array([repetition(p, lag) for p in pieces])
        for lag in LAGS
    }
    words = symbols(pieces, INTERVAL_OFFSET)
    for n in _LENGTHS:
        names = runs(words, n)
        for span in spans:
            figures[f"comeback_of_{n}grams_in_{span}"] = np.array(
                [comeback_in(x, span - n) for x in names]
            )
        figures[f"comeback_of_{n}grams_in_piece"] = np.array([comeback_rate(x) for x in names])
    return figures


def repetition(piece: Piece, lag: int) -> float:
    """Likeness of the bars that lie ``lag`` apart: 1 if all are equal, 0 if they share nothing.

    Dice's coefficient, 2 |both| / (|one| + |other|), of the sets of (position in the bar, pitch)
    of notes that begin in a bar, with both sums taken over all pairs of bars: the mean of one
    diagonal of the piece's self-similarity matrix (Foote 1999), weighted by notes. NaN where no
    two bars with notes lie so far apart.
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


def comeback_in(names: np.ndarray, n: int) -> float:
    """Share of n-grams that were in their window before: mean over windows of ``n`` n-grams.

    NaN where not one window is full.
    """
    n_windows = len(names) // n if n > 0 else 0
    if not n_windows:
        return float("nan")
    ordered = np.sort(names[: n_windows * n].reshape(n_windows, n), axis=1)
    return float((np.diff(ordered, axis=1) == 0).sum() / ordered.size)
