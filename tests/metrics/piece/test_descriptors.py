from __future__ import annotations

import numpy as np
import pytest

from gan_music.metrics.excerpts import stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.music.piece import Piece
from tests.conftest import make_piece
from tests.metrics.music import noise, transposed


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
