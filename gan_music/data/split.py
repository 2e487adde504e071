"""Which pieces train, which validate and which test: by work, never by window."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_music.data.pack import names, take
from gan_music.io.read import SUFFIXES
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The three sides, each ordered by name."""

    train: Sequence[Piece]
    val: Sequence[Piece]
    test: Sequence[Piece]


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
    called = names(pieces)
    keys = np.array([_key(work_of(name, movement)) for name in called], np.uint64)
    works, work = np.unique(keys, return_inverse=True)
    if len(works) < n_sides:
        log.warning(
            "the files look like movements of %d work(s) (data.movement), too few to split: "
            "each is taken as a work of its own",
            len(works),
        )
        works, work = np.unique(np.array(list(map(_key, called)), np.uint64), return_inverse=True)
    positions = works / 2.0**64
    n_held = int((positions < test_rate + val_rate).sum())
    n_test = max(int(test_rate > 0), int((positions < test_rate).sum()))
    n_test = min(n_test, len(works) - 1 - (val_rate > 0))
    n_val = min(max(int(val_rate > 0), n_held - n_test), len(works) - 1 - n_test)
    bounds = ((n_test + n_val, len(works)), (n_test, n_test + n_val), (0, n_test))
    train, val, test = (
        sorted(np.flatnonzero((work >= low) & (work < high)).tolist(), key=called.__getitem__)
        for low, high in bounds
    )
    return Split(*(take(pieces, side) for side in (train, val or train, test or train)))


def few(pieces: Sequence[Piece], most: int) -> Sequence[Piece]:
    """At most so many of the pieces, in their order, by a hash of their names alone."""
    if len(pieces) <= most:
        return pieces
    keys = np.array(list(map(_key, names(pieces))), np.uint64)
    return take(pieces, np.sort(np.argsort(keys, kind="stable")[:most]).tolist())


def _key(name: str) -> int:
    """What decides a work's side: a number below 2^64."""
    return int.from_bytes(
        hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big"
    )
