"""PRDC and the Fréchet distance, against the prdc package and SciPy."""

from __future__ import annotations

import math

import numpy as np
import prdc as published
import pytest
import scipy.linalg

from gan_music.metrics.sets.mgeval import distances
from gan_music.metrics.sets.prdc import frechet_distance, prdc, standardise


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("k", [1, 5])
def test_prdc_equals_the_prdc_package(shift: float, k: int) -> None:
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=(80, 6)), rng.normal(shift, 1.3, size=(60, 6))
    ours = prdc(distances(real, real), distances(fake, fake), distances(real, fake), k=k)
    assert ours == pytest.approx(published.compute_prdc(real, fake, nearest_k=k))


def test_prdc_without_a_kth_neighbour_is_nan() -> None:
    few = np.zeros((5, 5))
    assert all(math.isnan(v) for v in prdc(few, few, few, k=5).values())


def test_frechet_distance() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), rng.normal(1, 2, size=(70, 4))
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert math.isnan(frechet_distance(a[:1], b))


def test_standardise_by_the_reference() -> None:
    reference = np.array([[0.0, 7.0], [2.0, 7.0]])
    ours, other = standardise(reference, np.array([[3.0, 7.01]]))
    assert ours.tolist() == [[-1, 0], [1, 0]]
    assert other[0] == pytest.approx([2, 1])  # the deviation of a constant is set to 0.01
