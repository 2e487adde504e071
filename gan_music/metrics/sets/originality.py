"""Originality: how much is copied from the training pieces, in whatever key.

A note is (interval to the note before, duration, time since the note before), so a transposed copy
is a copy. The index is exact: it sorts all places of the training and of the measured pieces by
what follows there (a suffix array by prefix doubling, Manber & Myers 1993), so that a place's
longest match in training stands next to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.piece.ngrams import INTERVAL_OFFSET_DURATION, renumber, symbols
from gan_music.metrics.sets.mgeval import distances
from gan_music.music.piece import IntArray, Piece, lengths

FloatArray = NDArray[np.float64]

_LENGTHS = (4, 8, 16)
_AT_ONCE = 500_000  # training notes that are looked at together


def originality(matches: Sequence[IntArray]) -> dict[str, FloatArray]:
    """What the longest matches of each piece say, one number a piece ``[N]``.

    The longest copied run, in notes; and the shares of n-grams that are in the training pieces.
    NaN for pieces that are too short.
    """
    figures = {"longest_copied_run": np.array([m.max() if len(m) else np.nan for m in matches])}
    for n in _LENGTHS:
        figures[f"copied_{n}gram_rate"] = np.array([_copied_rate(m, n) for m in matches])
    return figures


def longest_matches(
    pieces: Sequence[Piece],
    training: Sequence[Piece],
    longest: int = 4096,
    at_once: int = _AT_ONCE,
) -> list[IntArray]:
    """For each note of each piece, how many notes from it on some training piece has, too.

    All training pieces are searched, some after others: memory is bounded by ``at_once``.

    Parameters
    ----------
    longest : matches are not followed beyond the next power of two.
    at_once : training notes that are searched together, more or less.

    Returns
    -------
    An array for each piece, one shorter than its notes: the first has no interval.
    """
    found = [_longest_matches(pieces, part, longest) for part in parts(training, at_once)]
    return [np.maximum.reduce(of_piece) for of_piece in zip(*found, strict=True)]


def parts(pieces: Sequence[Piece], n_notes: int = _AT_ONCE) -> Iterator[Sequence[Piece]]:
    """The pieces in runs of about so many notes; at least one, which may be empty."""
    ends = np.cumsum(lengths(pieces))
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(n_notes, total, n_notes)).tolist()
    for low, high in pairwise([0, *cuts, len(pieces)]):
        if low < high or not total:
            yield pieces[low:high]


def _longest_matches(
    pieces: Sequence[Piece], training: Sequence[Piece], longest: int
) -> list[IntArray]:
    words = symbols([*pieces, *training], INTERVAL_OFFSET_DURATION)
    n_queries = sum(len(w) for w in words[: len(pieces)]) + len(pieces)
    # each piece ends in a symbol of its own, so that no match crosses its end
    n_kinds = 1 + max((int(w.max()) for w in words if len(w)), default=0)
    if not pieces:
        return []
    text = np.concatenate([np.append(w, n_kinds + i) for i, w in enumerate(words)])
    longest = min(longest, max(len(w) for w in words[: len(pieces)]))
    levels = _prefix_names(text, longest)
    best = np.zeros(n_queries, np.int64)
    for neighbour in _training_neighbours(levels[-1], n_queries):
        known = neighbour >= 0
        match = _common(levels, np.flatnonzero(known), neighbour[known])
        best[known] = np.maximum(best[known], match)
    ends = np.cumsum([len(w) + 1 for w in words[: len(pieces)]])
    return [best[e - len(w) - 1 : e - 1] for e, w in zip(ends, words, strict=False)]


def nearest_distances(points: FloatArray, training: FloatArray) -> FloatArray:
    """Distance of each point ``[W, F]`` to the nearest training point ``[T, F]``; NaN without."""
    if not len(training):
        return np.full(len(points), np.nan)
    rows = [distances(points[i : i + 64], training).min(1) for i in range(0, len(points), 64)]
    return np.concatenate([np.empty(0), *rows])


def _copied_rate(match: IntArray, n: int) -> float:
    n_grams = len(match) - n + 1
    return float((match[:n_grams] >= n).mean()) if n_grams > 0 else float("nan")


def _prefix_names(text: IntArray, longest: int) -> list[IntArray]:
    """Names, ordered as the text is, of the runs of 1, 2, 4, ... symbols at each place.

    Up to the first length that is not below ``longest``. Runs that reach beyond the end of the
    text sort before all others; the last symbol is a piece's own, so they are like no other.
    """
    levels = [renumber(text)]
    size = 1
    while size < longest:
        names = levels[-1]
        after = np.zeros_like(names)
        after[:-size] = names[size:] + 1
        levels.append(renumber(names * (len(names) + 1) + after))
        size *= 2
        if levels[-1].max(initial=0) == len(text) - 1:
            break  # all different already: longer runs sort alike
    return levels


def _training_neighbours(names: IntArray, n_queries: int) -> list[IntArray]:
    """The training place sorted next before and next after each query place; -1 where none is."""
    order = np.argsort(names, kind="stable")
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
    """How many symbols the text has alike from places ``a`` and from places ``b`` on."""
    a, b = a.copy(), b.copy()
    length = np.zeros(len(a), np.int64)
    n = len(levels[0])
    for level in range(len(levels) - 1, -1, -1):
        inside = (a < n) & (b < n)
        same = inside & (levels[level][np.minimum(a, n - 1)] == levels[level][np.minimum(b, n - 1)])
        length += same * 2**level
        a, b = a + same * 2**level, b + same * 2**level
    return length
