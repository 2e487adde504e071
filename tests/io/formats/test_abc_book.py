"""How ABC files divide into tunes, against literal answers."""

from __future__ import annotations

import pytest

from gan_music.io.errors import ReadError
from gan_music.io.formats.abc_book import divided, is_music

TUNE = "X:1\nK:C\nCDEF|\n"


def parts(text: str) -> tuple[list[str], list[list[str]]]:
    header, tunes = divided(text)
    return [line.text for line in header], [[line.text for line in t.lines] for t in tunes]


def test_header_tunes_and_free_text() -> None:
    text = (
        "%abc-2.1\n% a comment\nL:1/4 % unit\n%%propagate-accidentals not\n\n"
        "Free text about A B C.\n\n" + TUNE + "\nmore: text | here\n\n" + TUNE + "X:5\nK:D\nD|\n"
    )
    assert parts(text) == (
        ["L:1/4", "I:propagate-accidentals not"],
        [["X:1", "K:C", "CDEF|"], ["X:1", "K:C", "CDEF|"], ["X:5", "K:D", "D|"]],
    )
    assert [t.reference for t in divided(text)[1]] == ["1", "1", "5"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_and_numbers(end: str) -> None:
    _, (tune,) = divided(f"\n\n{TUNE}".replace("\n", end))
    assert [line.number for line in tune.lines] == [3, 4, 5]


def test_comments_and_blocks_of_text() -> None:
    text = 'X:1\nK:C\n%%begintext\nA|B\n\nC|\n%%endtext\n% c\nC "50%" D \\% % "c" d\n'
    assert parts(text)[1] == [["X:1", "K:C", 'C "50%" D \\%']]


def test_a_tune_without_a_number() -> None:
    assert parts("L:1/4\nK:C\nCDEF|\n") == ([], [["L:1/4", "K:C", "CDEF|"]])


@pytest.mark.parametrize("text", ["", "only text\n", "M:4/4\n"])
def test_no_tune(text: str) -> None:
    with pytest.raises(ReadError, match="no tune in it"):
        divided(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [(f"{TUNE}\nGABc|\n", 5), ("X:1\n\nK:C\nCDEF|\n", 3), (f"{TUNE}\nV:2\nC\n", 5)],
)
def test_music_after_an_empty_line_is_not_lost(text: str, line: int) -> None:
    with pytest.raises(
        ReadError, match=f"line {line}: music after the empty line that ends tune 1"
    ):
        divided(text)


def test_music_before_the_first_tune_is_not_lost() -> None:
    with pytest.raises(ReadError, match="line 1: music before the first tune"):
        divided(f"CDEF|\n\n{TUNE}")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("CDEF|GABc|", True),
        ('"Am"A2 !f!e2|', True),
        ("A B C", False),
        ("see | the page", False),
        ("---|---", False),
    ],
)
def test_is_music(text: str, answer: bool) -> None:
    assert is_music(text) is answer
