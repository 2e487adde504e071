from __future__ import annotations

import math

import numpy as np
import pytest

from gan_music.metrics.piece.histograms import histogram_distance, histogram_distances
from gan_music.music.piece import Piece, attribute
from tests.conftest import make_piece


def melody(pitches: list[int]) -> Piece:
    n = len(pitches)
    return Piece.from_arrays(np.arange(n) * 24, np.full(n, 12), pitches, grid=24)


def test_histogram_distance_by_hand() -> None:
    a = np.array([1, 1, 2, 3])
    assert histogram_distance(a, a) == 0
    assert histogram_distance(a, np.array([7])) == 1
    # shares (1/2, 1/4, 1/4) against (0, 1/2, 1/2): the overlap is 1/2
    assert histogram_distance(a, np.array([2, 3])) == 0.5
    assert math.isnan(histogram_distance(a, np.array([], dtype=int)))


def test_offsets_do_not_cross_pieces() -> None:
    pieces = [melody([60, 62, 64]), melody([60, 61])]
    assert attribute(pieces, "offset").tolist() == [24, 24, 24]


def test_histogram_distances() -> None:
    piece = make_piece(0)
    assert histogram_distances([piece], [piece])["distance"] == 0
    figures = histogram_distances([melody([60] * 20)], [piece])
    parts = [figures[f"distance_{a}"] for a in ("pitch", "duration", "offset")]
    assert figures["distance"] == pytest.approx(np.mean(parts))
