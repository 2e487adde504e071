"""Scores: what is written reads back as the same notes, in bars and signs that people expect."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint
from gan_music.decoding.request import SampleRequest
from gan_music.io.engraving.engrave import signature, write_musicxml
from gan_music.io.engraving.notation import hands, measures, spelled, voiced
from gan_music.io.engraving.note_values import Note
from gan_music.io.read import read
from gan_music.music.piece import Piece
from gan_music.representations.note_events import METERS
from gan_music.training.factory import restore_model
from tests.conftest import make_piece
from tests.io import scores


def written(piece: Piece, folder: Path, program: int = 0) -> tuple[Piece, ElementTree.Element]:
    """The score of a piece, as our reader and as XML has it."""
    path = folder / "a.musicxml"
    write_musicxml(piece, path, program=program)
    assert [p.name for p in folder.iterdir() if p.suffix != ".xml"] == ["a.musicxml"]
    (again,) = read(path)
    return again, ElementTree.parse(path).getroot()


def notes_from_zero(piece: Piece) -> list[tuple[int, int, int]]:
    return replace(piece, onset=piece.onset - piece.onset[0]).notes()


def scale(numerator: int, denominator: int, start: int = 0) -> Piece:
    """Quavers, over held notes in the bass that last a bar."""
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
    text = {"a.musicxml": scores.MUSICXML, "a.abc": scores.ABC, "a.krn": scores.KERN}[name]
    source = tmp_path / "source"
    source.mkdir()
    (source / name).write_text(text)
    (piece,) = read(source / name)
    # a grace note lasts a step, which no sign does
    kept = piece.duration > 1
    piece = Piece.from_arrays(
        *(a[kept] for a in (piece.onset, piece.duration, piece.pitch)), grid=24, meters=piece.meters
    )
    out = tmp_path / "out"
    out.mkdir()
    again, _ = written(piece, out)
    assert again.notes() == piece.notes()
    assert again.bars()[0].tolist() == piece.bars()[0].tolist()


def test_two_staves_clefs_key_and_one_voice_where_one_will_do(tmp_path: Path) -> None:
    chords = [(50, 57, 66, 74), (52, 59, 67, 73), (45, 57, 64, 73), (50, 57, 66, 74)]  # D major
    piece = Piece.from_arrays(
        np.repeat(24 * np.arange(4), 4), [24] * 16, np.ravel(chords), grid=24, name="a & b"
    )
    _, score = written(piece, tmp_path, program=19)
    assert score.findtext("work/work-title") == "a & b"
    assert score.findtext(".//part-name") == "Church Organ"
    assert score.findtext(".//staves") == "2"
    assert score.findtext(".//key/fifths") == "2"
    signs = [(c.get("number"), c.findtext("sign")) for c in score.iterfind(".//clef")]
    assert signs == [("1", "G"), ("2", "F")]
    found = {}
    for note in score.iterfind(".//note"):
        staff = note.findtext("staff")
        step, octave = note.findtext("pitch/step"), note.findtext("pitch/octave")
        found.setdefault(staff, []).append(f"{step}{octave}")
        assert note.find("accidental") is None  # all are in the key
    assert found["1"] == ["F4", "D5", "G4", "C5", "E4", "C5", "F4", "D5"]
    assert found["2"] == ["D3", "A3", "E3", "B3", "A2", "A3", "D3", "A3"]


def test_an_upbeat_is_a_short_bar_that_is_not_counted(tmp_path: Path) -> None:
    piece = Piece.from_arrays([72, 96, 120], [24, 24, 72], [67, 72, 76], grid=24)
    again, score = written(piece, tmp_path)
    bars = list(score.iterfind(".//measure"))
    assert [(b.get("number"), b.get("implicit")) for b in bars] == [("0", "yes"), ("1", "no")]
    assert again.notes() == notes_from_zero(piece)
    assert again.meters.tolist() == [[-72, 4, 4]]
    # a quaver needs no more than itself
    assert measures(replace(piece, onset=piece.onset + 12))[0][:3] == (0, 84, 96)
    # where a bar began before the piece did
    early = replace(piece, onset=piece.onset - 72, meters=np.array([(-72, 4, 4)]))
    assert [m[:3] for m in measures(early)][:2] == [(0, 0, 24), (1, 24, 120)]
    # a rest on the first beat is a rest
    assert measures(replace(piece, onset=piece.onset - 60))[0][:3] == (1, 0, 96)


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


def test_triplets_have_brackets_around_whole_groups(tmp_path: Path) -> None:
    onset = [0, 8, 16, 24, 32, 40, 48]
    piece = Piece.from_arrays(onset, [8] * 6 + [48], [60, 62, 64, 65, 64, 62, 60], grid=24)
    again, score = written(piece, tmp_path)
    assert again.notes() == piece.notes()
    brackets = [t.get("type") for t in score.iterfind(".//tuplet")]
    assert brackets == ["start", "stop"] * 2


def test_the_spelling_follows_the_key() -> None:
    def names(sharps: int) -> str:
        signs = (spelled(pitch, sharps) for pitch in range(60, 72))
        return " ".join(f"{step}{'#' * a}{'-' * -a}{octave}" for step, a, octave in signs)

    assert names(0) == "C4 C#4 D4 E-4 E4 F4 F#4 G4 G#4 A4 B-4 B4"
    assert names(4) == "B#3 C#4 D4 D#4 E4 E#4 F#4 G4 G#4 A4 A#4 B4"
    assert names(-5) == "C4 D-4 D4 E-4 F-4 F4 G-4 G4 A-4 A4 B-4 C-5"
    for sharps in range(-6, 7):
        for pitch in range(128):
            step, alter, octave = spelled(pitch, sharps)
            natural = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step]
            assert 12 * (octave + 1) + natural + alter == pitch
            assert -2 <= alter <= 2


@pytest.mark.parametrize(
    ("pitches", "sharps"),
    [
        ([60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60], 0),
        ([62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62], 2),
        ([69, 71, 72, 74, 76, 77, 80, 81, 76, 72, 69], 0),  # A minor, with its leading note
        ([65, 67, 68, 70, 72, 73, 76, 77, 72, 68, 65], -4),  # F minor
        ([], 0),
        ([60], 0),
    ],
)
def test_the_key_is_the_likeliest(pitches: list[int], sharps: int) -> None:
    n = len(pitches)
    piece = Piece.from_arrays(24 * np.arange(n), [24] * n, pitches, grid=24)
    assert signature(piece) == sharps


def test_hands_take_what_they_can_reach() -> None:
    # a waltz: bass, and chords above it, under a tune
    piece = Piece.from_arrays(
        [0, 0, 24, 24, 24, 48, 48, 48],
        [24, 72, 24, 24, 24, 24, 24, 24],
        [40, 79, 52, 55, 81, 52, 55, 83],
        grid=24,
    )
    left, alone = hands(piece)
    assert not alone
    assert set(piece.pitch[left]) == {40, 52, 55}
    tune = Piece.from_arrays(24 * np.arange(5), [24] * 5, [55, 62, 67, 58, 60], grid=24)
    assert hands(tune)[1]


def test_voices_keep_apart_what_overlaps() -> None:
    # a tune over a held note that began before it
    voices = voiced([Note(0, 96, 60), Note(24, 48, 72), Note(48, 72, 74)])
    assert [[c.pitches for c in v] for v in voices] == [[(72,), (74,)], [(60,)], [], []]
    # six at once: no more than four voices, and no overlap in any
    crowd = [Note(6 * i, 200 + i, 60 + i) for i in range(6)] + [
        Note(36, 60 + i, 80) for i in range(6)
    ]
    for voice in voiced(crowd):
        assert all(a.end <= b.start for a, b in itertools.pairwise(voice))


def test_music_of_any_kind_is_written(tmp_path: Path) -> None:
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


def test_samples_of_the_package_are_written_as_they_sound(tmp_path: Path) -> None:
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
    assert n_same / n_notes > 0.9  # some lie where no sign does
