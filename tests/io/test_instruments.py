"""Instruments by name or number, for all tracks or for each."""

from __future__ import annotations

import pytest

from gan_music.io.instruments import chosen_programs, played_by, program
from gan_music.music.piece import Piece, Track
from gan_music.system.errors import UserError


def of_tracks(*tracks: Track) -> Piece:
    """A note for each track."""
    n = len(tracks)
    return Piece.from_arrays(
        range(n), [1] * n, [60] * n, grid=24, track=range(n), tracks=tracks, name="sample 1"
    )


@pytest.mark.parametrize(
    ("name", "number"),
    [("73", 73), ("Flute", 73), ("piano", 0), ("honky tonk", 3), ("FRENCH HORN", 60)],
)
def test_names(name: str, number: int) -> None:
    assert program(name) == number


def test_one_for_all_or_one_for_each() -> None:
    assert chosen_programs(None, None) is None
    assert chosen_programs("viola", None) == chosen_programs(41, None) == 41
    assert chosen_programs(None, ["violin", 41, "cello"]) == [40, 41, 42]


@pytest.mark.parametrize(
    ("instrument", "instruments", "words"),
    [
        ("flute", ["violin", "cello"], r"^instrument=flute and instruments=\[violin, cello\] both"),
        (None, [], r"^instruments=\[\] names none: give one for each"),
        (None, ["violin", "vioal"], "^instruments=vioal is no instrument .* are Viola "),
        (None, [128], "^instruments=128 is no program"),
    ],
)
def test_what_is_refused(instrument: str | None, instruments: list | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        chosen_programs(instrument, instruments)


def test_tracks_keep_their_names_and_drums_stay_drums() -> None:
    drums = Track("Kit", 0, is_drum=True)
    piece = of_tracks(Track("Soprano", 52), drums, Track())
    assert played_by(piece, 73).tracks == (Track("Soprano", 73), drums, Track("Flute", 73))
    assert played_by(piece, [40, 0]).tracks == (Track("Soprano", 40), drums, Track("Piano", 0))
    assert played_by(piece, None).tracks == (Track("Soprano", 52), drums, Track("Piano", 0))
    words = r"^instruments=\[Violin, Viola, Cello\] has 3, but sample 1 has 2 tracks with pitches"
    with pytest.raises(UserError, match=words):
        played_by(piece, [40, 41, 42])
