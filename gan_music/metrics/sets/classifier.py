"""Can a judge tell them apart: the classifier two-sample test.

Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests". A random forest learns to tell
generated from real windows by their features, on some pieces, and is asked about others. Windows of
one piece are alike, so they are all learned from or all asked about. Accuracy 0.5 is best: the
judge cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, UNDEFINED, Estimate
from gan_music.music.piece import IntArray

FloatArray = NDArray[np.float64]

N_SEEDS = 5
_N_FOLDS = 5
_N_TREES = 32


def two_sample_test(
    candidate: FloatArray,
    candidate_piece: IntArray,
    reference: FloatArray,
    reference_piece: IntArray,
    *,
    seeds: Sequence[int],
) -> tuple[FloatArray, FloatArray]:
    """Share of each piece's windows that the judge told right, out of fold: ``[S, A]``, ``[S, B]``.

    One row a seed, which deals the folds and grows the forest. Pieces stand in the order of their
    numbers. Sides of unequal size weigh the same. Empty where a side has fewer than five pieces,
    one a fold.

    Parameters
    ----------
    candidate, reference : points ``[W, F]``.
    candidate_piece, reference_piece : ``[W]``, the piece of each.
    """
    names = [np.unique(candidate_piece), np.unique(reference_piece)]
    if min(map(len, names)) < _N_FOLDS:
        return np.empty((0, 0)), np.empty((0, 0))
    points = np.concatenate([candidate, reference])
    is_real = np.repeat([False, True], [len(candidate), len(reference)])
    groups = np.concatenate(
        [
            np.searchsorted(names[0], candidate_piece),
            len(names[0]) + np.searchsorted(names[1], reference_piece),
        ]
    )
    size = np.bincount(groups)

    rows = []
    for seed in seeds:
        right = _told_right(points, is_real, groups, len(names[0]), seed)
        rows.append(np.bincount(groups, weights=right) / size)
    accuracy = np.array(rows)
    return accuracy[:, : len(names[0])], accuracy[:, len(names[0]) :]


def accuracy(sides: tuple[FloatArray, FloatArray]) -> float:
    """The mean over both sides, pieces and seeds; NaN without any."""
    return float(np.mean([s.mean() for s in sides])) if sides[0].size else NAN


def accuracy_interval(sides: tuple[FloatArray, FloatArray], n_draws: int, seed: int) -> Estimate:
    """The accuracy with the bootstrap's 95 % interval over pieces.

    What is drawn again are pieces that the judge has been asked about: it learns nothing anew, so
    a piece and its copy are never in two folds.
    """
    if not sides[0].size:
        return UNDEFINED
    rng = np.random.default_rng(seed)
    means = [s.mean(0) for s in sides]
    draws = sum(m[rng.integers(0, len(m), (n_draws, len(m)))].mean(1) for m in means) / 2
    low, high = np.percentile(draws, (2.5, 97.5)) if n_draws > 1 else (NAN, NAN)
    return Estimate(accuracy(sides), float(low), float(high))


def null_interval(null: Sequence[tuple[FloatArray, FloatArray]], n_pieces: int) -> Estimate:
    """Where 95 % of accuracies lie if both sides are the same music: 0.5 and its bounds.

    ``null`` are tests of real against real music; the spread of their pieces' accuracies gives the
    spread of a mean over ``n_pieces`` a side. Windows of a piece are told right or wrong together,
    so the binomial spread of Lopez-Paz & Oquab's equation 2, which takes them for independent,
    would be too narrow.
    """
    tests = [t for t in null if t[0].size]
    if not tests or not n_pieces:
        return UNDEFINED
    variance = np.mean([[((s - 0.5) ** 2).mean() for s in test] for test in tests])
    reach = 1.96 * float(np.sqrt(variance / (2 * n_pieces)))
    return Estimate(0.5, max(0.0, 0.5 - reach), min(1.0, 0.5 + reach))


def _told_right(
    points: FloatArray, is_real: NDArray[np.bool_], groups: IntArray, n_candidate: int, seed: int
) -> NDArray[np.bool_]:
    """Whether each point was told right by a forest that saw no point of its piece ``[W]``."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    n_reference = int(groups.max()) + 1 - n_candidate
    # each side is dealt by itself, so that every fold has its share of both
    fold = np.concatenate(
        [rng.permutation(np.arange(n) % _N_FOLDS) for n in (n_candidate, n_reference)]
    )[groups]
    right = np.zeros(len(points), bool)
    for number in range(_N_FOLDS):
        asked = fold == number
        forest = RandomForestClassifier(
            _N_TREES,
            max_samples=max(1, int((~asked).sum()) // 2),
            class_weight="balanced",
            random_state=int(rng.integers(2**31)),
        )
        forest.fit(points[~asked], is_real[~asked])
        right[asked] = forest.predict(points[asked]) == is_real[asked]
    return right
