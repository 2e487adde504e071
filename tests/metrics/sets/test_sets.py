"""Figures of sets of windows, against independent programs and brute force."""

from __future__ import annotations

import math

import numpy as np
import prdc as published
import pytest
import scipy.linalg
import scipy.stats

from gan_music.metrics.excerpts import stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.piece.ngrams import ngram_ids, note_ids
from gan_music.metrics.piece.structure import bar_self_similarity, repetition_rate_in_windows
from gan_music.metrics.sets.classifier import accuracy, null_interval, two_sample_test
from gan_music.metrics.sets.diversity import distinct_n, near_duplicates, self_bleu, support_size
from gan_music.metrics.sets.mgeval import distances, mgeval_features, overlap_and_divergence
from gan_music.metrics.sets.originality import longest_matches
from gan_music.metrics.sets.prdc import frechet_distance, prdc, standardise
from gan_music.music.piece import Piece
from tests.conftest import make_piece
from tests.metrics.music import noise, piece, transposed


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("k", [1, 5])
def test_prdc_is_the_published_one(shift: float, k: int) -> None:
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
    # all the same distance on both sides, and never the same
    assert overlap_and_divergence(np.zeros(9), np.zeros(5)) == (pytest.approx(1), 0)
    area, divergence = overlap_and_divergence(np.zeros(9), np.full(9, 3.0))
    assert area == 0
    assert 10 < divergence < 25
    assert all(math.isnan(v) for v in overlap_and_divergence(a, np.empty(0)))


def test_mgeval_features_by_hand() -> None:
    # four notes of C, D, C, E: quavers, the last one a crotchet
    w = stack_windows([piece((0, 12, 60), (12, 12, 62), (24, 12, 72), (48, 24, 64))], 4)
    f = mgeval_features(w)
    assert f["pitch_count"].tolist() == [[4]]
    assert f["pitch_range"].tolist() == [[12]]
    assert f["pitch_class_histogram"][0, [0, 2, 4]].tolist() == [0.5, 0.25, 0.25]
    # C leads to D and to E: one of two, and four for safety
    assert f["pitch_class_transition_matrix"][0].reshape(12, 12)[0, 2] == pytest.approx(1 / 6)
    assert f["average_pitch_interval"][0, 0] == pytest.approx((2 + 10 + 8) / 3)
    assert f["inter_onset_interval"][0, 0] == pytest.approx(16 / 24)
    assert f["note_count"][0, :2].tolist() == pytest.approx([2 / 3, 1 / 3])  # 2, 1 and 1 notes
    assert f["note_length_histogram"][0, [2, 3]].tolist() == [0.25, 0.75]  # crotchet, quaver


def test_window_features_are_finite_and_relative() -> None:
    chord = Piece.from_arrays(np.zeros(32), np.ones(32), np.arange(32) + 40, grid=24)
    same = Piece.from_arrays(np.arange(32) * 24, np.full(32, 24), np.full(32, 60), grid=24)
    w = stack_windows([chord, same, noise(0), make_piece(0)], 32)
    f = window_features(w)
    assert np.isfinite(as_matrix(f)).all()
    up = window_features(
        stack_windows([transposed(p, 5) for p in (chord, same, noise(0), make_piece(0))], 32)
    )
    for name in f:
        if name != "pitch_mean":
            assert up[name] == pytest.approx(f[name]), name
    assert (up["pitch_mean"] - f["pitch_mean"]).tolist() == pytest.approx([5.0] * len(w))
    assert f["chord_rate"][0] == 1
    assert f["same_pitch_at_lag_1_rate"][1] == 1
    assert f["interval_8gram_repetition_rate"][1] == pytest.approx(23 / 24)


def test_standardise_by_the_reference() -> None:
    reference = np.array([[0.0, 7.0], [2.0, 7.0]])
    ours, other = standardise(reference, np.array([[3.0, 7.01]]))
    assert ours.tolist() == [[-1, 0], [1, 0]]
    assert other[0] == pytest.approx([2, 1])  # a constant's deviation counts as 0.01


def test_a_judge_sees_a_difference_and_only_that() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 4)
    a, b = rng.normal(size=(2, 160, 5))
    # windows of a piece are alike: a judge that saw one of them would know the others
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


def test_runs_are_named_exactly() -> None:
    pieces = [noise(s, 30) for s in range(3)]
    words = note_ids(pieces, ("interval", "offset"))
    names = ngram_ids(words, 4)
    keys = [tuple(w[i : i + 4]) for w in words for i in range(len(w) - 3)]
    flat = np.concatenate(names).tolist()
    assert len(flat) == len(keys)
    assert len(set(zip(flat, keys, strict=True))) == len(set(flat)) == len(set(keys))
    with pytest.raises(ValueError, match="power of two"):
        ngram_ids(words, 3)


def test_distinct_counts_as_many_as_the_reference_has() -> None:
    a = [piece(*[(24 * i, 24, 60 + i % 2) for i in range(12)])]
    b = [piece(*[(24 * i, 24, 60 + i) for i in range(5)])]
    figures = distinct_n(a, b)(np.array([0]), np.array([0]))
    assert figures["distinct_pitch_2grams"] == 0.5  # 60 61, 61 60, and two more: of four
    assert figures["distinct_interval_4grams"] == 1  # one
    assert math.isnan(figures["distinct_interval_8grams"])


def test_self_bleu_is_brute_force() -> None:
    pieces = [make_piece(s, 30) for s in range(4)]
    words = [list(zip(np.diff(p.pitch), np.diff(p.onset), strict=True)) for p in pieces]

    def bleu(mine: list, others: list[list]) -> float:
        total = 0.0
        for n in range(1, 5):

            def grams(w: list, n: int = n) -> dict:
                counts: dict = {}
                for i in range(len(w) - n + 1):
                    counts[tuple(w[i : i + n])] = counts.get(tuple(w[i : i + n]), 0) + 1
                return counts

            ours = grams(mine)
            clipped = sum(min(c, max(grams(o).get(g, 0) for o in others)) for g, c in ours.items())
            total += math.log(max(clipped, 0.1) / sum(ours.values())) / 4
        return math.exp(total)  # all are of one length: no brevity penalty

    expected = np.mean([bleu(w, [o for o in words if o is not w]) for w in words])
    everyone = np.arange(4)
    assert self_bleu(pieces)(everyone, everyone)["self_bleu"] == pytest.approx(expected)
    assert self_bleu([pieces[0]] * 3)(everyone[:3], everyone[:3])["self_bleu"] == 1
    assert math.isnan(self_bleu(pieces[:1])(everyone[:1], everyone[:1])["self_bleu"])


def test_support_by_birthdays() -> None:
    # ten windows of ten pieces, of which two and two are the same, one pair transposed
    pieces = [noise(s, 32) for s in range(8)]
    windows = stack_windows([*pieces, pieces[0], transposed(pieces[1], 3)], 32)
    assert near_duplicates(windows, 0.5).sum() == 10 + 4
    everyone = np.arange(10)
    assert support_size(windows)(everyone, everyone)["support_size"] == 45 / 2
    assert support_size(stack_windows(pieces, 32))(everyone, everyone)["support_size"] == 28


def test_repetition_by_hand() -> None:
    # bars of {C, D}, {C, E}, {C, D}: one of two shared, then none of what lies two apart is new
    p = piece(*[(96 * b + 24 * i, 24, k) for b, bar in enumerate(((60, 62), (60, 64), (60, 62)))
                for i, k in enumerate(bar)])  # fmt: skip
    assert bar_self_similarity(p, 1) == 0.5
    assert bar_self_similarity(p, 2) == 1
    assert math.isnan(bar_self_similarity(p, 4))


def test_comeback_by_hand() -> None:
    assert (
        repetition_rate_in_windows(np.array([1, 2, 1, 2, 3, 3, 3, 4, 9]), 4) == 0.5
    )  # two of four, twice
    assert math.isnan(repetition_rate_in_windows(np.array([1, 2]), 4))


@pytest.mark.parametrize("seed", range(4))
def test_longest_matches_are_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def walk(n: int) -> Piece:
        return Piece.from_arrays(
            np.cumsum(rng.integers(0, 2, n)) * 6,
            rng.integers(1, 3, n) * 6,
            60 + np.cumsum(rng.integers(0, 2, n)) % 40,
            grid=24,
        )

    def words(p: Piece) -> list[tuple[int, int, int]]:
        return list(zip(np.diff(p.pitch), np.diff(p.onset), p.duration[1:], strict=True))

    queries, training = [walk(25), walk(1), walk(3)], [walk(60), walk(2), walk(40)]
    found = longest_matches(queries, training)
    for query, match in zip(queries, found, strict=True):
        w = words(query)
        expected = []
        for i in range(len(w)):
            best = 0
            for t in map(words, training):
                for j in range(len(t)):
                    n = 0
                    while i + n < len(w) and j + n < len(t) and w[i + n] == t[j + n]:
                        n += 1
                    best = max(best, n)
            expected.append(best)
        assert match.tolist() == expected


def test_a_transposed_copy_is_found_whole() -> None:
    training = [noise(s, 300) for s in range(5)]
    copy = transposed(training[3].cut(40, 140), 4)
    (match,) = longest_matches([copy], training)
    assert match[0] == 99
    assert longest_matches([], training) == []
