from __future__ import annotations

import tempfile
from pathlib import Path

import muspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.io.midi_writer import overlap_levels
from gan_music.io.read import read
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
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


def test_meters_read_back_and_a_pickup_is_a_short_bar(tmp_path: Path) -> None:
    meters = [(-72, 4, 4), (120, 6, 8)]
    piece = Piece.from_arrays([0, 24, 120], [1] * 3, [60] * 3, grid=24, meters=meters)
    write_midi(piece, tmp_path / "a.mid")
    (again,) = read(tmp_path / "a.mid")
    assert again.meters.tolist() == [[0, 1, 4], [24, 4, 4], [120, 6, 8]]
    assert again.bars()[0].tolist() == piece.bars()[0].tolist() == [0, 1, 2]


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
