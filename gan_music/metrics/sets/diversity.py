"""Diversity: how much of a set is different from the rest of it.

All these figures depend on how much music there is, so a half is always measured with as many
n-grams, windows or pieces as the reference's half has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, Measure
from gan_music.metrics.excerpts import Windows
from gan_music.metrics.piece.ngrams import (
    INTERVAL,
    INTERVAL_OFFSET,
    PITCH,
    pair_names,
    renumber,
    runs,
    symbols,
)
from gan_music.metrics.sets.mgeval import distances
from gan_music.music.piece import IntArray, Piece

FloatArray = NDArray[np.float64]

_KINDS = {"pitch": PITCH, "interval": INTERVAL, "interval_offset": INTERVAL_OFFSET}
_LENGTHS = (2, 4, 8)
_BLEU_ORDER = 4


def distinct(candidate: Sequence[Piece], reference: Sequence[Piece]) -> Measure:
    """Share of different n-grams (Li et al. 2016, "distinct-n") of three kinds, n = 2, 4, 8.

    Of pitch, of interval, and of interval with the time since the note before. As many n-grams of
    both sides: whole pieces, the last one cut.
    """
    tables: dict[str, tuple[list[IntArray], list[IntArray]]] = {}
    for kind, columns in _KINDS.items():
        ours, theirs = symbols(candidate, columns), symbols(reference, columns)
        for n in _LENGTHS:
            tables[f"distinct_{kind}_{n}grams"] = (runs(ours, n), runs(theirs, n))

    def measure(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        return {
            name: distinct_of(
                [a[i] for i in ours], n_at_most=sum(len(b[i]) for i in theirs.tolist())
            )
            for name, (a, b) in tables.items()
        }

    return measure


def distinct_of(names: Sequence[IntArray], n_at_most: int) -> float:
    """Share of different names among the first ``n_at_most`` of these; NaN without any."""
    everything = np.concatenate(names)[:n_at_most] if names else np.empty(0, np.int64)
    if not len(everything):
        return NAN
    return np.count_nonzero(np.bincount(everything)) / len(everything)


def self_bleu(candidate: Sequence[Piece]) -> Measure:
    """Mean BLEU of each piece against all others: 1 if each is in the others, 0 if none is.

    Zhu et al. 2018, "Texygen". Words are (interval, time since the note before). BLEU is Papineni
    et al. 2002 with n = 1 to 4, even weights, and 0.1 in the place of a count of 0 (Chen & Cherry
    2014, method 1). NaN without two pieces that have a 4-gram.
    """
    words = symbols(candidate, INTERVAL_OFFSET)
    lengths = np.array([len(w) for w in words])
    shared, totals = _shared_counts(words)

    def measure(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        chosen = ours[lengths[ours] >= _BLEU_ORDER]
        if len(chosen) < 2:
            return {"self_bleu": NAN}
        log_precision = np.zeros(len(chosen))
        for counts, total in zip(shared, totals, strict=True):
            clipped = _clipped(counts[chosen]) if counts.shape[1] else np.zeros(len(chosen))
            log_precision += np.log(np.maximum(clipped, 0.1) / total[chosen]) / _BLEU_ORDER
        brevity = _brevity(lengths[chosen])
        return {"self_bleu": float((brevity * np.exp(log_precision)).mean())}

    return measure


def _shared_counts(words: Sequence[IntArray]) -> tuple[list[IntArray], list[IntArray]]:
    """For n = 1..4: counts ``[N, U]`` of the n-grams that two pieces share, and of all ``[N]``."""
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
        table[cells[0][kept], renumber(cells[1][kept])] = counts[kept]
        shared.append(table)
        totals.append(np.bincount(owner, minlength=len(grams)))
        if n < _BLEU_ORDER:
            grams = _longer(grams, words, n)
    return shared, totals


def _longer(grams: list[IntArray], words: Sequence[IntArray], n: int) -> list[IntArray]:
    """Names of (n+1)-grams: those of n-grams, each with the word after it."""
    first = [g[:-1] for g in grams]
    second = [w[n:] for w in words]
    names = pair_names(*(np.concatenate([np.empty(0, np.int64), *x]) for x in (first, second)))
    return np.split(names, np.cumsum([len(f) for f in first])[:-1])


def _clipped(counts: IntArray) -> IntArray:
    """Each row's counts, none above the largest of another row, summed ``[N]``."""
    two = np.partition(counts, len(counts) - 2, axis=0)[-2:]
    most_of_others = np.where(counts == two[1], two[0], two[1])
    return np.minimum(counts, most_of_others).sum(1)


def _brevity(lengths: IntArray) -> FloatArray:
    """BLEU's brevity penalty of each piece against the other whose length comes nearest."""
    gap = np.abs(lengths[:, None] - lengths).astype(float)
    np.fill_diagonal(gap, np.inf)
    nearest = lengths[gap.argmin(1)]
    return np.minimum(1.0, np.exp(1 - nearest / lengths))


def spread(
    candidate: FloatArray,
    candidate_piece: IntArray,
    reference: FloatArray,
    reference_piece: IntArray,
) -> Measure:
    """Mean distance between windows of different pieces over the reference's: 1 is as diverse.

    Of standardised points. NaN where a half has windows of one piece only.
    """
    ours_all, theirs_all = distances(candidate, candidate), distances(reference, reference)

    def mean(table: FloatArray, piece: IntArray, chosen: IntArray) -> float:
        rows = np.flatnonzero(np.isin(piece, chosen))
        apart = piece[rows][:, None] != piece[rows]
        return float(table[np.ix_(rows, rows)][apart].mean()) if apart.any() else NAN

    def measure(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        theirs_mean = mean(theirs_all, reference_piece, theirs)
        ours_mean = mean(ours_all, candidate_piece, ours)
        return {"spread_ratio": ours_mean / theirs_mean if theirs_mean > 0 else NAN}

    return measure


def support(windows: Windows, *, jaccard: float = 0.5) -> Measure:
    """Size of the support by the birthday test: how many different windows there seem to be.

    Arora, Risteski & Zhang 2018, "Do GANs learn the distribution?": among N equally likely ones, a
    pair is the same with probability 1/N. So pairs over near-duplicates, counted over windows of
    different pieces; where there is no near-duplicate, the number of pairs, and the support is at
    least that. Near-duplicates share half of their 4-grams of (interval, time since the note
    before, duration): |both| / |either| >= ``jaccard``. NaN without a pair.
    """
    same = near_duplicates(windows, jaccard)
    piece = windows.piece

    def measure(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        rows = np.flatnonzero(np.isin(piece, ours))
        apart = piece[rows][:, None] != piece[rows]
        n_pairs = int(apart.sum()) // 2
        n_same = int((same[np.ix_(rows, rows)] & apart).sum()) // 2
        return {"support_size": n_pairs / max(1, n_same) if n_pairs else NAN}

    return measure


def near_duplicates(windows: Windows, jaccard: float) -> NDArray[np.bool_]:
    """Which pairs of windows share that much of their 4-grams, ``[W, W]``."""
    n, n_grams = len(windows), windows.length - 4
    if n_grams < 1 or not n:
        return np.zeros((n, n), bool)
    from scipy.sparse import csr_array

    word = pair_names(
        pair_names(
            np.diff(windows.pitch, axis=1) + 127,
            np.diff(windows.onset, axis=1),
        ),
        windows.duration[:, 1:],
    )
    two = pair_names(word[:, :-1], word[:, 1:])
    four = pair_names(two[:, :-2], two[:, 2:])
    row = np.repeat(np.arange(n), n_grams)
    cells = np.unique(np.stack([row, four.ravel()]), axis=1)
    has = csr_array(
        (np.ones(cells.shape[1], np.int32), (cells[0], cells[1])), shape=(n, int(four.max()) + 1)
    )
    both = (has @ has.T).toarray()
    size = np.diag(both)
    return both >= jaccard * (size[:, None] + size - both)
