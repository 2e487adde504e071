"""Which pieces train, which validate and which test: by piece, never by window."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from gan_music.errors import UserError
from gan_music.notes import Piece


class Split(NamedTuple):
    """The three sides, each ordered by name."""

    train: list[Piece]
    val: list[Piece]
    test: list[Piece]


def split_pieces(pieces: Sequence[Piece], *, val_rate: float, test_rate: float) -> Split:
    """Each piece's side by a hash of its name alone, so that further files move none of them.

    Where a side would stay empty, it takes the piece whose hash comes nearest to it. A rate of 0
    holds nothing out: that side is then the training pieces themselves, and its figures are theirs.

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
    ordered = sorted(pieces, key=lambda p: (_position(p.name), p.name))
    positions = [_position(p.name) for p in ordered]
    n_held = sum(x < test_rate + val_rate for x in positions)
    n_test = max(test_rate > 0, sum(x < test_rate for x in positions))
    n_test = min(n_test, len(ordered) - 1 - (val_rate > 0))
    n_val = min(max(val_rate > 0, n_held - n_test), len(ordered) - 1 - n_test)
    train = ordered[n_test + n_val :]
    test = ordered[:n_test] or train
    val = ordered[n_test : n_test + n_val] or train
    return Split(*(sorted(side, key=lambda p: p.name) for side in (train, val, test)))


def _position(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
