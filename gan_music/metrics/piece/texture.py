"""Texture: how many notes sound at once, and how long a pattern of the accompaniment stays.

A beat is a quarter note. Its pattern is where in it notes begin, and how many. Undefined figures
are NaN.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gan_music.music.piece import IntArray, Piece

_LONGEST = 64  # quarter notes: longer notes are truncated


def texture(piece: Piece) -> dict[str, float]:
    """All figures of this module."""
    return {
        "notes_at_once_deviation": notes_at_once_deviation(piece),
        "many_notes_rate": many_notes_rate(piece),
        "texture_change_rate": texture_change_rate(piece),
        "pattern_run_length": pattern_run_length(piece),
    }


def notes_at_once(piece: Piece) -> tuple[IntArray, IntArray]:
    """How many notes sound between successive changes, and for how many steps, ``[S]`` both."""
    end = piece.onset + np.minimum(piece.duration, _LONGEST * piece.grid)
    times = np.unique(np.concatenate([piece.onset, end]))
    begun = np.searchsorted(np.sort(piece.onset), times, side="right")
    ended = np.searchsorted(np.sort(end), times, side="right")
    return (begun - ended)[:-1], np.diff(times)


def notes_at_once_deviation(piece: Piece) -> float:
    """Standard deviation over time of the number of sounding notes, where any sounds."""
    number, steps = notes_at_once(piece)
    number, steps = number[number > 0], steps[number > 0]
    if not len(number):
        return float("nan")
    mean = np.average(number, weights=steps)
    return float(np.sqrt(np.average((number - mean) ** 2, weights=steps)))


def many_notes_rate(piece: Piece) -> float:
    """Share of the time with sound in which more than six notes sound."""
    number, steps = notes_at_once(piece)
    total = steps[number > 0].sum()
    return float(steps[number > 6].sum() / total) if total else float("nan")


def texture_change_rate(piece: Piece) -> float:
    """Mean share of the onsets of two successive beats that only one of them has.

    It is 0 where each beat repeats the rhythm of the one before (1 - the Jaccard index of the
    positions of onsets).
    """
    patterns = _patterns(piece)
    return float(np.mean([1 - a for a in _overlaps(patterns)])) if len(patterns) > 1 else _NAN


def pattern_run_length(piece: Piece) -> float:
    """Mean number of successive beats that share a rhythm: two thirds of their onsets or more."""
    patterns = _patterns(piece)
    if not patterns:
        return _NAN
    breaks = sum(a < 2 / 3 for a in _overlaps(patterns))
    return len(patterns) / (breaks + 1)


_NAN = float("nan")


def _patterns(piece: Piece) -> list[frozenset[int]]:
    """The positions of the onsets in each beat from the first to the last with one."""
    if not len(piece):
        return []
    start = int(piece.meters[0, 0])
    onset = np.unique(piece.onset) - start
    beat: NDArray[np.int64] = onset // piece.grid
    found: list[set[int]] = [set() for _ in range(int(beat[-1] - beat[0]) + 1)]
    for k, position in zip((beat - beat[0]).tolist(), (onset % piece.grid).tolist(), strict=True):
        found[k].add(position)
    return [frozenset(f) for f in found]


def _overlaps(patterns: list[frozenset[int]]) -> list[float]:
    return [len(a & b) / len(a | b) if a | b else 1.0 for a, b in pairwise(patterns)]
