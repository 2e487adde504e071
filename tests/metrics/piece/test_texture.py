from __future__ import annotations

import numpy as np
import pytest

from gan_music.metrics.piece.texture import texture
from gan_music.music.piece import Piece

GRID = 24


def piece(onset: list[int], duration: list[int], pitch: list[int]) -> Piece:
    return Piece.from_arrays(onset, duration, pitch, grid=GRID)


def test_the_number_of_notes_at_once() -> None:
    # a note for a beat, three for a beat, a rest, two for two beats
    found = texture(
        piece([0, 24, 24, 24, 72, 72], [24, 24, 24, 24, 48, 48], [60, 60, 64, 67, 60, 64])
    )
    assert found["notes_at_once_deviation"] == pytest.approx(np.std([1, 3, 2, 2]))
    assert found["many_notes_rate"] == 0
    cluster = texture(piece([0] * 7 + [24], [24] * 8, [*range(60, 67), 60]))
    assert cluster["many_notes_rate"] == 0.5


def test_rhythms_of_successive_beats() -> None:
    halves = [0, 12]
    same = piece([24 * k + o for k in range(4) for o in halves], [12] * 8, [60] * 8)
    found = texture(same)
    assert (found["texture_change_rate"], found["pattern_run_length"]) == (0, 4)
    # eighth notes, eighth notes, quarter note, quarter note, nothing
    other = piece([0, 12, 24, 36, 48, 72, 120], [12] * 7, [60] * 7)
    found = texture(other)
    # the same; one of two; the same; one of one; one of one
    assert found["texture_change_rate"] == pytest.approx((0 + 0.5 + 0 + 1 + 1) / 5)
    assert found["pattern_run_length"] == 6 / 4


def test_nothing_has_no_texture() -> None:
    assert all(np.isnan(v) for v in texture(piece([], [], [])).values())
