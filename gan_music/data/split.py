"""Which pieces train, which validate and which test: by work, never by window."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from gan_music.errors import UserError
from gan_music.io.read import SUFFIXES
from gan_music.notes import Piece

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The three sides, each ordered by name."""

    train: list[Piece]
    val: list[Piece]
    test: list[Piece]


def work_of(name: str, movement: str | None) -> str:
    """The work that a piece of this name belongs to.

    It is the name without its ending, and without what the regular expression ``movement`` finds
    there (case aside); None makes each piece a work of its own.
    """
    if movement is None:
        return name
    stem, dot, suffix = name.rpartition(".")
    if dot + suffix.lower() in SUFFIXES:
        name = stem
    return re.sub(movement, "", name, flags=re.IGNORECASE)


def split_pieces(
    pieces: Sequence[Piece], *, val_rate: float, test_rate: float, movement: str | None = None
) -> Split:
    """Each piece's side by a hash of its work's name alone, so that further files move none.

    Movements of a work fall on one side (see :func:`work_of`), or, where there are fewer works than
    sides, each by itself. Where a side would stay empty, it takes the work whose hash comes nearest
    to it. A rate of 0 holds nothing out: that side is then the training pieces themselves, and its
    figures are theirs.

    Raises
    ------
    UserError
        With fewer pieces than sides.
    """
    n_sides = 1 + (val_rate > 0) + (test_rate > 0)
    if len(pieces) < n_sides:
        raise UserError(
            f"{len(pieces)} pieces cannot be split into train, val and test: at least {n_sides} "
            "are needed, each in a file of its own."
        )
    works: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        works[work_of(piece.name, movement)].append(piece)
    if len(works) < n_sides:
        log.warning(
            "the files look like movements of %d work(s) (data.movement), too few to split: "
            "each is taken as a work of its own",
            len(works),
        )
        works = {piece.name: [piece] for piece in pieces}
    ordered = sorted(works, key=lambda work: (_position(work), work))
    positions = [_position(work) for work in ordered]
    n_held = sum(x < test_rate + val_rate for x in positions)
    n_test = max(test_rate > 0, sum(x < test_rate for x in positions))
    n_test = min(n_test, len(ordered) - 1 - (val_rate > 0))
    n_val = min(max(val_rate > 0, n_held - n_test), len(ordered) - 1 - n_test)
    sides = [
        sorted((p for work in ordered[part] for p in works[work]), key=lambda p: p.name)
        for part in (
            slice(n_test + n_val, None),
            slice(n_test, n_test + n_val),
            slice(0, n_test),
        )
    ]
    train, val, test = sides
    return Split(train, val or train, test or train)


def _position(name: str) -> float:
    return (
        int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")
        / 2**64
    )
