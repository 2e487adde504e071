"""Humdrum against literal answers, in quarter notes, and files against their own note tokens."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from music21 import corpus

from gan_music.io.formats import humdrum_spines
from gan_music.io.formats.humdrum import _Reader
from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece, Track
from tests.io.faults import FAULTS, quarters


def piece_of(text: str) -> Piece:
    """A piece of lines whose tokens are separated by blanks; ``~`` is a blank in a token."""
    lines = ["\t".join(t.replace("~", " ") for t in line.split()) for line in text.splitlines()]
    (found,) = humdrum_spines.pieces("\n".join(lines))
    return _Reader(found).piece(24, "a")


def notes_of(text: str) -> list[tuple[float, float, int]]:
    return quarters(piece_of(text))


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        ("bom", [(0, 1, 60), (1, 1, 62), (2, 2, 64)]),
        (
            "three_spines_merge",
            [
                *((0, 1, 60), (0, 1, 64), (0, 1, 67), (1, 1, 62)),
                *((1, 1, 65), (1, 1, 69), (2, 2, 60), (4, 4, 64)),
            ],
        ),
    ],
)
def test_what_was_read_wrong(file: str, notes: list) -> None:
    (piece,) = read(FAULTS / f"kern_{file}.krn")
    assert quarters(piece) == notes
    with pytest.raises(ReadError, match=r"data\.reader=auto"):
        read(FAULTS / f"kern_{file}.krn", reader="music21")


@pytest.mark.parametrize(
    ("tokens", "notes"),
    [
        ("4c 8dd 16.E- 2BB#", [(0, 1, 60), (1, 0.5, 74), (1.5, 0.375, 51), (1.875, 2, 48)]),
        ("0c 3%2d 4rggg 6e", [(0, 8, 60), (8, 8 / 3, 62), (35 / 3, 2 / 3, 64)]),
        ("(4c/L; 4.dd\\J') 8ryy 4fn", [(0, 1, 60), (1, 1.5, 74), (3, 1, 65)]),
        ("4c~4e-~4gg 4c~e", [(0, 1, 60), (0, 1, 63), (0, 1, 79), (1, 1, 60), (1, 1, 64)]),
        ("[4c 4c_ [4c] 4c", [(0, 3, 60), (3, 1, 60)]),
        ("[4c~4e 4c] 4c]", [(0, 2, 60), (0, 1, 64), (2, 1, 60)]),
        ("4c 8qd 16qqe 4f", [(0, 1, 60), (1, 0, 62), (1, 0, 64), (1, 1, 65)]),
    ],
)
def test_tokens(tokens: str, notes: list) -> None:
    read_notes = notes_of("**kern\n" + tokens.replace(" ", "\n") + "\n*-\n")
    expected = [(o, d or 1 / 24, p) for o, d, p in notes]
    assert read_notes == [pytest.approx(n, abs=1 / 48) for n in expected]


@pytest.mark.parametrize(
    ("lines", "notes"),
    [
        # a split after a merge, and a merge of two pairs on one line
        (
            "**kern\n*^\n4c 4e\n*v *v\n4d\n*^\n2c 4e\n. 4f\n*v *v\n4g\n*-",
            [(0, 60), (0, 64), (1, 62), (2, 60), (2, 64), (3, 65), (4, 67)],
        ),
        (
            "**kern **kern\n*^ *^\n4C 4E 4c 4e\n*v *v *v *v\n4D 4d\n*- *-",
            [(0, 48), (0, 52), (0, 60), (0, 64), (1, 50), (1, 62)],
        ),
        # a merge beside a spine that goes on, and four at once
        (
            "**kern **kern\n*^ *\n*^ *^ *\n4C 4E 4F 4G 4c\n*v *v *v *v *\n4D 4d\n*- *-",
            [(0, 48), (0, 52), (0, 53), (0, 55), (0, 60), (1, 50), (1, 62)],
        ),
        # an exchange, a spine that begins and one that ends
        (
            "**kern **dynam\n4c p\n*x *x\n. 4d\n*+ *\n* **kern *\n. 4C 4e\n* *- *\n. 4f\n*- *-",
            [(0, 60), (1, 62), (2, 48), (2, 64), (3, 65)],
        ),
        # a path that begins while another note of its spine sounds
        (
            "**kern **kern\n2C 4c\n*^ *\n. 4E 4d\n*v *v *\n4D 4e\n*- *-",
            [(0, 48), (0, 60), (1, 52), (1, 62), (2, 50), (2, 64)],
        ),
        # a text beside, comments, and tokens that are null
        (
            "!!!COM: a\n**kern **text\n!! b\n4c la\n! !c\n. .\n4d .\n*- *-",
            [(0, 60), (1, 62)],
        ),
    ],
)
def test_spines(lines: str, notes: list) -> None:
    assert [(o, p) for o, _, p in notes_of(lines)] == notes


def test_tracks_tempo_meters_and_a_pickup() -> None:
    piece = piece_of(
        '**kern **kern\n*I"Cello *Ivioln\n*ITrd1c2 *\n*MM90 *MM90\n*M3/4 *M3/4\n4C 4c\n=1 =1\n'
        "2.D 2.d\n=2 =2\n*M2/0 *M2/0\n00E 00e\n== ==\n*- *-"
    )
    assert piece.tracks == (Track("Violin", 40), Track("Cello", 0))
    assert piece.pitch[piece.track == 1].tolist() == [48, 50, 52]
    assert piece.tempo == 90
    assert piece.meters.tolist() == [[-48, 3, 4], [96, 4, 1]]


def test_a_file_of_two_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.krn"
    path.write_text("**kern\n4c\n*-\n**kern\n4d\n*-\n")
    assert [(p.name, p.pitch.tolist()) for p in read(path)] == [
        ("a.krn#1", [60]),
        ("a.krn#2", [62]),
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("**kern\n4c\n", "cut off: its spines do not end"),
        ("4c\n*-", "line 1: no spine begins there"),
        ("**kern **kern\n4c 4e\n4d\n*- *-", "line 3: 1 columns, but 2 spines"),
        ("**kern **kern\n4c 2e\n4d 4f\n*- *-", "line 3: its spines are out of step by 1 quarter"),
        ("**kern\nc\n*-", "line 2: c has no duration"),
        ("**kern\n4cd\n*-", "line 2: 4cd is no note"),
        ("**kern\n4h\n*-", "line 2: 4h is no note"),
        ("**kern\n4cccccccc\n*-", "line 2: 4cccccccc is beyond MIDI's pitches"),
        ("**kern **kern\n*x *\n*- *-", "line 2: *x needs another *x"),
        ("**text\na\n*-", "no spine of **kern"),
    ],
)
def test_what_cannot_be_read_is_refused(lines: str, reason: str) -> None:
    with pytest.raises(ReadError, match=re.escape(reason)):
        piece_of(lines)


def n_sounding(text: str) -> int:
    """The notes that begin in the tokens of ``**kern``, those that a tie ends left out."""
    kinds: list[str] = []
    count = 0
    for line in text.splitlines():
        tokens = line.split("\t")
        if line.startswith("**"):
            kinds = tokens
        elif line.startswith("*"):
            spines: list[tuple[str, str]] = []
            for kind, token in zip(kinds, tokens, strict=True):
                if token != "*v" or not spines or spines[-1][1] != "*v":
                    spines += [(kind, token)] * (2 if token == "*^" else token != "*-")
            kinds = [kind for kind, _ in spines]
        elif line and line[0] not in "!=":
            for kind, token in zip(kinds, tokens, strict=True):
                if kind == "**kern":
                    notes = [t for t in token.split() if re.search("[a-gA-G]", t) and "r" not in t]
                    count += sum(not re.search(r"[\]_]", t) for t in notes)
    return count


@pytest.mark.parametrize("name", ["bach/bwv281.krn", "chopin/mazurka06-2", "palestrina/Agnus_01"])
def test_the_corpus_has_its_note_tokens_and_music21s_notes(name: str) -> None:
    path = Path(corpus.getWork(name))
    (piece,), (other,) = read(path), read(path, reader="music21")
    assert len(piece) == n_sounding(path.read_text(encoding="utf-8", errors="replace"))
    assert piece.notes() == other.notes()
    assert piece.meters.tolist() == other.meters.tolist()
    assert [t.name for t in piece.tracks] == [t.name for t in other.tracks]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_random_splits_and_merges_keep_every_note(data: st.DataObject) -> None:
    n_paths, lines = [1, 1], ["**kern\t**kern"]
    expected: Counter[tuple[float, int]] = Counter()
    for time in range(data.draw(st.integers(1, 6))):
        for spine in (0, 1):
            n_other = n_paths[0] if spine else 0
            n_after = 0 if spine else n_paths[1]
            if data.draw(st.booleans()):
                rest = n_paths[spine] - 1
                own = ["*^", *["*"] * rest]
                n_paths[spine] += 1
            elif n_paths[spine] > 1:
                n_joined = data.draw(st.integers(2, n_paths[spine]))
                own = ["*v"] * n_joined + ["*"] * (n_paths[spine] - n_joined)
                n_paths[spine] -= n_joined - 1
            else:
                continue
            lines.append("\t".join(["*"] * n_other + own + ["*"] * n_after))
        pitches = data.draw(
            st.lists(st.sampled_from("cdefgab"), min_size=sum(n_paths), max_size=sum(n_paths))
        )
        for letter in pitches:
            expected[
                time, 60 + dict(zip("cdefgab", (0, 2, 4, 5, 7, 9, 11), strict=True))[letter]
            ] += 1
        lines.append("\t".join(f"4{p}" for p in pitches))
    lines.append("\t".join(["*-"] * sum(n_paths)))
    (found,) = humdrum_spines.pieces("\n".join(lines))
    assert Counter((o / 24, p) for o, _, p in _Reader(found).piece(24, "").notes()) == expected
