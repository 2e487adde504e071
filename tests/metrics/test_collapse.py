from __future__ import annotations

import math

import numpy as np
import pytest

from gan_music.metrics.collapse import THRESHOLDS, collapse_figures, relative_to, variety
from gan_music.music.piece import Piece, windows
from tests.metrics.music import piece


def drawn(seed: int, pitches: list[int], durations: list[int], offsets: list[int]) -> list[Piece]:
    """64 windows of 64 independent random notes."""
    rng = np.random.default_rng(seed)
    return [
        Piece.from_arrays(
            np.cumsum(rng.choice(offsets, 64)),
            rng.choice(durations, 64),
            rng.choice(pitches, 64),
            grid=24,
        )
        for _ in range(64)
    ]


def test_figures_by_hand() -> None:
    one = piece((0, 12, 60), (12, 12, 62), (24, 12, 60), (36, 12, 62), (48, 12, 60))
    other = piece((0, 24, 60), (24, 24, 60), (48, 24, 60), (72, 24, 60), (96, 24, 60))
    f = collapse_figures([one, other])
    assert f["entropy_duration"] == 1
    assert f["entropy_offset"] == 1
    assert f["n_pitches"] == 2
    assert f["entropy_pitch"] == pytest.approx(-(0.8 * math.log2(0.8) + 0.2 * math.log2(0.2)))
    assert f["distinct_pitch_4grams"] == 3 / 4
    assert f["distinct_note_4grams"] == 1  # one each
    # the histograms of pitch overlap by 3/5, those of duration and offset by 0
    assert 0 < f["distance_between_samples"] < (0.4 + 1 + 1) / 3
    assert collapse_figures([one, one])["distance_between_samples"] <= 0


def test_windows_of_independent_notes_have_no_distance() -> None:
    everything = drawn(3, list(range(30, 90)), [3, 6, 12, 24, 48], [0, 3, 6, 12])
    assert abs(collapse_figures(everything)["distance_between_samples"]) < 0.01
    low = drawn(4, list(range(30, 60)), [3, 6], [0, 3])
    high = drawn(5, list(range(60, 90)), [24, 48], [6, 12])
    # half of all pairs are disjoint
    assert collapse_figures(low + high)["distance_between_samples"] > 0.3


def test_undefined_is_nan() -> None:
    assert all(math.isnan(v) for v in collapse_figures([]).values())
    assert variety(collapse_figures([]), collapse_figures([])) == (
        "undefined",
        "both sets have no notes",
    )


ONE_PITCH = "entropy_pitch of the reference is 0"
VARIED = drawn(6, list(range(40, 80)), [6, 12, 24, 48], [0, 6, 12])


@pytest.mark.parametrize(
    ("samples", "reference", "reason"),
    [
        (VARIED[:1], VARIED, "the samples have fewer than two excerpts to compare"),
        (VARIED, VARIED[:1], "the reference has fewer than two excerpts to compare"),
        (VARIED[:1], VARIED[1:2], "both sets have fewer than two excerpts to compare"),
        ([piece((0, 12, 60))], VARIED, "the samples have no excerpt of four notes"),
        ([piece((0, 12, 60))] * 9, VARIED, "the samples have no excerpt of four notes"),
        (drawn(1, [60], [12], [12]), drawn(2, [60], [12], [12]), ONE_PITCH),
        (VARIED, drawn(2, [60], [6, 12, 24], [0, 6, 12]), ONE_PITCH),
    ],
)
def test_too_little_music_has_no_verdict(
    samples: list[Piece], reference: list[Piece], reason: str
) -> None:
    found = variety(collapse_figures(samples), collapse_figures(reference))
    assert found == ("undefined", reason)


def test_a_collapse_is_seen_beside_a_reference_of_one_rhythm() -> None:
    one_rhythm = collapse_figures(drawn(3, list(range(40, 80)), [12], [12]))
    found = variety(collapse_figures(drawn(4, [60, 61], [12], [12])), one_rhythm)
    assert found.word == "collapsed"


@pytest.mark.parametrize("n_windows", [16, 64])
@pytest.mark.parametrize(
    "degenerate",
    [
        drawn(0, [59, 60, 61], [50], [0, 1, 6, 12]),  # Neo & Saleem: 3 pitches, 1 duration
        drawn(0, [60], [24], [24]),
        drawn(0, list(range(40, 80)), [6, 12, 24, 48], [0, 6, 12])[:1] * 64,  # copies of one window
        drawn(0, list(range(55, 67)), [12], [12]),
    ],
    ids=["paper", "one note", "one window", "one octave, one rhythm"],
)
def test_degenerate_music_is_collapsed(
    chorales: list[Piece], degenerate: list[Piece], n_windows: int
) -> None:
    real = collapse_figures(windows(chorales, 64, n_windows))
    assert variety(collapse_figures(degenerate[:n_windows]), real).word == "collapsed"


def test_few_windows_are_narrow_or_collapsed(chorales: list[Piece]) -> None:
    real = collapse_figures(windows(chorales, 64, 64))
    # the windows of one chorale, repeated
    few = windows(chorales[:1], 64, 64)
    few = [few[i % len(few)] for i in range(64)]
    assert variety(collapse_figures(few), real).word in ("narrow", "collapsed")
    ones = dict.fromkeys(THRESHOLDS, 1.0)
    assert variety(ones, ones) == ("varied", None)
    narrow = ones | {"n_pitches": 0.5}
    assert variety(narrow, ones) == ("narrow", "n_pitches is 0.50 of the reference's")
    assert variety(narrow | {"entropy_pitch": 0.1}, ones) == (
        "collapsed",
        "entropy_pitch is 0.10 of the reference's",
    )


@pytest.mark.parametrize("n_pieces", [16, 64])
@pytest.mark.parametrize("per_piece", [1, 4])
def test_real_music_is_varied(chorales: list[Piece], n_pieces: int, per_piece: int) -> None:
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(len(chorales))
        sets = [
            [w for i in part for w in windows([chorales[i]], 64, per_piece)]
            for part in (order[:n_pieces], order[n_pieces : 2 * n_pieces])
        ]
        n = min(map(len, sets))
        ours, theirs = (collapse_figures(s[:n]) for s in sets)
        assert variety(ours, theirs).word == "varied", relative_to(ours, theirs)
