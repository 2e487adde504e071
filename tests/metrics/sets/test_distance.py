"""The distance that selects the best checkpoint: range, order, undefined components."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gan_music.metrics.piece.histograms import histogram_distances
from gan_music.metrics.sets.distance import distance
from gan_music.music.piece import Piece, windows
from tests.metrics.music import with_pitches_shuffled


@pytest.fixture(scope="module")
def halves(chorales: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Windows of one half of the chorales, and of the other."""
    half = len(chorales) // 2
    return windows(chorales[:half], 32, 60), windows(chorales[half:], 32, 60)


def test_it_is_1_minus_the_mean_of_its_components(halves: tuple[list[Piece], list[Piece]]) -> None:
    ours, theirs = halves
    figures = distance(ours, theirs)
    parts = [figures[k] for k in ("histogram_overlap", "oa_mean", "precision", "coverage")]
    assert figures["distance"] == pytest.approx(1 - np.mean(parts))
    assert figures["histogram_overlap"] == pytest.approx(
        1 - histogram_distances(ours, theirs)["distance"]
    )


def test_order_of_equal_real_and_corrupted_windows(halves: tuple[list[Piece], list[Piece]]) -> None:
    ours, theirs = halves
    one_note = [Piece.from_arrays(np.arange(32) * 6, [6] * 32, [60] * 32, grid=24)] * 60
    found = [
        distance(candidate, theirs)["distance"]
        for candidate in (
            theirs,
            ours,
            [with_pitches_shuffled(w, 0.25, i) for i, w in enumerate(ours)],
            [with_pitches_shuffled(w, 1.0, i) for i, w in enumerate(ours)],
            one_note,
        )
    ]
    assert found == sorted(found)
    assert found[0] < 0.05
    assert found[-1] > 0.7


def test_short_windows_have_histograms_alone() -> None:
    short = [Piece.from_arrays([0, 6, 12], [6] * 3, [60, 62, 64], grid=24)]
    figures = distance(short, short)
    assert figures == {"distance": 0.0, "histogram_overlap": 1.0}
    assert math.isnan(distance([], short)["distance"])
