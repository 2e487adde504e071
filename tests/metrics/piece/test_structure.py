from __future__ import annotations

import math

import numpy as np

from gan_music.metrics.piece.structure import bar_self_similarity, repetition_rate_in_windows
from tests.metrics.music import piece


def test_bar_self_similarity_by_hand() -> None:
    # bars of {C, D}, {C, E}, {C, D}: successive bars share one of two notes
    p = piece(*[(96 * b + 24 * i, 24, k) for b, bar in enumerate(((60, 62), (60, 64), (60, 62)))
                for i, k in enumerate(bar)])  # fmt: skip
    assert bar_self_similarity(p, 1) == 0.5
    assert bar_self_similarity(p, 2) == 1
    assert math.isnan(bar_self_similarity(p, 4))


def test_repetition_rate_in_windows_by_hand() -> None:
    assert (
        repetition_rate_in_windows(np.array([1, 2, 1, 2, 3, 3, 3, 4, 9]), 4) == 0.5
    )  # two of four, in both windows
    assert math.isnan(repetition_rate_in_windows(np.array([1, 2]), 4))
