from __future__ import annotations

import re
import zipfile
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from music21 import converter, corpus, stream

from gan_music.io.read import CustomReader, ReadError, read
from tests.io import scores


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        ("a.musicxml", scores.MUSICXML_NOTES),
        ("a.xml", scores.MUSICXML_NOTES),
        ("a.abc", scores.ABC_NOTES),
        ("a.krn", scores.KERN_NOTES),
    ],
)
def test_scores_are_read_note_by_note(tmp_path: Path, file: str, notes: list) -> None:
    path = tmp_path / file
    path.write_text(scores.TEXTS[file])
    (piece,) = read(path, grid=24)
    assert sorted(piece.notes()) == sorted(notes)
    assert piece.grid == 24


def test_compressed_musicxml(tmp_path: Path) -> None:
    path = tmp_path / "a.mxl"
    container = (
        '<?xml version="1.0"?><container><rootfiles><rootfile full-path="a.xml"/>'
        "</rootfiles></container>"
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("META-INF/container.xml", container)
        file.writestr("a.xml", scores.MUSICXML)
    (piece,) = read(path)
    assert sorted(piece.notes()) == sorted(scores.MUSICXML_NOTES)
    assert piece.tempo == 90


def test_meters_of_scores(tmp_path: Path) -> None:
    path = tmp_path / "a.musicxml"
    path.write_text(scores.MUSICXML)
    assert read(path)[0].meters.tolist() == [[0, 4, 4], [96, 3, 4]]
    path = tmp_path / "a.abc"
    path.write_text(scores.ABC.replace("C2 z2", "A2|C2 z2"))  # a pickup of a quarter note
    assert read(path)[0].meters.tolist() == [[-72, 4, 4]]


@pytest.mark.parametrize(
    ("name", "meters"),
    [
        ("bach/bwv66.6", [[-72, 4, 4]]),
        ("bach/bwv269", [[-48, 3, 4]]),
        ("palestrina/Agnus_01", [[0, 4, 2]]),
    ],
)
def test_meters_of_the_corpus(name: str, meters: list) -> None:
    assert read(Path(corpus.getWork(name)))[0].meters.tolist() == meters


def test_a_tune_book_gives_a_piece_for_each_tune(tmp_path: Path) -> None:
    path = tmp_path / "book.abc"
    path.write_text(scores.ABC + "\n" + scores.ABC.replace("X:1", "X:2").replace("C2", "D2"))
    pieces = read(path)
    assert [p.name for p in pieces] == ["book.abc#1", "book.abc#2"]
    assert [p.pitch[0] for p in pieces] == [60, 62]


@pytest.mark.parametrize("name", ["bach/bwv66.6", "bach/bwv144.6", "palestrina/Agnus_01"])
def test_a_score_has_the_notes_that_music21_finds(name: str) -> None:
    path = Path(corpus.getWork(name))
    (piece,) = read(path, grid=24)
    stripped = converter.parse(path).toSoundingPitch().stripTies()
    assert sorted(piece.notes()) == sorted(_notes(stripped))


# music21's stripTies does not merge ties into chords or in transposing parts
@pytest.mark.parametrize("name", ["bach/bwv248.23-2", "haydn/opus1no1/movement1"])
def test_every_tie_is_merged_and_no_note_is_lost(name: str) -> None:
    path = Path(corpus.getWork(name))
    (piece,) = read(path, grid=24)
    score = converter.parse(path).toSoundingPitch()
    ties = [
        n.tie.type
        for e in score.recurse().notes
        for n in getattr(e, "notes", (e,))
        if n.tie is not None
    ]
    raw = _notes(score)
    assert len(piece) == len(raw) - sum(t in ("stop", "continue") for t in ties)
    assert _sounding(piece.notes()) == _sounding(raw)


def _notes(score: stream.Stream) -> list[tuple[int, int, int]]:
    """(onset, duration, pitch) of music21's notes on a grid of 24."""
    return [
        (
            int(Fraction(e.getOffsetInHierarchy(score)) * 24 + Fraction(1, 2)),
            max(1, int(Fraction(e.quarterLength) * 24 + Fraction(1, 2))),
            n.pitch.midi,
        )
        for e in score.recurse().notes
        for n in getattr(e, "notes", (e,))
    ]


def _sounding(notes: list[tuple[int, int, int]]) -> Counter[tuple[int, int]]:
    """The number of notes that sound at each (step, pitch)."""
    return Counter((t, p) for o, d, p in notes for t in range(o, o + d))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("broken.musicxml", scores.MUSICXML[:300].encode()),
        ("not.mxl", b"PK\x03\x04 and no more"),
    ],
)
def test_a_broken_score_raises_with_a_reason(tmp_path: Path, file: str, content: bytes) -> None:
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"\w"):
        read(path)


@pytest.mark.parametrize("reader", ["auto", "music21"])
@pytest.mark.parametrize("suffix", [".musicxml", ".krn", ".abc", ".mid"])
def test_reasons_are_sentences_without_names_of_exceptions(
    tmp_path: Path, suffix: str, reader: str
) -> None:
    path = tmp_path / f"a{suffix}"
    for content in (
        b"\x00\xff garbage",
        b"<score-partwise/>",
        b"**kern\n4c",
        b"X:1\nK:C\n[C",
        b"MThd",
    ):
        path.write_bytes(content)
        with pytest.raises(ReadError) as raised:
            read(path, reader=reader)
        assert not re.search(r"[A-Z][a-z]+(Error|Exception)\b", str(raised.value))
        assert " " in str(raised.value)


def test_a_reader_of_ones_own_that_fails_gives_a_sentence(tmp_path: Path) -> None:
    def fail(path: Path, grid: int, name: str) -> list:
        raise KeyError("tempo")

    path = tmp_path / "a.abx"
    path.write_text("a")
    with pytest.raises(ReadError) as raised:
        read(path, custom={".abx": CustomReader("1", fail)})
    assert str(raised.value) == (
        "the reader of .abx files cannot read it ('tempo'); correct the reader, or the file"
    )
