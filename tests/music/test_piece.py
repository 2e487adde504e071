import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.music.piece import Piece, windows


def test_notes_are_sorted_by_onset_pitch_and_duration() -> None:
    piece = Piece.from_arrays([24, 0, 0, 0], [1, 9, 5, 3], [60, 64, 60, 64], grid=24)
    assert piece.notes() == [(0, 5, 60), (0, 3, 64), (0, 9, 64), (24, 1, 60)]


@given(st.lists(st.tuples(*[st.integers(1, 3)] * 3), max_size=8))
@settings(derandomize=True)
def test_any_order_of_notes_gives_the_same_piece(notes: list[tuple[int, int, int]]) -> None:
    columns = zip(*notes, strict=True) if notes else ([], [], [])
    expected = sorted(notes, key=lambda n: (n[0], n[2], n[1]))
    assert Piece.from_arrays(*map(list, columns), grid=24).notes() == expected


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


def test_bars_follow_the_meters_through_a_pickup_and_a_change() -> None:
    # a pickup of one quarter before 3/4, then 6/8 after two whole bars
    piece = Piece.from_arrays(
        [0, 24, 48, 96, 167, 168, 204, 240],
        [1] * 8,
        [60] * 8,
        grid=24,
        meters=[(-48, 3, 4), (168, 6, 8)],
    )
    number, position = piece.bars()
    assert number.tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    assert position.tolist() == [48, 0, 24, 0, 71, 0, 36, 0]


def test_a_bar_that_is_cut_short_counts_as_a_bar() -> None:
    piece = Piece.from_arrays(
        [0, 95, 100, 196], [1] * 4, [60] * 4, grid=24, meters=[(0, 4, 4), (100, 4, 4)]
    )
    assert [x.tolist() for x in piece.bars()] == [[0, 0, 2, 3], [0, 95, 0, 0]]


def test_bars_of_no_whole_number_of_steps_do_not_drift() -> None:
    # 3/16 on a grid of 2: a bar is one step and a half
    piece = Piece.from_arrays(range(7), [1] * 7, [60] * 7, grid=2, meters=[(0, 3, 16)])
    assert piece.bars()[0].tolist() == [0, 0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    "meters", [[], [(1, 4, 4)], [(0, 4, 4), (0, 3, 4)], [(0, 0, 4)], [(0, 4, 0)], [(0, 4)]]
)
def test_impossible_meters_are_refused(meters: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="meters"):
        Piece.from_arrays([0], [1], [60], grid=24, meters=meters)


def test_the_first_seconds_end_when_they_are_over() -> None:
    # at 120 a minute, two seconds are four quarters of 24 steps, from step 48 on
    piece = Piece.from_arrays([48, 96, 143, 144], [24, 96, 24, 24], [60, 62, 64, 65], grid=24)
    assert piece.first_seconds(2).notes() == [(48, 24, 60), (96, 48, 62), (143, 1, 64)]
    assert len(piece.cut(0, 0).first_seconds(2)) == 0


def test_until_a_step() -> None:
    piece = Piece.from_arrays([0, 0, 12, 24], [6, 30, 24, 6], [60, 64, 62, 65], grid=24)
    assert piece.until(24).notes() == [(0, 6, 60), (0, 24, 64), (12, 12, 62)]
    assert piece.until(0).notes() == []
