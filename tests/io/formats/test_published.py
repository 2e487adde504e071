from __future__ import annotations

from pathlib import Path

import pytest

from gan_music.io.read import ReadError, read
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
from tests.io import scores


def write(path: Path, notes: list[tuple[int, int, int]]) -> None:
    onset, duration, pitch = zip(*notes, strict=True)
    write_midi(Piece.from_arrays(onset, duration, pitch, grid=24), path)


def test_notes_up_to_the_first_chord_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    # the published loader ends at the chord on the third quarter note
    write(path, [(0, 24, 60), (24, 12, 62), (48, 24, 64), (48, 24, 67), (72, 24, 65)])
    assert read(path, grid=12, reader="published")[0].notes() == [(0, 12, 60), (12, 6, 62)]
    assert len(read(path, grid=12)[0]) == 5


def test_music21s_default_quantization(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    # triplets stay; an onset a 32nd note after a quarter note moves back to it
    write(path, [(0, 24, 60), (32, 8, 62), (40, 8, 64), (51, 21, 65)])
    notes = read(path, grid=12, reader="published")[0].notes()
    assert [o for o, _, _ in notes] == [0, 16, 20, 24]


def test_a_file_that_begins_with_a_chord_gives_no_notes(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    write(path, [(0, 24, 60), (0, 24, 64), (24, 24, 65)])
    with pytest.raises(ReadError, match="no notes"):
        read(path, grid=12, reader="published")


def test_only_the_first_instruments_part_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    first = bytes.fromhex("00c000") + bytes.fromhex("00903c50") + bytes.fromhex("8360803c00")
    second = bytes.fromhex("00c128") + bytes.fromhex("00914050") + bytes.fromhex("8360814000")
    path.write_bytes(scores.midi_bytes(first + scores.END, second + scores.END))
    assert read(path, grid=12, reader="published")[0].pitch.tolist() == [60]
    assert read(path, grid=12)[0].pitch.tolist() == [60, 64]


def test_a_file_that_is_cut_at_the_end_of_a_track_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    track = bytes.fromhex("00903c508360803c00") + scores.END
    path.write_bytes(scores.midi_bytes(track, track)[: -len(track) - 8])
    with pytest.raises(ReadError, match="cut off: 1 of the 2 tracks"):
        read(path, grid=12, reader="published")
