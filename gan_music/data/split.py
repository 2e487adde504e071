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

    Where a side would stay empty, it takes the pieces whose hashes come nearest to it.

    Raises
    ------
    UserError
        With fewer than three pieces.
    """
    if len(pieces) < 3:
        raise UserError(
            f"{len(pieces)} pieces cannot be split into train, val and test: at least 3 are "
            "needed, each in a file of its own."
        )
    ordered = sorted(pieces, key=lambda p: (_position(p.name), p.name))
    positions = [_position(p.name) for p in ordered]
    n_test = max(1, sum(x < test_rate for x in positions))
    n_val = max(1, sum(x < test_rate + val_rate for x in positions) - n_test)
    n_test = min(n_test, len(ordered) - 2)
    n_val = min(n_val, len(ordered) - 1 - n_test)
    test, val = ordered[:n_test], ordered[n_test : n_test + n_val]
    train = ordered[n_test + n_val :]
    return Split(*(sorted(side, key=lambda p: p.name) for side in (train, val, test)))


def _position(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
