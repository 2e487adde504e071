from __future__ import annotations

from pathlib import Path

from matplotlib.image import imread

from gan_music.io.picture import draw_piano_rolls
from gan_music.notes import Piece
from tests.conftest import make_piece


def test_a_picture_shows_notes_where_they_are(tmp_path: Path) -> None:
    few = Piece.from_arrays([0], [24 * 32], [60], grid=24)
    draw_piano_rolls([("one note", few), ("a piece", make_piece(0))], tmp_path / "a.png")
    picture = imread(tmp_path / "a.png")
    ink = (picture[..., 2] > picture[..., 0] + 0.2).sum(1)  # blue pixels in each row
    assert ink[: len(ink) // 2].max() > 0.85 * picture.shape[1]  # the note is as long as the roll
    assert ink[len(ink) // 2 :].sum() > 500
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
