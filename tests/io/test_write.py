from __future__ import annotations

import tempfile
from pathlib import Path

import mido
import muspy
import numpy as np
import pytest
import symusic
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from music21 import converter

from gan_music.io.instruments import played_by
from gan_music.io.midi_writer import overlap_levels
from gan_music.io.read import read
from gan_music.io.write import COMPOSER, write_midi, write_piece
from gan_music.music.bars import from_its_opening
from gan_music.music.piece import Piece, Track
from tests.conftest import make_piece

note = st.tuples(st.integers(0, 200), st.integers(1, 100), st.integers(0, 127), st.integers(1, 127))


@given(
    notes=st.lists(note, min_size=1, max_size=40),
    crowded=st.booleans(),
    grid=st.sampled_from([1, 4, 12, 24, 7]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_written_midi_reads_back(notes: list, crowded: bool, grid: int) -> None:
    onset, duration, pitch, velocity = zip(*notes, strict=True)
    if crowded:  # many overlapping notes of one pitch
        pitch = tuple(60 + p % 2 for p in pitch)
    piece = Piece.from_arrays(onset, duration, pitch, velocity=velocity, grid=grid, tempo=90)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mid"
        write_midi(piece, path)
        (again,) = read(path, grid=grid)
        assert again.notes() == piece.notes()
        assert again.tempo == pytest.approx(90, rel=1e-5)
        assert [p.name for p in Path(folder).iterdir()] == ["a.mid"]


@given(
    notes=st.lists(st.tuples(note, st.integers(0, 3)), min_size=1, max_size=40),
    crowded=st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_tracks_read_back(notes: list, crowded: bool) -> None:
    piece = in_four_tracks(notes, crowded=crowded)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mid"
        write_midi(piece, path)
        (again,) = read(path)
        assert len(mido.MidiFile(path).tracks) == 1 + len(piece.tracks)
    pitched, drums = again.pitched(), len(again) - len(again.pitched())
    assert pitched.tracks == piece.pitched().tracks
    assert pitched.notes() == piece.pitched().notes()
    assert pitched.track.tolist() == piece.pitched().track.tolist()
    assert drums == len(piece) - len(piece.pitched())


def in_four_tracks(notes: list, *, crowded: bool) -> Piece:
    """At most 15 notes of one pitch overlap in a track."""
    rows, numbers = zip(*notes, strict=True)
    onset, duration, pitch, velocity = zip(*rows, strict=True)
    if crowded:
        pitch = tuple(60 + i % 3 for i in range(len(pitch)))
    tracks = [Track("Hand", 0), Track("Hand", 0), Track("", 40), Track("Drums", 0, is_drum=True)]
    used = sorted(set(numbers))
    return Piece.from_arrays(
        *(onset, duration, pitch),
        velocity=velocity,
        grid=24,
        track=[used.index(n) for n in numbers],
        tracks=[tracks[n] for n in used],
    )


def test_a_written_file_has_a_title_a_key_and_one_track_for_an_instrument(tmp_path: Path) -> None:
    chords = [62, 66, 69, 61, 64, 69, 62, 66, 69]  # D major
    piece = Piece.from_arrays(
        np.repeat([0, 24, 48], 3),
        [48] * 9,
        chords,
        grid=24,
        name="sample 1",
        tracks=[Track("Piano")],
    )
    write_midi(piece, tmp_path / "a.mid", composer="gan_music")
    head, notes = mido.MidiFile(tmp_path / "a.mid").tracks
    assert (head.name, notes.name) == ("sample 1", "Piano")
    assert [m.key for m in head if m.type == "key_signature"] == ["D"]
    assert [m.text for m in head if m.type == "text"] == ["Composer: gan_music"]
    on = [m for m in notes if m.type == "note_on"]
    assert len({m.channel for m in on}) == 2  # F sharp and A are held over


def test_meters_read_back_and_a_pickup_is_a_short_bar(tmp_path: Path) -> None:
    meters = [(-72, 4, 4), (120, 6, 8)]
    piece = Piece.from_arrays([0, 24, 120], [1] * 3, [60] * 3, grid=24, meters=meters)
    write_midi(piece, tmp_path / "a.mid")
    (again,) = read(tmp_path / "a.mid")
    assert again.meters.tolist() == [[-72, 4, 4], [120, 6, 8]]
    assert again.bars()[0].tolist() == piece.bars()[0].tolist() == [0, 1, 2]


METERS = [(2, 4), (3, 4), (4, 4), (5, 4), (2, 2), (3, 2), (6, 8), (7, 8), (9, 8), (12, 8), (3, 16)]


@given(
    notes=st.lists(note, min_size=1, max_size=20),
    meter=st.sampled_from(METERS),
    change=st.none() | st.tuples(st.integers(1, 4), st.sampled_from(METERS)),
    grid=st.sampled_from([8, 12, 24, 480]),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_every_note_stays_where_it_is_in_its_bar(
    notes: list, meter: tuple[int, int], change: tuple | None, grid: int
) -> None:
    onset, duration, pitch, _ = zip(*notes, strict=True)
    bar = 4 * grid * meter[0] // meter[1]
    meters = [(0, *meter)] + ([] if change is None else [(change[0] * bar, *change[1])])
    whole = Piece.from_arrays(onset, duration, pitch, grid=grid, meters=meters)
    piece = from_its_opening(whole)
    # a first bar alone in a shorter meter is read as a pickup
    length = 4 * grid * piece.meters[0, 1] // piece.meters[0, 2]
    assume(len(piece.meters) == 1 or piece.meters[1, 0] > length)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mid"
        write_midi(piece, path)
        (again,) = read(path, grid=grid)
        (slow,) = read(path, grid=grid, reader="music21")
    assert again.notes() == piece.notes()
    assert again.bars()[1].tolist() == piece.bars()[1].tolist() == whole.bars()[1].tolist()
    assert again.bars()[0].tolist() == piece.bars()[0].tolist()
    assert slow.meters.tolist() == again.meters.tolist()


@pytest.mark.parametrize(
    ("onset", "meter", "written"),
    [
        (72, (4, 4), [(0, 1, 4), (480, 4, 4)]),
        (48, (3, 4), [(0, 1, 4), (480, 3, 4)]),
        (24, (3, 4), [(0, 2, 4), (960, 3, 4)]),
        (60, (6, 8), [(0, 1, 8), (240, 6, 8)]),
        (84, (4, 4), [(0, 1, 8), (240, 4, 4)]),
        (88, (4, 4), [(0, 1, 4), (480, 4, 4)]),  # the third note of a triplet
        (120, (4, 4), [(0, 3, 4), (1440, 4, 4)]),  # after a bar of rest
        (96, (4, 4), [(0, 4, 4)]),
    ],
)
def test_a_pickup_has_no_rests_before_it(
    onset: int, meter: tuple[int, int], written: list, tmp_path: Path
) -> None:
    notes = np.arange(onset, onset + 400, 24)
    notes[1:] -= onset % 24
    piece = Piece.from_arrays(notes, np.full(len(notes), 8), np.full(len(notes), 60), grid=24,
                              meters=[(0, *meter)])  # fmt: skip
    write_midi(from_its_opening(piece), tmp_path / "a.mid")
    found = symusic.Score(tmp_path / "a.mid")
    assert [(m.time, m.numerator, m.denominator) for m in found.time_signatures] == written
    assert found.tracks[0].notes[0].time == (320 if onset == 88 else 0)
    # music21's own measures have the same bars
    measures = converter.parse(tmp_path / "a.mid").parts[0].getElementsByClass("Measure")
    ends = [round(m.offset * 480) for m in measures]
    assert ends[1] == (written[1][0] if len(written) > 1 else 1920)


@pytest.mark.parametrize("suffix", ["mid", "musicxml"])
def test_music_that_is_not_sampled_has_no_composer(suffix: str, tmp_path: Path) -> None:
    write_piece(make_piece(0, 8), tmp_path / f"a.{suffix}")
    assert b"gan_music" not in (tmp_path / f"a.{suffix}").read_bytes()
    write_piece(make_piece(0, 8), tmp_path / f"a.{suffix}", composer=COMPOSER)
    assert b"gan_music" in (tmp_path / f"a.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["mid", "musicxml"])
def test_a_quartet_of_which_two_play_the_same_instrument(suffix: str, tmp_path: Path) -> None:
    piece = Piece.from_arrays(
        np.repeat([72, 96, 120], 4), [24] * 12, [72, 67, 64, 48] * 3, grid=24,
        track=[0, 1, 2, 3] * 3, tracks=[Track()] * 4,
    )  # fmt: skip
    piece = played_by(from_its_opening(piece), [40, 40, 41, 42])
    write_piece(piece, tmp_path / f"a.{suffix}")
    (again,) = read(tmp_path / f"a.{suffix}")
    found = [(t.name, t.program) for t in again.tracks]
    assert found == [("Violin", 40), ("Violin", 40), ("Viola", 41), ("Cello", 42)]
    assert again.notes() == piece.notes()
    assert again.track.tolist() == piece.track.tolist()
    assert again.meters.tolist() == [[-72, 4, 4]]


def test_muspy_reads_the_same_notes(tmp_path: Path) -> None:
    piece = make_piece(3)
    write_midi(piece, tmp_path / "a.mid")
    other = muspy.read_midi(tmp_path / "a.mid")
    step = other.resolution // 24
    found = [(n.time // step, n.duration // step, n.pitch) for t in other.tracks for n in t.notes]
    assert sorted(found) == sorted(piece.notes())
    assert other.tempos[0].qpm == pytest.approx(piece.tempo)


def test_overlapping_notes_of_one_pitch_have_levels() -> None:
    piece = Piece.from_arrays([0, 0, 1, 4], [4, 2, 1, 4], [60, 60, 60, 60], grid=24)
    assert piece.notes() == [(0, 2, 60), (0, 4, 60), (1, 1, 60), (4, 4, 60)]
    assert overlap_levels(piece).tolist() == [0, 1, 2, 0]
