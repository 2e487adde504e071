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
    overlap, count = _overlaps(piece)
    return float(1 - np.average(overlap, weights=count)) if len(overlap) else float("nan")


def pattern_run_length(piece: Piece) -> float:
    """Mean number of successive beats that share a rhythm: two thirds of their onsets or more."""
    if not len(piece):
        return float("nan")
    overlap, count = _overlaps(piece)
    breaks = count[overlap < 2 / 3].sum()
    return float((count.sum() + 1) / (breaks + 1))


def _overlaps(piece: Piece) -> tuple[NDArray[np.float64], IntArray]:
    """The Jaccard indices of successive beats, from the first to the last with an onset, and how
    often each occurs; of two beats without an onset it is 1.
    """
    onset = np.unique(piece.onset) - int(piece.meters[0, 0])
    patterns: dict[int, set[int]] = {}
    for beat, position in zip(*(x.tolist() for x in np.divmod(onset, piece.grid)), strict=True):
        patterns.setdefault(beat, set()).add(position)
    found = [(1.0, 0)]
    for (beat, own), (after, other) in pairwise(patterns.items()):
        if after == beat + 1:
            found.append((len(own & other) / len(own | other), 1))
        else:  # rests between
            found += [(0.0, 2), (1.0, after - beat - 2)]
    overlap, count = zip(*found, strict=True)
    kept = np.array(count) > 0
    return np.array(overlap)[kept], np.array(count, dtype=np.int64)[kept]
