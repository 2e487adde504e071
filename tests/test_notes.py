import numpy as np
import pytest

from gan_music.notes import Piece, windows


def test_notes_are_sorted_by_onset_pitch_and_duration() -> None:
    piece = Piece.from_arrays([24, 0, 0, 0], [1, 9, 5, 3], [60, 64, 60, 64], grid=24)
    assert piece.notes() == [(0, 5, 60), (0, 3, 64), (0, 9, 64), (24, 1, 60)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([-1], [1], [60]), "onset -1"),
        (([0], [0], [60]), "duration 0"),
        (([0], [1], [128]), "pitch 128"),
        (([0, 1], [1], [60]), "shapes"),
    ],
)
def test_a_value_out_of_bounds_is_named(arrays: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Piece.from_arrays(*arrays, grid=24, name="x")


def test_edges_of_the_bounds_are_inside() -> None:
    piece = Piece.from_arrays([0, 0], [1, 1], [0, 127], velocity=[1, 127], grid=1)
    assert piece.pitch.tolist() == [0, 127]


def test_same_notes_looks_at_notes_and_grid() -> None:
    a = Piece.from_arrays([0], [1], [60], grid=24, name="a")
    assert a.same_notes(Piece.from_arrays([0], [1], [60], grid=24, name="b"))
    assert not a.same_notes(Piece.from_arrays([0], [1], [60], grid=12))
    assert not a.same_notes(Piece.from_arrays([0], [2], [60], grid=24))


def test_windows_do_not_overlap_and_are_spread_over_all_pieces() -> None:
    long = Piece.from_arrays(np.arange(10), np.ones(10), np.arange(10), grid=24)
    short = Piece.from_arrays(np.arange(3), np.ones(3), np.arange(50, 53), grid=24)
    assert [w.pitch.tolist() for w in windows([long, short], 4, 99)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [w.pitch.tolist() for w in windows([long, short], 3, 2)] == [[0, 1, 2], [50, 51, 52]]
    assert windows([short], 4, 5) == []
