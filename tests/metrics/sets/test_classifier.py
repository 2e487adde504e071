from __future__ import annotations

import math

import numpy as np

from gan_music.metrics.sets.classifier import accuracy, null_interval, two_sample_test


def test_c2st_detects_a_difference_and_only_that() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 4)
    a, b = rng.normal(size=(2, 160, 5))
    # windows of a piece are alike: folds that split a piece would leak the label
    a += 3 * rng.normal(size=(40, 1, 5)).repeat(4, 1).reshape(160, 5)
    b += 3 * rng.normal(size=(40, 1, 5)).repeat(4, 1).reshape(160, 5)
    null = two_sample_test(a, group, b, group, seeds=range(3))
    bounds = null_interval([null], 40)
    assert bounds.low < accuracy(null) < bounds.high
    assert 0.3 < bounds.low < 0.47
    far = two_sample_test(a, group, b + 20, group, seeds=[0])
    assert accuracy(far) == 1
    again = two_sample_test(a, group, b, group, seeds=range(3))
    assert (again[0] == null[0]).all()
    assert math.isnan(accuracy(two_sample_test(a[:16], group[:16], b, group, seeds=[0])))
