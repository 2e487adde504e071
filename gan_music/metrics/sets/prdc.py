"""PRDC (precision, recall, density, coverage) and Fréchet distance of windows' features.

The features (:mod:`gan_music.metrics.piece.descriptors`) are standardised by the means and standard
deviations of the reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, SetMetric
from gan_music.metrics.sets.mgeval import distances
from gan_music.music.piece import IntArray

FloatArray = NDArray[np.float64]

# A lower bound, so that a nearly constant feature is not amplified.
_MIN_DEVIATION = 0.01


def standardise(reference: FloatArray, *others: FloatArray) -> list[FloatArray]:
    """All matrices ``[W, F]``, the reference first, minus its means, over its deviations."""
    if not len(reference):
        return [reference, *others]
    centre = reference.mean(0)
    scale = np.maximum(reference.std(0), _MIN_DEVIATION)
    return [(x - centre) / scale for x in (reference, *others)]


def prdc_metric(
    candidate: FloatArray,
    candidate_piece: IntArray,
    reference: FloatArray,
    reference_piece: IntArray,
    *,
    k: int,
) -> SetMetric:
    """Precision, recall, density, coverage and Fréchet distance of standardised features.

    All five depend on the number of windows, so that equally many of both sets are compared.
    """
    real, fake = distances(reference, reference), distances(candidate, candidate)
    cross = distances(reference, candidate)

    def metric(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        rows = np.flatnonzero(np.isin(reference_piece, theirs))
        columns = np.flatnonzero(np.isin(candidate_piece, ours))
        rows, columns = _equally_many(rows, columns)
        figures = prdc(
            real[np.ix_(rows, rows)],
            fake[np.ix_(columns, columns)],
            cross[np.ix_(rows, columns)],
            k=k,
        )
        figures["frechet_distance"] = frechet_distance(candidate[columns], reference[rows])
        return figures

    return metric


def prdc(real: FloatArray, fake: FloatArray, cross: FloatArray, *, k: int) -> dict[str, float]:
    """Precision, recall, density and coverage from pairwise distances.

    Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", equations 3
    to 6; precision and recall are those of Kynkäänniemi et al. 2019. All four are NaN if a set has
    no k-th neighbour.

    Parameters
    ----------
    real : ``[R, R]``, fake : ``[F, F]``, cross : ``[R, F]``.
    k : the neighbour, not counting the window itself, whose distance is the radius of a ball.
    """
    if min(len(real), len(fake)) <= k:
        return dict.fromkeys(("precision", "recall", "density", "coverage"), NAN)
    real_radius = np.partition(real, k, axis=1)[:, k]
    fake_radius = np.partition(fake, k, axis=1)[:, k]
    in_real = cross < real_radius[:, None]
    return {
        "precision": float(in_real.any(0).mean()),
        "recall": float((cross < fake_radius).any(1).mean()),
        "density": float(in_real.sum(0).mean() / k),
        "coverage": float((cross.min(1) < real_radius).mean()),
    }


def frechet_distance(a: FloatArray, b: FloatArray) -> float:
    """Squared Fréchet distance of two normal distributions fitted to two matrices ``[W, F]``.

    |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Dowson & Landau 1982; Heusel et al.
    2017). Its bias grows as W decreases: compare equal numbers. NaN if a set has fewer than two
    rows.
    """
    if min(len(a), len(b)) < 2:
        return NAN
    shift = ((a.mean(0) - b.mean(0)) ** 2).sum()
    cov_a, cov_b = (np.cov(x, rowvar=False, ddof=1).reshape(x.shape[1], -1) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    # (C_a^(1/2) C_b C_a^(1/2))^(1/2) has the same trace as (C_a C_b)^(1/2), and is symmetric
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    return max(0.0, float(shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def _equally_many(a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
    n = min(len(a), len(b))
    if not n:
        return a[:0], b[:0]
    first, second = (x[np.linspace(0, len(x) - 1, n).round().astype(int)] for x in (a, b))
    return first, second
