from __future__ import annotations

import math

import muspy
import numpy as np
import pytest

from gan_music.metrics.basic import (
    attribute,
    compare,
    describe,
    distinct_ngrams,
    histogram_distance,
    scale_consistency,
)
from gan_music.notes import Piece
from tests.conftest import make_piece


def melody(pitches: list[int]) -> Piece:
    n = len(pitches)
    return Piece.from_arrays(np.arange(n) * 24, np.full(n, 12), pitches, grid=24)


def test_distinct_ngrams_by_hand() -> None:
    # 60 62 | 62 60 | 60 62 and 60 62: two kinds among four
    assert distinct_ngrams([melody([60, 62, 60, 62]), melody([60, 62])], 2) == 0.5
    assert distinct_ngrams([melody([60] * 12)], 4) == pytest.approx(1 / 9)
    assert math.isnan(distinct_ngrams([melody([60, 61, 62])], 4))


def test_scale_consistency_by_hand() -> None:
    assert scale_consistency([melody([60, 62, 64, 65, 67, 69, 71])]) == 1
    # seven of the twelve
    assert scale_consistency([melody(list(range(60, 72)))]) == pytest.approx(7 / 12)
    assert math.isnan(scale_consistency([]))


@pytest.mark.parametrize("seed", range(6))
def test_scale_consistency_is_muspys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    piece = melody(rng.integers(30, 90, 50).tolist()) if seed % 2 else make_piece(seed)
    track = muspy.Track(
        notes=[muspy.Note(time=o, pitch=p, duration=d) for o, d, p in piece.notes()]
    )
    expected = muspy.scale_consistency(muspy.Music(resolution=24, tracks=[track]))
    assert scale_consistency([piece]) == pytest.approx(expected)


def test_histogram_distance_by_hand() -> None:
    a = np.array([1, 1, 2, 3])
    assert histogram_distance(a, a) == 0
    assert histogram_distance(a, np.array([7])) == 1
    # shares (1/2, 1/4, 1/4) against (0, 1/2, 1/2): the overlap is 1/2
    assert histogram_distance(a, np.array([2, 3])) == 0.5
    assert math.isnan(histogram_distance(a, np.array([], dtype=int)))


def test_offsets_are_within_a_piece() -> None:
    pieces = [melody([60, 62, 64]), melody([60, 61])]
    assert attribute(pieces, "offset").tolist() == [24, 24, 24]


def test_compare_and_describe() -> None:
    piece = make_piece(0)
    assert compare([piece], [piece])["distance"] == 0
    figures = compare([melody([60] * 20)], [piece])
    parts = [figures[f"distance_{a}"] for a in ("pitch", "duration", "offset")]
    assert figures["distance"] == pytest.approx(np.mean(parts))
    assert describe([melody([60, 60, 67])])["n_pitches"] == 2
