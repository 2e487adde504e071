"""The spines of Humdrum files: text -> lines of tokens, each with the path of its spine.

A path is what one column of a line belongs to. It splits (``*^``), joins others (``*v``), changes
places (``*x``), begins (``*+``) and ends (``*-``). Paths that split off belong to one spine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from gan_music.io.errors import ReadError


@dataclass(eq=False)
class Spine:
    """A column that a file begins with, or adds; ``kind`` is its exclusive interpretation."""

    kind: str = ""


@dataclass(eq=False)
class Path:
    """A column of a line; ``end`` is where its last note ends, None before its first."""

    spine: Spine
    end: Fraction | None = None


class Line(NamedTuple):
    """The tokens of a line and their paths; ``number`` counts from 1."""

    number: int
    tokens: list[tuple[Path, str]]


def pieces(text: str) -> Iterator[list[Line]]:
    """The lines of each piece, without comments. A piece ends where all its spines do.

    Raises
    ------
    ReadError
        If the columns of a line are not those of its spines, with the line.
    """
    paths: list[Path] = []
    lines: list[Line] = []
    for number, record in enumerate(re.split(r"\r\n?|\n", text), 1):
        if not record.strip() or record.startswith("!"):
            continue
        tokens = record.rstrip("\t ").split("\t") if "\t" in record else [record.strip()]
        tokens = [token for token in tokens if token] if "" in tokens else tokens
        if not paths:
            if not tokens[0].startswith("**"):
                raise ReadError(f"line {number}: no spine begins there with ** and its kind")
            paths = [Path(Spine()) for _ in tokens]
        if len(tokens) != len(paths):
            raise ReadError(
                f"line {number}: {len(tokens)} columns, but {len(paths)} spines; columns are "
                "separated by tabs"
            )
        lines.append(Line(number, list(zip(paths, tokens, strict=True))))
        if tokens[0].startswith("*"):
            paths = _next_paths(lines[-1])
            if not paths:
                yield lines
                lines = []
    if lines:
        raise ReadError("cut off: its spines do not end with *-")


def _next_paths(line: Line) -> list[Path]:
    """The paths after a line of interpretations."""
    paths: list[Path] = []
    exchanged: list[int] = []
    for (is_join, _), group in groupby(line.tokens, lambda t: (t[1] == "*v", t[0].spine)):
        run = list(group)
        if is_join:
            paths.append(_joined([path for path, _ in run]))
            continue
        for path, token in run:
            if token.startswith("**"):
                path.spine.kind = token[2:]
            if token == "*^":
                paths += [Path(path.spine, path.end), Path(path.spine)]
            elif token == "*+":
                paths += [path, Path(Spine())]
            elif token != "*-":
                if token == "*x":
                    exchanged.append(len(paths))
                paths.append(path)
    if len(exchanged) % 2:
        raise ReadError(f"line {line.number}: *x needs another *x to exchange places with")
    for i, k in zip(exchanged[::2], exchanged[1::2], strict=True):
        paths[i], paths[k] = paths[k], paths[i]
    return paths


def _joined(paths: list[Path]) -> Path:
    ends = [path.end for path in paths if path.end is not None]
    return Path(paths[0].spine, max(ends, default=None))
