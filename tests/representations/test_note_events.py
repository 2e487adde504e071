from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.music.piece import Piece
from gan_music.representations.meters import METERS, meter_id
from gan_music.representations.note_events import NoteEvents, nearest

events = NoteEvents(24)


def test_ids_of_a_piece_that_begins_after_a_beat() -> None:
    # an eighth note into the third beat: C4 and E4, a quarter note later A0
    piece = Piece.from_arrays([60, 60, 84], [12, 24, 48], [60, 64, 21], grid=24)
    ids = events.encode(piece)
    assert events.offset_bins[ids[:, 0]].tolist() == [12, 0, 24]
    assert ids[:, 1].tolist() == [39, 43, 0]
    assert events.duration_bins[ids[:, 2]].tolist() == [12, 24, 48]
    assert ids[:, 3].tolist() == [60, 60, 84]
    assert {METERS[m] for m in ids[:, 4]} == {(4, 4)}
    assert events.decode(ids).piece.notes() == piece.notes()


def test_positions_and_meters_follow_the_bars() -> None:
    # a pickup of a quarter before 3/4, then 6/8, then a meter that the table lacks
    meters = [(-48, 3, 4), (96, 6, 8), (168, 10, 8), (288, 4, 4)]
    piece = Piece.from_arrays(
        [0, 24, 60, 96, 150, 168, 264, 288], [1] * 8, [60] * 8, grid=24, meters=meters
    )
    ids = events.encode(piece)
    assert ids[:, 3].tolist() == [48, 0, 36, 0, 54, 0, 96, 0]
    names = [METERS[m] for m in ids[:, 4]]
    assert names == [(3, 4)] * 3 + [(6, 8)] * 2 + [(5, 4)] * 2 + [(4, 4)]
    decoded = events.decode(ids).piece
    assert decoded.onset.tolist() == (piece.onset + 48).tolist()
    assert decoded.meters.tolist() == [[0, 3, 4], [144, 6, 8], [216, 5, 4], [336, 4, 4]]
    assert [x.tolist() for x in decoded.bars()] == [x.tolist() for x in piece.bars()]


@pytest.mark.parametrize(
    ("meter", "nearest_one"),
    [((6, 8), (6, 8)), ((7, 16), (2, 4)), ((11, 8), (6, 4)), ((8, 4), (4, 2))],
)
def test_a_meter_that_the_table_lacks_counts_as_its_nearest(
    meter: tuple[int, int], nearest_one: tuple[int, int]
) -> None:
    assert METERS[meter_id(*meter)] == nearest_one


def test_velocity_is_an_optional_category() -> None:
    piece = Piece.from_arrays([0, 24, 48], [6] * 3, [60] * 3, velocity=[1, 64, 127], grid=24)
    loud = NoteEvents(24, velocity=True)
    assert loud.names == ("offset", "pitch", "duration", "velocity")
    assert loud.sizes == (*events.sizes, 32)
    assert loud.encode(piece)[:, 3].tolist() == [0, 16, 31]
    assert loud.decode(loud.encode(piece)).piece.velocity.tolist() == [2, 66, 126]
    assert events.decode(events.encode(piece)).piece.velocity.tolist() == [80] * 3


def test_starts_are_those_of_the_pieces() -> None:
    fitted = NoteEvents(24)
    waltz = Piece.from_arrays([12], [1], [60], grid=24, meters=[(-48, 3, 4)])
    march = Piece.from_arrays([30], [1], [60], grid=24)
    fitted.fit([waltz, march, waltz])
    # an eighth note into the third beat of 3/4, and within the second of 4/4
    assert sorted(map(tuple, fitted.starts.tolist())) == sorted(
        [(meter_id(3, 4), 48, 2), (meter_id(4, 4), 24, 1)]
    )
    assert NoteEvents.from_state(fitted.state()).starts.tolist() == fitted.starts.tolist()


def test_sizes_and_bins_of_the_table() -> None:
    assert events.sizes == (45, 88, 29)
    assert events.offset_bins[:25].tolist() == list(range(25))
    assert events.offset_bins[-1] == 192
    assert events.duration_bins[0] == 1
    assert NoteEvents(4).offset_bins.tolist() == [*range(13), 14, 16, 18, 20, 24, 32]


def test_pitches_off_the_keyboard_move_in_by_octaves() -> None:
    piece = Piece.from_arrays([0] * 5, [24] * 5, [0, 20, 21, 108, 127], grid=24)
    assert (events.encode(piece)[:, 1] + 21).tolist() == [24, 32, 21, 108, 103]


def test_an_error_of_rounding_does_not_add_up() -> None:
    # 26 lies between bins; the next offset makes up for it
    piece = Piece.from_arrays(np.arange(50) * 26, [12] * 50, [60] * 50, grid=24)
    decoded = events.decode(events.encode(piece)).piece
    assert np.abs(decoded.onset - piece.onset).max() <= 2


def test_a_long_rest_is_shortened_once_and_for_all() -> None:
    piece = Piece.from_arrays([0, 1000, 1024], [12] * 3, [60] * 3, grid=24)
    assert events.decode(events.encode(piece)).piece.onset.tolist() == [0, 192, 216]


def test_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="grid of 12"):
        events.encode(Piece.from_arrays([0], [1], [60], grid=12))


def test_where_a_sequence_may_begin_its_first_offset_is_the_position_in_the_beat() -> None:
    ids = events.encode(Piece.from_arrays([0, 12, 24, 31], [6] * 4, [60] * 4, grid=24))
    assert events.offset_bins[events.first_offsets(ids)].tolist() == [0, 12, 0, 7]


def test_nearest_takes_the_lower_of_two() -> None:
    bins = np.array([1, 2, 4, 8])
    assert nearest(bins, np.array([1, 3, 5, 6, 7, 99])).tolist() == [0, 1, 2, 2, 3, 3]
    assert nearest(bins, np.array([3, 6]), by_ratio=True).tolist() == [2, 3]


notes = st.lists(
    st.tuples(
        st.integers(0, 24), st.sampled_from(events.duration_bins.tolist()), st.integers(21, 108)
    ),
    min_size=1,
    max_size=60,
)


@given(notes)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_the_table_holds_comes_back_exactly(notes: list) -> None:
    offset, duration, pitch = zip(*notes, strict=True)
    piece = Piece.from_arrays(np.cumsum(offset), duration, pitch, grid=24)
    decoded = events.decode(events.encode(piece)).piece
    # the piece begins with the first bar that has a note
    bar = piece.onset[0] // 96 * 96
    assert [(o + bar, d, p) for o, d, p in decoded.notes()] == piece.notes()


@pytest.mark.parametrize("name", ["offset_bins", "duration_bins"])
def test_a_table_of_times_from_a_file_ends_at_eight_quarter_notes(name: str) -> None:
    state = NoteEvents(24).state()
    assert state[name][-1] == 192
    NoteEvents.from_state(state)
    for last in (193, 2**24 - 1, 2**31):
        state[name][-1] = last
        with pytest.raises(ValueError, match="to 8 quarter notes"):
            NoteEvents.from_state(state)
