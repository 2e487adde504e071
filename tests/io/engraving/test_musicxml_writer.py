"""Written scores read back as the same notes, in conventional notation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint
from gan_music.decoding.request import SampleRequest
from gan_music.io.engraving.musicxml_writer import write_musicxml
from gan_music.io.instruments import played_by
from gan_music.io.read import read
from gan_music.music.bars import from_its_opening
from gan_music.music.piece import Piece
from gan_music.representations.meters import METERS
from gan_music.training.factory import restore_model
from tests.conftest import make_piece
from tests.io import scores


def written(piece: Piece, folder: Path) -> tuple[Piece, ElementTree.Element]:
    """The score of a piece, as read back and as XML."""
    path = folder / "a.musicxml"
    write_musicxml(piece, path, composer="gan_music")
    assert [p.name for p in folder.iterdir() if p.suffix != ".xml"] == ["a.musicxml"]
    (again,) = read(path)
    return again, ElementTree.parse(path).getroot()


def notes_from_zero(piece: Piece) -> list[tuple[int, int, int]]:
    return replace(piece, onset=piece.onset - piece.onset[0]).notes()


def scale(numerator: int, denominator: int, start: int = 0) -> Piece:
    """Eighth notes over bass notes that last a bar."""
    bar = 96 * numerator // denominator
    n = max(8, 3 * bar // 12)
    onset = 12 * np.arange(n)
    held = np.arange(0, 12 * n, bar)
    return Piece.from_arrays(
        [*onset, *held],
        [*[12] * n, *[bar] * len(held)],
        [*(67 + onset // 12 % 7), *[43] * len(held)],
        grid=24,
        meters=[(start, numerator, denominator)],
        tempo=90,
    )


@pytest.mark.parametrize("meter", METERS)
def test_every_meter_reads_back(meter: tuple[int, int], tmp_path: Path) -> None:
    piece = scale(*meter)
    again, score = written(piece, tmp_path)
    assert again.notes() == piece.notes()
    assert again.meters.tolist() == [[0, *meter]]
    assert again.tempo == 90
    time = score.find(".//time")
    assert time is not None
    assert (time.findtext("beats"), time.findtext("beat-type")) == tuple(map(str, meter))


@pytest.mark.parametrize("name", ["a.musicxml", "a.abc", "a.krn"])
def test_scores_read_back(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / name).write_text(scores.TEXTS[name])
    (piece,) = read(source / name)
    # no note value lasts the one step of a grace note
    kept = piece.duration > 1
    piece = Piece.from_arrays(
        *(a[kept] for a in (piece.onset, piece.duration, piece.pitch)), grid=24, meters=piece.meters
    )
    out = tmp_path / "out"
    out.mkdir()
    again, _ = written(piece, out)
    assert again.notes() == piece.notes()
    assert again.bars()[0].tolist() == piece.bars()[0].tolist()


def test_staves_clefs_key_and_pitches(tmp_path: Path) -> None:
    chords = [(50, 57, 66, 74), (52, 59, 67, 73), (45, 57, 64, 73), (50, 57, 66, 74)]  # D major
    piece = Piece.from_arrays(
        np.repeat(24 * np.arange(4), 4), [24] * 16, np.ravel(chords), grid=24, name="a & b"
    )
    _, score = written(played_by(piece, 19), tmp_path)
    assert score.findtext("work/work-title") == "a & b"
    assert score.findtext("identification/creator[@type='composer']") == "gan_music"
    assert score.findtext(".//part-name") == "Church Organ"
    assert score.findtext(".//staves") == "2"
    assert score.findtext(".//key/fifths") == "2"
    clefs = [(c.get("number"), c.findtext("sign")) for c in score.iterfind(".//clef")]
    assert clefs == [("1", "G"), ("2", "F")]
    found = {}
    for note in score.iterfind(".//note"):
        staff = note.findtext("staff")
        step, octave = note.findtext("pitch/step"), note.findtext("pitch/octave")
        found.setdefault(staff, []).append(f"{step}{octave}")
        assert note.find("accidental") is None  # all pitches are in the key
    assert found["1"] == ["F4", "D5", "G4", "C5", "E4", "C5", "F4", "D5"]
    assert found["2"] == ["D3", "A3", "E3", "B3", "A2", "A3", "D3", "A3"]


def test_a_pickup_is_a_short_bar_number_0(tmp_path: Path) -> None:
    piece = Piece.from_arrays([72, 96, 120], [24, 24, 72], [67, 72, 76], grid=24)
    again, score = written(piece, tmp_path)
    bars = list(score.iterfind(".//measure"))
    assert [(b.get("number"), b.get("implicit")) for b in bars] == [("0", "yes"), ("1", "no")]
    assert again.notes() == notes_from_zero(piece)
    assert again.meters.tolist() == [[-72, 4, 4]]


@pytest.mark.parametrize(
    ("onset", "meter", "length"),
    [(48, (3, 4), 1), (84, (4, 4), 0.5), (90, (4, 4), 0.25), (36, (6, 8), 1.5), (88, (4, 4), 1)],
)
def test_a_pickup_keeps_its_place_in_the_bar(
    onset: int, meter: tuple[int, int], length: float, tmp_path: Path
) -> None:
    bar = 96 * meter[0] // meter[1]
    notes = [onset, *range(bar, 4 * bar, 12)]
    whole = Piece.from_arrays(
        notes, np.diff([*notes, 4 * bar]), 60 + np.arange(len(notes)) % 12, grid=24,
        meters=[(0, *meter)],
    )  # fmt: skip
    piece = from_its_opening(whole)
    again, score = written(piece, tmp_path)
    first = next(score.iter("measure"))
    assert (first.get("number"), first.get("implicit")) == ("0", "yes")
    divisions = int(score.findtext(".//divisions") or 0)
    durations = [int(n.findtext("duration") or 0) for n in first.iter("note")]
    assert sum(durations) == length * divisions
    assert again.notes() == piece.notes()
    assert again.meters.tolist() == piece.meters.tolist() == [[length * 24 - bar, *meter]]
    assert again.bars()[1].tolist() == whole.bars()[1].tolist()


def test_a_change_of_meter_within_a_bar(tmp_path: Path) -> None:
    piece = replace(scale(4, 4), meters=np.array([(0, 4, 4), (144, 3, 4), (216, 6, 8)]))
    again, score = written(piece, tmp_path)
    assert again.notes() == piece.notes()
    beats = [f"{t.findtext('beats')}/{t.findtext('beat-type')}" for t in score.iterfind(".//time")]
    assert beats == ["4/4", "3/4", "6/8"]


def test_ties_over_barlines_and_beats(tmp_path: Path) -> None:
    piece = Piece.from_arrays([0, 84], [84, 60], [60, 64], grid=24)
    again, score = written(piece, tmp_path)
    assert again.notes() == piece.notes()
    ties = [t.get("type") for t in score.iterfind(".//tie")]
    assert ties.count("start") == ties.count("stop") == 2


def test_brackets_enclose_whole_triplets(tmp_path: Path) -> None:
    onset = [0, 8, 16, 24, 32, 40, 48]
    piece = Piece.from_arrays(onset, [8] * 6 + [48], [60, 62, 64, 65, 64, 62, 60], grid=24)
    again, score = written(piece, tmp_path)
    assert again.notes() == piece.notes()
    brackets = [t.get("type") for t in score.iterfind(".//tuplet")]
    assert brackets == ["start", "stop"] * 2


def test_unusual_music_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    odd = Piece.from_arrays(
        rng.integers(0, 500, 120),
        rng.integers(1, 120, 120),
        rng.integers(0, 128, 120),
        grid=24,
        meters=[(-31, 7, 16), (50, 1, 64), (77, 11, 8), (200, 3, 2)],
    )
    other_grids = [replace(make_piece(1), grid=7), replace(make_piece(2), grid=480)]
    silence = Piece.from_arrays([], [], [], grid=24)
    late = Piece.from_arrays([10_000], [1], [60], grid=24)
    for piece in (odd, *other_grids, silence, late):
        write_musicxml(piece, tmp_path / "a.musicxml")
        ElementTree.parse(tmp_path / "a.musicxml")


def test_samples_of_the_pretrained_model_read_back(tmp_path: Path) -> None:
    model = restore_model(load_checkpoint(PRETRAINED), PRETRAINED)
    pieces = model.sample(SampleRequest(8, 128, seed=0))
    n_same = n_notes = 0
    for piece in pieces:
        again, _ = written(piece, tmp_path)
        expected = notes_from_zero(piece)
        shift = again.onset[0]
        found = {(o - shift, d, p) for o, d, p in again.notes()}
        n_same += sum(note in found for note in expected)
        n_notes += len(expected)
    assert n_same / n_notes > 0.9  # common notation cannot show all times
