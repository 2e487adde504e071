from __future__ import annotations

import numpy as np
import pytest

from gan_music.music.piece import Piece, Track
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.tracks import track_ids, tracks_from, usual_number, velocity_varies

RIGHT, LEFT = Track("right"), Track("left")


def piece(*pitches: int, **columns: list[int]) -> Piece:
    """Quarter notes one after another, each of a track of its own."""
    n = len(pitches)
    return Piece.from_arrays(
        np.arange(n) * 24, [24] * n, pitches, grid=24,
        track=np.arange(n), tracks=[Track(f"t{i}") for i in range(n)], **columns,
    )  # fmt: skip


def test_tracks_keep_their_order() -> None:
    assert track_ids(piece(48, 72), 2).tolist() == [0, 1]
    assert track_ids(piece(48, 72), 4).tolist() == [0, 1]


def test_further_tracks_join_the_nearest_in_pitch() -> None:
    # two high tracks, one in the middle, two low ones
    assert track_ids(piece(84, 40, 80, 60, 43), 3).tolist() == [0, 2, 0, 1, 2]
    assert track_ids(piece(84, 40, 80, 60, 43), 1).tolist() == [0] * 5
    assert track_ids(piece(84, 40, 80, 60, 43), 2).tolist() == [0, 1, 0, 1, 1]


def test_numbers_and_velocities_of_most_pieces() -> None:
    hands, band = piece(60, 48), piece(*range(40, 52))
    assert usual_number([hands, hands, band]) == 2
    assert usual_number([band]) == 8
    assert usual_number([]) == 1
    loud = piece(60, 48, velocity=[100, 40])
    assert velocity_varies([loud, loud, hands])
    assert not velocity_varies([loud, hands, hands])


def test_tracks_of_a_state() -> None:
    assert tracks_from(None, 2) == (Track(), Track())
    assert tracks_from([["a", 3]], 1) == (Track("a", 3),)
    for wrong in ([["a", 128]], [["a", True]], [[3, 0]], [["a" * 101, 0]], [["a", 0]] * 2):
        with pytest.raises(ValueError, match="track"):
            tracks_from(wrong, 1)


def hands() -> Piece:
    return Piece.from_arrays(
        [0, 0, 24, 48], [24, 48, 24, 24], [72, 48, 74, 76], grid=24,
        velocity=[90, 40, 90, 90], track=[0, 1, 0, 0], tracks=[RIGHT, LEFT],
    )  # fmt: skip


def test_note_events_with_a_track_and_an_end() -> None:
    events = NoteEvents(24, velocity=None, n_tracks=None, ends=True)
    events.fit([hands()])
    assert events.names == ("offset", "pitch", "duration", "velocity", "track")
    assert events.sizes == (45, 89, 29, 32, 2)
    ids = events.encode(hands())
    assert ids[:, 1].tolist() == [27, 51, 53, 55, 88]
    assert ids[:, 4].tolist() == [1, 0, 0, 0, 0]
    assert events.offset_bins[ids[:, 0]].tolist() == [0, 0, 24, 24, 24]
    assert ids[:, 5].tolist() == [0, 0, 24, 48, 72]
    decoded = events.decode(ids).piece
    assert decoded.notes() == hands().notes()
    assert decoded.track.tolist() == hands().track.tolist()
    assert decoded.tracks == (RIGHT, LEFT)
    assert decoded.ends
    assert not events.decode(ids[:-1]).piece.ends
    assert len(events.encode(hands().cut(0, 3))) == 3
    assert events.n_rows([hands()]).tolist() == [5]
    again = NoteEvents.from_state(events.state())
    assert again.state() == events.state()


def test_settings_that_are_given_are_kept() -> None:
    events = NoteEvents(24, velocity=False, n_tracks=1)
    events.fit([hands()])
    assert events.names == ("offset", "pitch", "duration")
    assert events.decode(events.encode(hands())).piece.tracks == (Track(),)
    # what they leave to the music, a checkpoint has decided
    state = NoteEvents(24, n_tracks=3, velocity=True).state()
    events = NoteEvents(24, velocity=None, n_tracks=None)
    events.resolved(state).fit([hands()])
    assert events.sizes == (45, 88, 29, 32, 3)
    with pytest.raises(ValueError, match="n_tracks 9"):
        NoteEvents(24, n_tracks=9)
