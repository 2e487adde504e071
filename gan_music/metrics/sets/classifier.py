"""Classifier two-sample test (C2ST), Lopez-Paz & Oquab 2017.

A random forest is trained to classify windows as generated or real by their features, and is tested
on other pieces. Windows of one piece are dependent, so that all of them are in the same fold. An
accuracy of 0.5 is best: the two sets are indistinguishable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, UNDEFINED, Estimate
from gan_music.music.piece import IntArray

FloatArray = NDArray[np.float64]
# out-of-fold accuracy on each piece, by seed: ``[S, A]`` of candidate, ``[S, B]`` of reference
PieceAccuracies = tuple[FloatArray, FloatArray]

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
) -> PieceAccuracies:
    """The share of each piece's windows that are classified correctly, by cross-validation.

    A seed determines the folds and the forest. Both sets have the same weight, whatever their
    sizes. Both arrays are empty if a set has fewer pieces than there are folds (5).

    Parameters
    ----------
    candidate, reference : features ``[W, F]``.
    candidate_piece, reference_piece : ``[W]``, the piece of each window.
    """
    names = [np.unique(candidate_piece), np.unique(reference_piece)]
    if min(map(len, names)) < _N_FOLDS:
        return np.empty((0, 0)), np.empty((0, 0))
    features = np.concatenate([candidate, reference])
    is_real = np.repeat([False, True], [len(candidate), len(reference)])
    ours = np.searchsorted(names[0], candidate_piece)
    theirs = len(names[0]) + np.searchsorted(names[1], reference_piece)
    groups = np.concatenate([ours, theirs])
    size = np.bincount(groups)
    rows = []
    for seed in seeds:
        correct = _cross_validated(features, is_real, groups, len(names[0]), seed)
        rows.append(np.bincount(groups, weights=correct) / size)
    accuracies = np.array(rows)
    return accuracies[:, : len(names[0])], accuracies[:, len(names[0]) :]


def accuracy(of_pieces: PieceAccuracies) -> float:
    """The mean over both sets, pieces and seeds; NaN if empty."""
    return float(np.mean([a.mean() for a in of_pieces])) if of_pieces[0].size else NAN


def accuracy_interval(of_pieces: PieceAccuracies, n_draws: int, seed: int) -> Estimate:
    """The accuracy with its 95 % interval by the bootstrap over tested pieces.

    No classifier is trained again, so that copies of a piece are never in two folds.
    """
    if not of_pieces[0].size:
        return UNDEFINED
    rng = np.random.default_rng(seed)
    means = [a.mean(0) for a in of_pieces]
    draws = sum(m[rng.integers(0, len(m), (n_draws, len(m)))].mean(1) for m in means) / 2
    low, high = np.percentile(draws, (2.5, 97.5)) if n_draws > 1 else (NAN, NAN)
    return Estimate(accuracy(of_pieces), float(low), float(high))


def null_interval(null: Sequence[PieceAccuracies], n_pieces: int) -> Estimate:
    """0.5, and the interval of 95 % of accuracies if both sets have the same distribution.

    ``null`` are tests of real against real music. The variance of their pieces' accuracies gives
    the variance of a mean over ``n_pieces`` of each set. Equation 2 of Lopez-Paz & Oquab assumes
    independent windows, and would give too narrow an interval. Without a test, for which there must
    be ten pieces, the variance is the largest that is possible.
    """
    if n_pieces < _N_FOLDS:
        return UNDEFINED
    tests = [t for t in null if t[0].size]
    spread = [[((a - 0.5) ** 2).mean() for a in test] for test in tests]
    variance = np.mean(spread) if tests else 0.25
    margin = 1.96 * float(np.sqrt(variance / (2 * n_pieces)))
    return Estimate(0.5, max(0.0, 0.5 - margin), min(1.0, 0.5 + margin))


def _cross_validated(
    features: FloatArray, is_real: NDArray[np.bool_], groups: IntArray, n_candidate: int, seed: int
) -> NDArray[np.bool_]:
    """Whether each window is classified correctly by a forest trained on other pieces ``[W]``."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    n_reference = int(groups.max()) + 1 - n_candidate
    # folds are stratified by set
    fold = np.concatenate(
        [rng.permutation(np.arange(n) % _N_FOLDS) for n in (n_candidate, n_reference)]
    )[groups]
    correct = np.zeros(len(features), bool)
    for number in range(_N_FOLDS):
        test = fold == number
        forest = RandomForestClassifier(
            _N_TREES,
            max_samples=max(1, int((~test).sum()) // 2),
            class_weight="balanced",
            random_state=int(rng.integers(2**31)),
        )
        forest.fit(features[~test], is_real[~test])
        correct[test] = forest.predict(features[test]) == is_real[test]
    return correct
