"""Diversity within a set.

All figures depend on the amount of music, so that equal amounts of the candidate and of the
reference are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, SetMetric
from gan_music.metrics.excerpts import Windows
from gan_music.metrics.piece.ngrams import (
    INTERVAL,
    INTERVAL_OFFSET,
    PITCH,
    ngram_ids,
    note_ids,
    pair_ids,
    value_ids,
)
from gan_music.metrics.sets.mgeval import distances
from gan_music.music.piece import IntArray, Piece

FloatArray = NDArray[np.float64]

_KINDS = {"pitch": PITCH, "interval": INTERVAL, "interval_offset": INTERVAL_OFFSET}
_LENGTHS = (2, 4, 8)
_BLEU_ORDER = 4


def distinct_n(candidate: Sequence[Piece], reference: Sequence[Piece]) -> SetMetric:
    """Distinct-n (Li et al. 2016): distinct n-grams over all n-grams, for n = 2, 4, 8.

    N-grams are of pitch, of interval, and of (interval, offset). At most as many n-grams are
    counted as the reference has. NaN without n-grams.
    """
    tables: dict[str, tuple[list[IntArray], list[IntArray]]] = {}
    for kind, attributes in _KINDS.items():
        ours, theirs = note_ids(candidate, attributes), note_ids(reference, attributes)
        for n in _LENGTHS:
            tables[f"distinct_{kind}_{n}grams"] = (ngram_ids(ours, n), ngram_ids(theirs, n))

    def metric(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        return {
            name: _distinct_rate([a[i] for i in ours], sum(len(b[i]) for i in theirs.tolist()))
            for name, (a, b) in tables.items()
        }

    return metric


def _distinct_rate(ids: Sequence[IntArray], max_n: int) -> float:
    """Share of distinct ids among the first ``max_n``; NaN without ids."""
    everything = np.concatenate(ids)[:max_n] if ids else np.empty(0, np.int64)
    if not len(everything):
        return NAN
    return np.count_nonzero(np.bincount(everything)) / len(everything)


def self_bleu(candidate: Sequence[Piece]) -> SetMetric:
    """Self-BLEU (Zhu et al. 2018, "Texygen"): mean BLEU of each piece against all others, 0 to 1.

    Words are (interval, offset). BLEU (Papineni et al. 2002) has n = 1 to 4 with equal weights, and
    replaces a count of 0 by 0.1 (Chen & Cherry 2014, method 1). NaN without two pieces that have a
    4-gram.
    """
    words = note_ids(candidate, INTERVAL_OFFSET)
    lengths = np.array([len(w) for w in words])
    shared, totals = _shared_counts(words)

    def metric(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        chosen = ours[lengths[ours] >= _BLEU_ORDER]
        if len(chosen) < 2:
            return {"self_bleu": NAN}
        log_precision = np.zeros(len(chosen))
        for counts, total in zip(shared, totals, strict=True):
            clipped = _clipped(counts[chosen]) if counts.shape[1] else np.zeros(len(chosen))
            log_precision += np.log(np.maximum(clipped, 0.1) / total[chosen]) / _BLEU_ORDER
        brevity = _brevity(lengths[chosen])
        return {"self_bleu": float((brevity * np.exp(log_precision)).mean())}

    return metric


def _shared_counts(words: Sequence[IntArray]) -> tuple[list[IntArray], list[IntArray]]:
    """For n = 1..4: counts of n-grams that several pieces share ``[N, U]``, and of all ``[N]``."""
    shared, totals = [], []
    grams = list(words)
    for n in range(1, _BLEU_ORDER + 1):
        owner = np.repeat(np.arange(len(grams)), [len(g) for g in grams])
        cells, counts = np.unique(
            np.stack([owner, np.concatenate([owner[:0], *grams])]), axis=1, return_counts=True
        )
        n_owners = np.bincount(cells[1]) if cells.size else cells[1]
        kept = n_owners[cells[1]] > 1
        table = np.zeros((len(grams), int((n_owners > 1).sum())), np.int64)
        table[cells[0][kept], value_ids(cells[1][kept])] = counts[kept]
        shared.append(table)
        totals.append(np.bincount(owner, minlength=len(grams)))
        if n < _BLEU_ORDER:
            grams = _longer(grams, words, n)
    return shared, totals


def _longer(grams: list[IntArray], words: Sequence[IntArray], n: int) -> list[IntArray]:
    """Ids of (n+1)-grams, from the n-grams and the words that follow them."""
    first = [g[:-1] for g in grams]
    second = [w[n:] for w in words]
    ids = pair_ids(*(np.concatenate([np.empty(0, np.int64), *x]) for x in (first, second)))
    return np.split(ids, np.cumsum([len(f) for f in first])[:-1])


def _clipped(counts: IntArray) -> IntArray:
    """Sum of each row's counts, clipped by the largest count of another row ``[N]``."""
    two = np.partition(counts, len(counts) - 2, axis=0)[-2:]
    most_of_others = np.where(counts == two[1], two[0], two[1])
    return np.minimum(counts, most_of_others).sum(1)


def _brevity(lengths: IntArray) -> FloatArray:
    """BLEU's brevity penalty of each piece against the other piece of the most similar length."""
    gap = np.abs(lengths[:, None] - lengths).astype(float)
    np.fill_diagonal(gap, np.inf)
    nearest = lengths[gap.argmin(1)]
    return np.minimum(1.0, np.exp(1 - nearest / lengths))


def pairwise_distance_ratio(
    candidate: FloatArray,
    candidate_piece: IntArray,
    reference: FloatArray,
    reference_piece: IntArray,
) -> SetMetric:
    """Mean distance between windows of different pieces, divided by the reference's.

    Distances are Euclidean, of standardised features ``[W, F]``. 1 is as diverse as the reference.
    NaN if a set has windows of one piece only.
    """
    ours_all, theirs_all = distances(candidate, candidate), distances(reference, reference)

    def mean(table: FloatArray, piece: IntArray, chosen: IntArray) -> float:
        rows = np.flatnonzero(np.isin(piece, chosen))
        apart = piece[rows][:, None] != piece[rows]
        return float(table[np.ix_(rows, rows)][apart].mean()) if apart.any() else NAN

    def metric(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        theirs_mean = mean(theirs_all, reference_piece, theirs)
        ours_mean = mean(ours_all, candidate_piece, ours)
        ratio = ours_mean / theirs_mean if theirs_mean > 0 else NAN
        return {"pairwise_distance_ratio": ratio}

    return metric


def support_size(windows: Windows, *, jaccard: float = 0.5) -> SetMetric:
    """Support size by the birthday paradox test: pairs of windows over near-duplicate pairs.

    Arora, Risteski & Zhang 2018, "Do GANs learn the distribution?": of N equally likely windows,
    two are the same with probability 1/N. Pairs are of windows of different pieces. Near-duplicates
    are pairs whose sets of 4-grams of (interval, offset, duration) have a Jaccard index of at least
    ``jaccard``. Without near-duplicates, the number of pairs is a lower bound. NaN without a pair.
    """
    same = near_duplicates(windows, jaccard)
    piece = windows.piece

    def metric(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        rows = np.flatnonzero(np.isin(piece, ours))
        apart = piece[rows][:, None] != piece[rows]
        n_pairs = int(apart.sum()) // 2
        n_same = int((same[np.ix_(rows, rows)] & apart).sum()) // 2
        return {"support_size": n_pairs / max(1, n_same) if n_pairs else NAN}

    return metric


def near_duplicates(windows: Windows, jaccard: float) -> NDArray[np.bool_]:
    """Which pairs of windows have at least this Jaccard index of their 4-grams, ``[W, W]``."""
    n, n_grams = len(windows), windows.length - 4
    if n_grams < 1 or not n:
        return np.zeros((n, n), bool)
    from scipy.sparse import csr_array

    interval, offset = np.diff(windows.pitch, axis=1) + 127, np.diff(windows.onset, axis=1)
    word = pair_ids(pair_ids(interval, offset), windows.duration[:, 1:])
    two = pair_ids(word[:, :-1], word[:, 1:])
    four = pair_ids(two[:, :-2], two[:, 2:])

    row = np.repeat(np.arange(n), n_grams)
    cells = np.unique(np.stack([row, four.ravel()]), axis=1)
    has = csr_array(
        (np.ones(cells.shape[1], np.int32), (cells[0], cells[1])), shape=(n, int(four.max()) + 1)
    )
    both = (has @ has.T).toarray()
    size = np.diag(both)
    return both >= jaccard * (size[:, None] + size - both)
