"""MGEval: features by hand, densities against SciPy, parts of pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from gan_music.metrics.excerpts import opening_and_ending, stack_windows
from gan_music.metrics.sets.mgeval import distances, mgeval, mgeval_features, overlap_and_divergence
from tests.metrics.music import noise, piece, walks


def test_overlap_and_divergence_are_those_of_kernel_densities() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.gamma(9, 1.0, 2000), rng.gamma(12, 1.0, 3000)
    p, q = scipy.stats.gaussian_kde(a), scipy.stats.gaussian_kde(b)
    grid = np.linspace(-5, 45, 5001)
    p, q = p(grid), q(grid)
    area, divergence = overlap_and_divergence(a, b)
    step = grid[1] - grid[0]
    assert area == pytest.approx(np.minimum(p, q).sum() * step, abs=0.005)
    assert divergence == pytest.approx((p * np.log(p / q)).sum() * step, rel=0.05)
    assert overlap_and_divergence(a, a) == (pytest.approx(1), 0)
    # constant distances: equal, and disjoint
    assert overlap_and_divergence(np.zeros(9), np.zeros(5)) == (pytest.approx(1), 0)
    area, divergence = overlap_and_divergence(np.zeros(9), np.full(9, 3.0))
    assert area == 0
    assert 10 < divergence < 25
    assert all(math.isnan(v) for v in overlap_and_divergence(a, np.empty(0)))


def test_mgeval_features_by_hand() -> None:
    # C, D, C, E: three eighth notes and a quarter note
    w = stack_windows([piece((0, 12, 60), (12, 12, 62), (24, 12, 72), (48, 24, 64))], 4)
    f = mgeval_features(w)
    assert f["pitch_count"].tolist() == [[4]]
    assert f["pitch_range"].tolist() == [[12]]
    assert f["pitch_class_histogram"][0, [0, 2, 4]].tolist() == [0.5, 0.25, 0.25]
    # C is followed by D once: 1 / (2 transitions + the prior of 4)
    assert f["pitch_class_transition_matrix"][0].reshape(12, 12)[0, 2] == pytest.approx(1 / 6)
    assert f["average_pitch_interval"][0, 0] == pytest.approx((2 + 10 + 8) / 3)
    assert f["inter_onset_interval"][0, 0] == pytest.approx(16 / 24)
    assert f["note_count"][0, :2].tolist() == pytest.approx([2 / 3, 1 / 3])  # 2, 1 and 1 notes
    assert f["note_length_histogram"][0, [2, 3]].tolist() == [
        0.25,
        0.75,
    ]  # quarter note, eighth note


def test_a_part_is_measured_as_a_set_of_its_own() -> None:
    ours, theirs = walks(0), walks(16)
    reference = stack_windows(theirs, 64)
    opening, _ = opening_and_ending(ours, 128, 64)
    everyone = np.arange(16)
    found = mgeval(stack_windows(ours, 64), reference, {"opening": opening})(everyone, everyone)
    other = reference.piece[:, None] < reference.piece
    areas = []
    for mine, real in zip(
        mgeval_features(opening).values(), mgeval_features(reference).values(), strict=True
    ):
        areas.append(overlap_and_divergence(distances(real, real)[other], distances(mine, real))[0])
    # the grids differ, since they extend to the largest distance of the candidate
    assert found["oa_opening"] == pytest.approx(np.mean(areas), abs=0.01)
    without = mgeval(stack_windows(ours, 64), reference)(everyone, everyone)
    assert without == {k: v for k, v in found.items() if k != "oa_opening"}


def test_a_part_far_from_all_else_does_not_overlap() -> None:
    same = stack_windows([piece(*[(24 * i, 24, 60) for i in range(16)])] * 4, 16)
    far = stack_windows([noise(s, 16) for s in range(4)], 16)
    everyone = np.arange(4)
    figures = mgeval(same, same, {"same": same, "far": far})(everyone, everyone)
    assert figures["oa_mean"] == figures["oa_same"] == pytest.approx(1)
    assert figures["oa_far"] < 0.1
