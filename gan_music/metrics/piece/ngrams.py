"""N-grams of notes as integer ids, equal for equal n-grams, without hashing.

The id of a run of 2k symbols is the rank of the pair of ids of its halves (Karp, Miller & Rosenberg
1972), so that all n-grams take log2(n) sorts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.music.piece import IntArray, Piece

# The attributes of a note that an n-gram compares.
PITCH = ("pitch",)
INTERVAL = ("interval",)
INTERVAL_OFFSET = ("interval", "offset")
INTERVAL_OFFSET_DURATION = ("interval", "offset", "duration")


def value_ids(values: IntArray) -> IntArray:
    """The rank of each value among the distinct values, from 0."""
    return np.unique(values, return_inverse=True)[1].reshape(values.shape).astype(np.int64)


def pair_ids(a: IntArray, b: IntArray) -> IntArray:
    """The rank of each pair (a, b) among the distinct pairs, in lexicographic order."""
    return value_ids(a * (int(b.max(initial=0)) + 1) + b)


def note_ids(pieces: Sequence[Piece], attributes: Sequence[str]) -> list[IntArray]:
    """Each piece's notes as ids, equal where all the attributes are equal, shared by all pieces.

    ``interval`` and ``offset`` are differences to the previous note. With one of them, a piece of N
    notes has N - 1 ids, which are invariant to transposition.
    """
    relative = bool({"interval", "offset"} & set(attributes))
    lengths = [max(0, len(p) - relative) for p in pieces]
    total = np.zeros(sum(lengths), np.int64)
    for name in attributes:
        if name == "interval":
            values = [np.diff(p.pitch) for p in pieces]
        elif name == "offset":
            values = [np.diff(p.onset) for p in pieces]
        else:
            values = [getattr(p, name)[int(relative) :] for p in pieces]
        total = pair_ids(total, value_ids(np.concatenate([total[:0], *values])))
    return np.split(total, np.cumsum(lengths)[:-1]) if lengths else []


def ngram_ids(sequences: Sequence[IntArray], n: int) -> list[IntArray]:
    """The id of each n-gram within each sequence.

    Raises
    ------
    ValueError
        If n is not a power of two.
    """
    if n < 1 or n & (n - 1):
        raise ValueError(f"n must be a power of two, but is {n}")
    ids, size = list(sequences), 1
    while size < n:
        first = [s[:-size] if len(s) > size else s[:0] for s in ids]
        second = [s[size:] for s in ids]
        lengths = [len(s) for s in first]
        if not lengths:
            return []
        joined = pair_ids(np.concatenate(first), np.concatenate(second))
        ids, size = np.split(joined, np.cumsum(lengths)[:-1]), 2 * size
    return ids


def repetition_rate(ids: IntArray) -> float:
    """Share of n-grams that occur earlier in the sequence, 1 - distinct-n; NaN without n-grams."""
    return 1 - len(np.unique(ids)) / len(ids) if len(ids) else float("nan")
