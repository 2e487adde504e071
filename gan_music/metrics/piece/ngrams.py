"""Runs of notes by name: exact, without hashing.

Equal runs get equal numbers: a run of 2k symbols is named by the pair of names of its halves
(Karp, Miller & Rosenberg 1972), so naming all runs of n symbols takes log2(n) sorts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.music.piece import IntArray, Piece

# What a note is, for n-grams: the columns whose rows are compared.
PITCH = ("pitch",)
INTERVAL = ("interval",)
INTERVAL_OFFSET = ("interval", "offset")
INTERVAL_OFFSET_DURATION = ("interval", "offset", "duration")


def renumber(values: IntArray) -> IntArray:
    """Equal values get equal numbers, from 0, in the order of the values."""
    return np.unique(values, return_inverse=True)[1].reshape(values.shape).astype(np.int64)


def pair_names(a: IntArray, b: IntArray) -> IntArray:
    """Names of the pairs (a, b): equal for equal pairs, ordered as the pairs are."""
    return renumber(a * (int(b.max(initial=0)) + 1) + b)


def symbols(pieces: Sequence[Piece], columns: Sequence[str]) -> list[IntArray]:
    """Each piece's notes as numbers, equal where all the columns are equal; shared by all pieces.

    ``interval`` and ``offset`` are differences to the note before, so that with one of them a
    piece of N notes gives N - 1 symbols, and transposed music gives the same ones.
    """
    relative = bool({"interval", "offset"} & set(columns))
    lengths = [max(0, len(p) - relative) for p in pieces]
    total = np.zeros(sum(lengths), np.int64)
    for name in columns:
        if name == "interval":
            values = [np.diff(p.pitch) for p in pieces]
        elif name == "offset":
            values = [np.diff(p.onset) for p in pieces]
        else:
            values = [getattr(p, name)[int(relative) :] for p in pieces]
        total = pair_names(total, renumber(np.concatenate([total[:0], *values])))
    return np.split(total, np.cumsum(lengths)[:-1]) if lengths else []


def runs(sequences: Sequence[IntArray], n: int) -> list[IntArray]:
    """Names of all runs of ``n`` symbols within each sequence; n is a power of two."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"runs of {n} symbols, but it must be a power of two")
    names, size = list(sequences), 1
    while size < n:
        first = [s[:-size] if len(s) > size else s[:0] for s in names]
        second = [s[size:] for s in names]
        lengths = [len(s) for s in first]
        if not lengths:
            return []
        joined = pair_names(np.concatenate(first), np.concatenate(second))
        names, size = np.split(joined, np.cumsum(lengths)[:-1]), 2 * size
    return names


def distinct_rate(names: IntArray) -> float:
    """Share of names that are different; NaN without any."""
    return len(np.unique(names)) / len(names) if len(names) else float("nan")


def comeback_rate(names: IntArray) -> float:
    """Share of names that were there before, in reading order: 1 - distinct; NaN without any."""
    return 1 - distinct_rate(names)
