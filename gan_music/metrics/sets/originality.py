"""Originality: copies of training pieces, in any key.

A note is (interval, offset, duration), relative to the previous note, so that transposed copies are
copies. The search is exact. It sorts all positions of the training and of the evaluated pieces by
the notes that follow (a suffix array by prefix doubling, Manber & Myers 1993): the longest match of
a position is next to it in this order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.piece.ngrams import INTERVAL_OFFSET_DURATION, note_ids, value_ids
from gan_music.metrics.sets.mgeval import distances
from gan_music.music.piece import IntArray, Piece, lengths

FloatArray = NDArray[np.float64]

_NGRAMS = (4, 8, 16)
_BATCH = 500_000  # training notes that are searched together: bounds memory


def originality(matches: Sequence[IntArray]) -> dict[str, FloatArray]:
    """Figures of the longest matches of each piece, one number per piece ``[N]``.

    ``longest_copied_run``, in notes, and ``copied_<n>gram_rate``, the share of n-grams that occur
    in the training pieces. NaN for pieces that are too short.
    """
    figures = {"longest_copied_run": np.array([m.max() if len(m) else np.nan for m in matches])}
    for n in _NGRAMS:
        figures[f"copied_{n}gram_rate"] = np.array([_copied_rate(m, n) for m in matches])
    return figures


def longest_matches(
    pieces: Sequence[Piece],
    training: Sequence[Piece],
    longest: int = 4096,
    batch_notes: int = _BATCH,
) -> list[IntArray]:
    """For each note of each piece, the length of the longest run from there that is in training.

    Parameters
    ----------
    longest : matches are truncated to the next power of two.
    batch_notes : training notes that are searched together, approximately.

    Returns
    -------
    One array ``[N - 1]`` per piece of N notes: the first note has no interval.
    """
    found = [_longest_matches(pieces, b, longest) for b in batches(training, batch_notes)]
    return [np.maximum.reduce(of_piece) for of_piece in zip(*found, strict=True)]


def batches(pieces: Sequence[Piece], n_notes: int) -> Iterator[Sequence[Piece]]:
    """Batches of pieces of about ``n_notes`` notes together; at least one, possibly empty."""
    ends = np.cumsum(lengths(pieces))
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(n_notes, total, n_notes)).tolist()
    for low, high in pairwise([0, *cuts, len(pieces)]):
        if low < high or not total:
            yield pieces[low:high]


def _longest_matches(
    pieces: Sequence[Piece], training: Sequence[Piece], longest: int
) -> list[IntArray]:
    words = note_ids([*pieces, *training], INTERVAL_OFFSET_DURATION)
    n_queries = sum(len(w) for w in words[: len(pieces)]) + len(pieces)
    # each piece ends with a unique symbol, so that no match extends beyond it
    n_kinds = 1 + max((int(w.max()) for w in words if len(w)), default=0)
    if not pieces:
        return []
    text = np.concatenate([np.append(w, n_kinds + i) for i, w in enumerate(words)])
    longest = min(longest, max(len(w) for w in words[: len(pieces)]))
    levels = _prefix_ranks(text, longest)
    best = np.zeros(n_queries, np.int64)
    for neighbour in _training_neighbours(levels[-1], n_queries):
        known = neighbour >= 0
        match = _common(levels, np.flatnonzero(known), neighbour[known])
        best[known] = np.maximum(best[known], match)
    ends = np.cumsum([len(w) + 1 for w in words[: len(pieces)]])
    return [best[e - len(w) - 1 : e - 1] for e, w in zip(ends, words, strict=False)]


def nearest_distances(points: FloatArray, training: FloatArray) -> FloatArray:
    """Distance of each row ``[W, F]`` to the nearest training row ``[T, F]``; NaN without any."""
    if not len(training):
        return np.full(len(points), np.nan)
    rows = [distances(points[i : i + 64], training).min(1) for i in range(0, len(points), 64)]
    return np.concatenate([np.empty(0), *rows])


def _copied_rate(match: IntArray, n: int) -> float:
    n_grams = len(match) - n + 1
    return float((match[:n_grams] >= n).mean()) if n_grams > 0 else float("nan")


def _prefix_ranks(text: IntArray, longest: int) -> list[IntArray]:
    """Lexicographic ranks of the runs of 1, 2, 4, ... symbols from each position.

    The last length is the first that is at least ``longest``. Runs that extend beyond the end of
    the text sort before all others, and are unique, since the last symbol is.
    """
    levels = [value_ids(text)]
    size = 1
    while size < longest:
        ranks = levels[-1]
        after = np.zeros_like(ranks)
        after[:-size] = ranks[size:] + 1
        levels.append(value_ids(ranks * (len(ranks) + 1) + after))
        size *= 2
        if levels[-1].max(initial=0) == len(text) - 1:
            break  # all runs are distinct: longer ones have the same ranks
    return levels


def _training_neighbours(ranks: IntArray, n_queries: int) -> list[IntArray]:
    """The training positions ranked next before and next after each query; -1 if there is none."""
    order = np.argsort(ranks, kind="stable")
    is_query = order < n_queries
    places = np.arange(len(order))
    neighbours = []
    for step in (1, -1):
        rank = np.where(is_query, -1, places if step == 1 else len(order) - 1 - places)[::step]
        last = np.maximum.accumulate(rank)[::step]
        at = np.where(last < 0, -1, last if step == 1 else len(order) - 1 - last)
        found = np.full(n_queries, -1)
        found[order[is_query]] = np.where(at < 0, -1, order[np.maximum(at, 0)])[is_query]
        neighbours.append(found)
    return neighbours


def _common(levels: Sequence[IntArray], a: IntArray, b: IntArray) -> IntArray:
    """Lengths of the longest common prefixes of the text from positions ``a`` and ``b``."""
    a, b = a.copy(), b.copy()
    length = np.zeros(len(a), np.int64)
    n = len(levels[0])
    for level in range(len(levels) - 1, -1, -1):
        inside = (a < n) & (b < n)
        same = inside & (levels[level][np.minimum(a, n - 1)] == levels[level][np.minimum(b, n - 1)])
        length += same * 2**level
        a, b = a + same * 2**level, b + same * 2**level
    return length
