"""ABC against literal answers, in quarter notes: onset, duration, pitch."""

from __future__ import annotations

from pathlib import Path

import pytest
from music21 import corpus

from gan_music.io.read import ReadError, read
from gan_music.music.piece import Track
from tests.io.faults import FAULTS, quarters

C = [(0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65)]


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        (
            "accidental_in_bar",
            [
                *((0, 1, 69), (1, 0.5, 68), (1.5, 0.5, 69), (2, 1, 71), (3, 0.5, 68)),
                *((3.5, 0.5, 69), (4, 1, 72), (5, 1, 71), (6, 2, 69)),
            ],
        ),
        ("bass_clef_two_octaves", [(0, 1, 48), (1, 1, 50), (2, 1, 52), (3, 1, 53)]),
        (
            "chord_ties",
            [
                *((0, 4, 60), (0, 4, 64), (0, 4, 67)),
                *((4, 4, 60), (4, 2, 64), (4, 2, 67), (6, 2, 65), (6, 2, 69)),
            ],
        ),
        (
            "double_repeat_swallows",
            [(i, 1, p) for i, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))],
        ),
        ("inline_key", [(i, 1, p) for i, p in enumerate((65, 67, 69, 71, 66, 67, 69, 71))]),
        ("latin1", C),
        ("overlay", [(0, 4, 48), *C]),
        ("rest_x", [(4, 4, 60)]),
        ("transpose", [(0, 1, 58), (1, 1, 60), (2, 1, 62), (3, 1, 63)]),
        (
            "voices_interleaved",
            [
                note
                for i, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))
                for note in ((i, 1, p - 12), (i, 1, p))
            ],
        ),
    ],
)
def test_what_was_read_wrong(file: str, notes: list) -> None:
    (piece,) = read(FAULTS / f"abc_{file}.abc")
    assert quarters(piece) == notes


def test_tunes_of_one_number_are_pieces() -> None:
    pieces = read(FAULTS / "abc_same_x.abc")
    assert [p.name for p in pieces] == [f"abc_same_x.abc#{i}" for i in range(1, 6)]
    assert all(quarters(p) == C for p in pieces)


def test_a_tune_has_no_fields_of_the_tune_before() -> None:
    first, second, third = read(FAULTS / "abc_tune_without_M_in_book.abc")
    assert quarters(first) == C
    assert quarters(second) == [(0, 0.5, 60), (0.5, 0.5, 62), (1, 0.5, 64), (1.5, 0.5, 65)]
    assert quarters(third) == [(0, 1, 67), (1, 1, 69), (2, 1, 71), (3, 1, 72)]


def test_voices_are_tracks_with_names_and_drums(tmp_path: Path) -> None:
    path = tmp_path / "a.abc"
    path.write_text(
        'X:1\nL:1/4\nV:T clef=treble-8 name="Tenor"\nV:B bass\nV:D perc\nK:G\n'
        "[V:T]FGAB|\n[V:B]F,4|\n[V:D]C4|\n[V:T]c4|\n"
    )
    (piece,) = read(path)
    assert piece.tracks == (Track("Tenor"), Track("B"), Track("D", 0, True))
    assert [(o / 24, p, t) for (o, _, p), t in zip(piece.notes(), piece.track, strict=True)] == [
        *((0, 54, 0), (0, 54, 1), (0, 60, 2), (1, 55, 0), (2, 57, 0), (3, 59, 0), (4, 60, 0)),
    ]


def test_tempo_pickup_and_meters(tmp_path: Path) -> None:
    path = tmp_path / "a.abc"
    path.write_text("X:1\nM:6/8\nL:1/8\nQ:3/8=80\nK:C\nC|CDEFGA|[M:3/4]C6|C5:|:C|C6|\n")
    (piece,) = read(path)
    assert piece.tempo == 120
    assert piece.meters.tolist() == [[-60, 6, 8], [84, 3, 4]]


def test_music21_is_refused_where_it_reads_other_notes(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"music21 reads 1 of 9 notes .* data\.reader=auto"):
        read(FAULTS / "abc_accidental_in_bar.abc", reader="music21")
    with pytest.raises(ReadError, match=r"music21 reads 1 of 5 pieces .* data\.reader=auto"):
        read(FAULTS / "abc_same_x.abc", reader="music21")
    path = tmp_path / "a.abc"
    path.write_text("X:1\nM:4/4\nL:1/4\nK:C\nC D E F|\n")
    assert read(path, reader="music21")[0].same_notes(read(path)[0])


@pytest.mark.parametrize("name", ["LandLeagueJig", "CrossRoad", "DustyMillersJig", "ArielHornpipe"])
def test_tunes_of_the_corpus_are_read_as_music21_does(name: str) -> None:
    path = Path(corpus.getWork(f"ryansMammoth/{name}"))
    (own,), (other,) = read(path), read(path, reader="music21")
    assert own.notes() == other.notes()
    assert own.meters.tolist() == other.meters.tolist()
