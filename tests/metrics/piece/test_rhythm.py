from __future__ import annotations

import math

import muspy
import numpy as np
import pytest

from gan_music.metrics.piece.rhythm import (
    bar_lengths,
    empty_bar_rate,
    empty_beat_rate,
    groove_consistency,
    inter_onset_interval_entropy,
    on_beat_rate,
    qualified_note_rate,
)
from tests.metrics.music import as_muspy, noise, piece


@pytest.mark.parametrize("seed", range(5))
def test_groove_consistency_equals_muspys(seed: int) -> None:
    p = noise(seed)
    # a last note that ends within a bar: at a barline MusPy adds an empty bar
    p = piece(*p.notes(), (int(p.onset[-1]) + 96 - int(p.onset[-1]) % 96, 30, 60))
    assert groove_consistency(p) == pytest.approx(muspy.groove_consistency(as_muspy(p), 96))


@pytest.mark.parametrize("seed", range(5))
def test_empty_beats_and_bars_equal_muspys_where_no_note_ends_at_a_line(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = piece(
        *[(int(24 * b), int(rng.integers(1, 24)), 60) for b in rng.integers(0, 40, 12)], (0, 5, 60)
    )
    assert empty_beat_rate(p) == pytest.approx(muspy.empty_beat_rate(as_muspy(p)))
    assert empty_bar_rate(p) == pytest.approx(muspy.empty_measure_rate(as_muspy(p), 96))


def test_a_piece_that_ends_at_a_barline_gets_no_empty_bar() -> None:
    p = piece((0, 96, 60), (96, 96, 62))
    assert empty_bar_rate(p) == 0
    assert empty_beat_rate(p) == 0
    assert groove_consistency(p) == 1
    assert muspy.empty_measure_rate(as_muspy(p), 96) == 0  # filled by the notes that end there
    assert muspy.groove_consistency(as_muspy(p), 96) < 1


def test_groove_by_hand() -> None:
    # bars of 96 steps with onsets {0, 24}, {0, 48}, {}, {0}: differ in 2, 2 and 1 places
    p = piece((0, 6, 60), (24, 6, 60), (96, 6, 60), (144, 6, 60), (288, 6, 60))
    assert groove_consistency(p) == pytest.approx(1 - (2 + 2 + 1) / 96 / 3)


def test_bars_follow_the_meter() -> None:
    # two bars of 3/4, one of 6/8 with the same length, and 4/4, which is not compared
    p = piece(
        (0, 6, 60), (72, 6, 60), (144, 6, 60), (216, 6, 60), (312, 6, 60),
        meters=((0, 3, 4), (144, 6, 8), (216, 4, 4)),
    )  # fmt: skip
    assert bar_lengths(p, np.arange(5)).tolist() == [72, 72, 72, 96, 96]
    assert groove_consistency(p) == 1
    assert on_beat_rate(p) == 1


def test_rates_by_hand() -> None:
    # onsets on the beat, on the half beat (two notes) and on neither
    p = piece((0, 2, 60), (12, 3, 62), (12, 3, 65), (30, 24, 64))
    assert on_beat_rate(p) == pytest.approx(1 / 3)
    assert on_beat_rate(p, parts=2) == pytest.approx(2 / 3)
    assert inter_onset_interval_entropy(p) == 1  # 12 and 18 steps
    assert qualified_note_rate(p) == 0.75  # a 32nd is 3 steps
    assert empty_beat_rate(piece((0, 24, 60), (72, 24, 60))) == 0.5


def test_undefined_is_nan() -> None:
    one = piece((0, 24, 60))
    assert math.isnan(groove_consistency(one))
    assert math.isnan(inter_onset_interval_entropy(one))


def test_a_gap_of_millions_of_bars_is_fast() -> None:
    p = piece((0, 10**9, 60), (10**10, 24, 62))
    assert math.isnan(groove_consistency(p))
    assert empty_bar_rate(p) == pytest.approx(1, abs=1e-5)
