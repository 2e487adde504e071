"""Divides the text of an ABC file into tunes (ABC 2.1, section 2).

A tune begins with a field ``X:`` and ends at an empty line, or at the next ``X:``. Fields and
directives before the first tune are the file's header, which holds for all tunes. All other text
between tunes is free text, which is no music.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gan_music.io.errors import ReadError


class Line(NamedTuple):
    """A line without its comment, numbered from 1. A directive ``%%`` is a field ``I:``."""

    number: int
    text: str


class Tune(NamedTuple):
    """The lines of a tune; ``number`` counts from 1, ``reference`` is the value of ``X:``."""

    number: int
    reference: str
    lines: list[Line]


# A bar line after a letter makes it a note or a rest: ``F::`` and ``A:|`` are no fields.
FIELD = re.compile(r"(?![A-Ga-gZXxz]:[|:])([A-Za-z+]):(.*)")
_COMMENT = re.compile(r'("[^"]*")|(?<!\\)%.*')  # not within a text
_BEGIN = re.compile(r"%%\s*begin(\w+)")
_TEXT_OF_MUSIC = re.compile(r"[\sA-Ga-gzxZX0-9|:\[\](){}^_=,'/<>.~\-!TuvHLMOPS&\\]*")
_IGNORED = re.compile(r'"[^"]*"|![^!\s]*!')


def divided(text: str) -> tuple[list[Line], list[Tune]]:
    """The file's header and its tunes.

    Raises
    ------
    ReadError
        If there is no tune, or music stands outside of all tunes.
    """
    blocks = list(_blocks(_without_comments(re.split(r"\r\n?|\n", text))))
    begins = any(_is_reference(line) for block in blocks for line in block)
    header: list[Line] = []
    tunes: list[Tune] = []
    for i, block in enumerate(blocks):
        first = next((k for k, line in enumerate(block) if _is_reference(line)), len(block))
        before, own = block[:first], block[first:]
        if not begins and not tunes and any(line.text.startswith("K:") for line in block):
            before, own = [], block  # a file of one tune, without a number
        if i == 0 and before and all(FIELD.fullmatch(line.text) for line in before):
            header, before = before, []
        _check_free_text(before, len(tunes))
        for line in own:
            if _is_reference(line) or not tunes or line is own[0]:
                tunes.append(Tune(len(tunes) + 1, line.text[2:].strip(), []))
            tunes[-1].lines.append(line)
    if not tunes:
        raise ReadError("no tune in it: no line begins with X:, and none with K:")
    return header, tunes


def is_music(text: str) -> bool:
    """Whether a line with bar lines can only be notes."""
    plain = _IGNORED.sub("", text)
    notes = "|" in plain and re.search(r"[A-Ga-g]", plain) and _TEXT_OF_MUSIC.fullmatch(plain)
    return bool(notes)


def _is_reference(line: Line) -> bool:
    return line.text.startswith("X:") and FIELD.match(line.text) is not None


def _without_comments(lines: Iterable[str]) -> Iterator[Line]:
    """The lines that are no comments, an empty line as it is; without blocks of text."""
    end = ""
    for number, text in enumerate(lines, 1):
        if end:
            if text.startswith(end):
                end = ""
        elif begun := _BEGIN.match(text):
            end = f"%%end{begun[1]}"
        elif text.startswith("%%"):
            yield Line(number, "I:" + _COMMENT.sub(r"\1", text[2:]))
        elif not text.lstrip().startswith("%"):
            yield Line(number, _COMMENT.sub(r"\1", text).rstrip())


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Runs of lines between empty lines."""
    block: list[Line] = []
    for line in lines:
        if line.text:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _check_free_text(lines: list[Line], n_tunes: int) -> None:
    """Refuse text between tunes that is music: an empty line within a tune would lose it."""
    for number, text in lines:
        field = re.match(r"[KV]:\s*\S", text)
        if field or is_music(text):
            ends = f"after the empty line that ends tune {n_tunes}"
            where = ends if n_tunes else "before the first tune"
            raise ReadError(
                f"line {number}: music {where}; remove the empty line, or begin a tune with X:"
            )
