from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gan_music.music.piece import Piece
from gan_music.representations.note_quadruples import NoteQuadruples

LONGEST = 8 * 24  # steps: the longest note or rest


def make_piece() -> Piece:
    # the bar begins half a beat before the first note
    return Piece.from_arrays(
        [12, 12, 36, 300], [24, 6, 8, 12], [69, 81, 57, 60], velocity=[80, 64, 1, 127], grid=24
    )


def test_quadruples_are_length_frequency_intensity_and_time() -> None:
    found = NoteQuadruples(24).encode(make_piece())
    assert found.dtype == np.float32
    expected = [[1, 440, 80, 0.5], [0.25, 880, 64, 0], [1 / 3, 220, 1, 1], [0.5, 261.6256, 127, 8]]
    assert found == pytest.approx(np.array(expected), rel=1e-6)


def test_frequencies_on_the_scale_of_semitones() -> None:
    assert NoteQuadruples(24, hertz=False).encode(make_piece())[:, 1].tolist() == [69, 81, 57, 60]


def test_fitting_gives_mean_0_and_deviation_1() -> None:
    piece = make_piece()
    quadruples = NoteQuadruples(24)
    quadruples.fit([piece])
    found = quadruples.encode(piece)
    assert found.mean(0) == pytest.approx(np.zeros(4), abs=1e-6)
    assert found.std(0) == pytest.approx(np.ones(4), abs=1e-5)


def test_a_column_that_never_varies_is_not_divided_by_0() -> None:
    piece = Piece.from_arrays([0, 24, 48], [24] * 3, [60] * 3, grid=24)
    quadruples = NoteQuadruples(24)
    quadruples.fit([piece])
    assert np.isfinite(quadruples.encode(piece)).all()
    assert quadruples.decode(quadruples.encode(piece)).piece.same_notes(piece)


def test_the_first_notes_time_is_its_position_in_the_beat() -> None:
    piece = Piece.from_arrays([100, 124], [24, 24], [60, 62], grid=24)
    assert NoteQuadruples(24).encode(piece)[:, 3].tolist() == pytest.approx([4 / 24, 1])
    assert NoteQuadruples(24).rows(piece)[:, 4].tolist() == pytest.approx([4 / 24, 4 / 24])


rows = st.lists(
    st.tuples(
        st.integers(0, LONGEST), st.integers(1, LONGEST), st.integers(0, 127), st.integers(1, 127)
    ),
    min_size=1,
    max_size=30,
)


@seed(0)
@settings(max_examples=200, deadline=None)
@given(rows, st.sampled_from([4, 24]), st.booleans())
def test_notes_come_back(rows: list[tuple[int, int, int, int]], grid: int, hertz: bool) -> None:
    time, duration, pitch, velocity = np.array(rows).T
    longest = 8 * grid
    onset = np.cumsum(np.minimum(time, longest)) - min(rows[0][0], longest) + time[0] % grid
    piece = Piece.from_arrays(
        onset, np.minimum(duration, longest), pitch, velocity=velocity, grid=grid
    )
    quadruples = NoteQuadruples(grid, hertz=hertz)
    quadruples.fit([piece])
    again = NoteQuadruples.from_state(quadruples.state()).decode(quadruples.encode(piece))
    assert again.n_clipped == 0
    assert again.piece.notes() == piece.notes()
    assert again.piece.velocity.tolist() == piece.velocity.tolist()


def test_what_midi_cannot_hold_is_clipped_and_counted() -> None:
    nan, inf = float("nan"), float("inf")
    good = [1, 440, 80, 0]
    rows = [
        [-1, 440, 80, 0],
        [inf, 440, 80, 0],
        [1, 0, 80, 0],  # no frequency
        [1, -5, 80, 0],
        [1, 13289.8, 80, 0],  # a semitone above MIDI number 127
        [1, 440, 0.4, 0],
        [1, 440, 128, 0],
        [1, 440, 80, -0.1],
        [8.1, 440, 80, 8.1],  # possible, but longer than any that is learned from: not counted
        [1, nan, 80, 0],
        good,
    ]
    decoded = NoteQuadruples(24).decode(np.array(rows, np.float32))
    assert decoded.n_clipped == 9
    piece = decoded.piece
    assert sorted(piece.pitch.tolist()) == [0, 0, 0, *[69] * 7, 127]
    assert (piece.duration.min(), piece.duration.max()) == (1, 8 * 24)
    assert (piece.velocity.min(), piece.velocity.max()) == (1, 127)
    assert piece.onset.tolist() == [0] * 8 + [8 * 24] * 3


def test_what_rounds_to_a_possible_value_is_not_counted() -> None:
    rows = np.array([[-0.01, 8.0, 0.6, -0.02]], np.float32)  # 8 Hz lies near MIDI number 0
    decoded = NoteQuadruples(24).decode(rows)
    assert decoded.n_clipped == 0
    assert decoded.piece.notes() == [(0, 1, 0)]


@seed(0)
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.floats(width=32), min_size=4, max_size=4), min_size=1, max_size=5),
    st.booleans(),
)
def test_any_numbers_give_a_piece(rows: list[list[float]], hertz: bool) -> None:
    decoded = NoteQuadruples(24, hertz=hertz).decode(np.array(rows, np.float32))
    assert len(decoded.piece) == len(rows)
    assert 0 <= decoded.n_clipped <= 4 * len(rows)
