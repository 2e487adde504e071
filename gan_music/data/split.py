"""The split into training, validation and test pieces: by work, never by window."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from gan_music.data.pack import names, take
from gan_music.io.read import SUFFIXES
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The pieces of each split, sorted by name."""

    train: Sequence[Piece]
    val: Sequence[Piece]
    test: Sequence[Piece]


def work_of(name: str, movement: str | None, suffixes: Collection[str] = SUFFIXES) -> str:
    """The work that a piece belongs to, by its name.

    It is the name without its suffix and without the matches of the regular expression
    ``movement``, regardless of case. None makes each piece a work of its own.
    """
    if movement is None:
        return name
    stem, dot, suffix = name.rpartition(".")
    if dot + suffix.lower() in suffixes:
        name = stem
    return re.sub(movement, "", name, flags=re.IGNORECASE)


def split_pieces(
    pieces: Sequence[Piece],
    *,
    val_rate: float,
    test_rate: float,
    movement: str | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> Split:
    """Split pieces by a hash of their work's name alone, so that adding files moves none of them.

    The movements of a work (:func:`work_of`) are kept together; if there are fewer works than
    splits, they are not. A split that would be empty takes the work with the nearest hash. With a
    rate of 0, nothing is held out and the split is a copy of the training pieces.

    Raises
    ------
    UserError
        With fewer pieces than splits.
    """
    n_splits = 1 + (val_rate > 0) + (test_rate > 0)
    if len(pieces) < n_splits:
        raise UserError(
            f"{len(pieces)} pieces cannot be split into train, val and test: at least {n_splits} "
            "are needed, each in a file of its own."
        )
    piece_names = names(pieces)
    hashes = np.array([_hash(work_of(name, movement, suffixes)) for name in piece_names], np.uint64)
    works, work = np.unique(hashes, return_inverse=True)
    if len(works) < n_splits:
        log.warning(
            "the files look like movements of %d work(s) (data.movement), too few to split: "
            "each is taken as a work of its own",
            len(works),
        )
        works, work = np.unique(
            np.array(list(map(_hash, piece_names)), np.uint64), return_inverse=True
        )
    positions = works / 2.0**64
    n_held = int((positions < test_rate + val_rate).sum())
    n_test = max(int(test_rate > 0), int((positions < test_rate).sum()))
    n_test = min(n_test, len(works) - 1 - (val_rate > 0))
    n_val = min(max(int(val_rate > 0), n_held - n_test), len(works) - 1 - n_test)
    bounds = ((n_test + n_val, len(works)), (n_test, n_test + n_val), (0, n_test))
    train, val, test = (
        sorted(np.flatnonzero((work >= low) & (work < high)).tolist(), key=piece_names.__getitem__)
        for low, high in bounds
    )
    return Split(*(take(pieces, chosen) for chosen in (train, val or train, test or train)))


def subsample(pieces: Sequence[Piece], n: int) -> Sequence[Piece]:
    """At most ``n`` of the pieces, in their order, chosen by a hash of their names alone."""
    if len(pieces) <= n:
        return pieces
    hashes = np.array(list(map(_hash, names(pieces))), np.uint64)
    return take(pieces, np.sort(np.argsort(hashes, kind="stable")[:n]).tolist())


def _hash(name: str) -> int:
    return int.from_bytes(
        hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big"
    )
