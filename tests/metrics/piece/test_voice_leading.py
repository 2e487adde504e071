from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gan_music.metrics.piece.voice_leading import pitches, voice_leading
from gan_music.metrics.piece.voice_separation import separate, slices
from gan_music.music.piece import Piece, Track

GRID = 24


def voices(*lines: Sequence[int | None], as_tracks: bool = True) -> Piece:
    """A piece of quarter notes, of one line for each voice; None is a rest."""
    notes = [
        (k * GRID, GRID, pitch, voice)
        for voice, line in enumerate(lines)
        for k, pitch in enumerate(line)
        if pitch is not None
    ]
    onset, duration, pitch, track = np.array(notes).T
    tracks = tuple(Track(str(v)) for v in range(len(lines)))
    if not as_tracks:
        track, tracks = None, (Track(),)
    return Piece.from_arrays(onset, duration, pitch, grid=GRID, track=track, tracks=tracks)


@pytest.mark.parametrize("as_tracks", [True, False])
@pytest.mark.parametrize(
    ("upper", "lower", "rate"),
    [
        ((67, 69, 71), (60, 62, 64), 1.0),  # fifths
        ((72, 74, 74), (60, 62, 60), 0.5),  # octaves, then oblique motion
        ((67, 81), (60, 62), 1.0),  # a fifth to a twelfth
        ((67, 67), (60, 60), np.nan),  # no move
        ((67, 65), (60, 58 + 12), 0.0),  # contrary motion
        ((72, 79), (60, 72), 0.0),  # an octave to a fifth
        ((64, 65), (60, 62), 0.0),  # a third to a third
    ],
)
def test_parallels(
    upper: tuple[int, ...], lower: tuple[int, ...], rate: float, as_tracks: bool
) -> None:
    found = voice_leading(voices(upper, lower, as_tracks=as_tracks))["parallel_rate"]
    assert found == pytest.approx(rate, nan_ok=True)


def test_a_rest_between_two_notes_is_no_move() -> None:
    found = voice_leading(voices((67, None, 69), (60, 61, 62), (50, 50, 50)))
    assert found["parallel_rate"] == 0


def test_leaps_of_the_highest_voice() -> None:
    piece = voices((60, 67, 75, 75), (50, 50, 50, 50))
    assert voice_leading(piece)["top_leap_rate"] == 0.5  # a fifth, and a sixth


def test_crossings_overlaps_and_spacing() -> None:
    crossing = voice_leading(voices((70, 62, 70), (64, 65, 64)))
    assert crossing["crossing_rate"] == pytest.approx(1 / 3)
    # the lower voice moves above where the upper one has been
    overlap = voice_leading(voices((64, 72, 72), (60, 65, 65)))
    assert (overlap["overlap_rate"], overlap["crossing_rate"]) == (1.0, 0.0)
    wide = voice_leading(voices((77, 77), (60, 65), (48, 48)))
    assert wide["wide_spacing_rate"] == 0.5


SEVENTH = (65, 59, 55, 43)  # F B G G: the dominant seventh of C


@pytest.mark.parametrize(
    ("following", "seventh", "leading_note"),
    [
        ((64, 60, 55, 48), 0.0, np.nan),  # F to E
        ((67, 60, 55, 48), 1.0, np.nan),  # F to G
        ((65, 60, 57, 53), np.nan, np.nan),  # to F major: no resolution
        ((64, 60, 57, 45), 0.0, np.nan),  # a deceptive cadence
    ],
)
def test_sevenths_resolve_downwards(
    following: tuple[int, ...], seventh: float, leading_note: float
) -> None:
    found = voice_leading(voices(*zip(SEVENTH, following, strict=True)))
    assert found["unresolved_seventh_rate"] == pytest.approx(seventh, nan_ok=True)
    assert found["unresolved_leading_note_rate"] == pytest.approx(leading_note, nan_ok=True)


@pytest.mark.parametrize(("to", "rate"), [(72, 0.0), (67, 1.0), (71, 0.0)])
def test_a_leading_note_on_top_rises(to: int, rate: float) -> None:
    chords = zip((71, 65, 62, 55), (to, 64, 60, 48), strict=True)
    assert voice_leading(voices(*chords))["unresolved_leading_note_rate"] == rate


def test_one_voice_has_no_voice_leading() -> None:
    assert all(np.isnan(v) for k, v in voice_leading(voices((60, 62, 64))).items())
    assert not len(pitches(Piece.from_arrays([], [], [], grid=GRID)))


def test_voices_of_a_stream_are_separated_and_do_not_cross() -> None:
    lines = ((72, 74, 76, 77), (67, 65, 65, 64), (60, None, None, 55), (48, 43, 45, 47))
    piece = voices(*lines, as_tracks=False)
    found = slices(piece).note
    pitch = np.where(found >= 0, piece.pitch[found], 0)
    assert pitch.T.tolist() == [[p or 0 for p in line] for line in lines]


def test_a_long_note_stays_in_its_voice() -> None:
    # a bass note under two chords of three, then one of two
    piece = Piece.from_arrays(
        [0, 0, 0, 24, 24, 48], [72, 24, 24, 24, 24, 24], [48, 60, 64, 62, 65, 67], grid=GRID
    )
    voice = separate(piece)
    assert voice[piece.pitch == 48].tolist() == [2]
    assert voice[piece.pitch == 67].tolist() == [0]
