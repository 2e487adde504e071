from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv
from matplotlib.image import imread

from gan_music.io.rendering.piano_roll import draw_piano_rolls, draw_piece
from gan_music.music.piece import Piece
from tests.conftest import make_piece


def is_ink(picture: np.ndarray) -> np.ndarray:
    """Mask of the colour of notes, ``[height, width]``."""
    return picture[..., 2] > picture[..., 0] + 0.2


def n_hues(picture: np.ndarray) -> int:
    """The number of hues in steps of ten degrees."""
    hue, saturation, _ = np.moveaxis(rgb_to_hsv(picture[..., :3]), -1, 0)
    counts = np.bincount((hue[saturation > 0.3] * 36).astype(int))
    return int((counts > 20).sum())


def test_a_picture_shows_notes_where_they_are(tmp_path: Path) -> None:
    few = Piece.from_arrays([0], [24 * 32], [60], grid=24)
    draw_piano_rolls([("one note", few), ("a piece", make_piece(0))], tmp_path / "a.png")
    picture = imread(tmp_path / "a.png")
    ink = is_ink(picture).sum(1)  # in each row
    assert ink[: len(ink) // 2].max() > 0.85 * picture.shape[1]  # the note is as long as the roll
    assert ink[len(ink) // 2 :].sum() > 500
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_onsets_and_pitches_have_one_scale_in_all_rolls(tmp_path: Path) -> None:
    high = Piece.from_arrays([0, 24 * 16], [24, 24], [84, 48], grid=24)
    low = Piece.from_arrays([24 * 8, 24 * 24], [24, 24], [48, 84], grid=24, meters=[(0, 3, 4)])
    draw_piano_rolls([("a", high), ("b", low)], tmp_path / "a.png")
    ink = is_ink(imread(tmp_path / "a.png"))
    upper, lower = ink[: len(ink) // 2], ink[len(ink) // 2 :]

    def at(half: np.ndarray, left: bool) -> tuple[float, float]:
        """Row and column of the note on the left or the right."""
        rows, columns = np.nonzero(half)
        chosen = (2 * columns < columns.min() + columns.max()) == left
        return float(rows[chosen].mean()), float(columns[chosen].mean())

    (y_high, x_0), (y_low, x_16) = at(upper, True), at(upper, False)
    assert y_high < y_low
    (y_low_2, x_6), (y_high_2, x_22) = at(lower, True), at(lower, False)
    assert y_low_2 - y_high_2 == pytest.approx(y_low - y_high, abs=4)
    # drawn from the bar of the first note, which in 3/4 begins at 6 quarter notes
    assert x_22 - x_6 == pytest.approx(x_16 - x_0, abs=4)
    assert x_6 - x_0 == pytest.approx((x_16 - x_0) * 2 / 16, abs=4)


def test_colours_show_velocities_that_differ(tmp_path: Path) -> None:
    piece = make_piece(0)
    velocity = np.linspace(20, 120, len(piece)).astype(int)
    loud = Piece.from_arrays(piece.onset, piece.duration, piece.pitch, grid=24, velocity=velocity)
    draw_piece(piece, tmp_path / "a.png")
    draw_piece(loud, tmp_path / "b.png")
    assert n_hues(imread(tmp_path / "a.png")) <= 2
    assert n_hues(imread(tmp_path / "b.png")) > 8


def test_a_whole_piece_is_drawn_in_rows(tmp_path: Path) -> None:
    heights = []
    for n_bars in (8, 16, 24, 4000):
        onset = 96 * np.arange(n_bars)
        draw_piece(
            Piece.from_arrays(onset, [96] * n_bars, [60] * n_bars, grid=24), tmp_path / "a.png"
        )
        heights.append(imread(tmp_path / "a.png").shape[0])
    assert heights[2] - heights[1] == heights[1] - heights[0] > 50
    assert heights[3] < 45 * heights[0]
    draw_piece(Piece.from_arrays([], [], [], grid=24), tmp_path / "a.png")
