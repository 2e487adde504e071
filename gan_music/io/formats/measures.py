"""Measures as scores write them -> the meters of a piece."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from gan_music.music.piece import COMMON_TIME, IntArray, Piece, rounding

TimeSignature = tuple[int, int]  # numerator, denominator


def steps(quarters: Any, grid: int) -> int:
    """A time in quarter notes in steps of the grid, halves upwards."""
    numerator, denominator = Fraction(quarters).as_integer_ratio()
    return (2 * numerator * grid + denominator) // (2 * denominator)


def piece_in_ticks(
    onset: IntArray, duration: IntArray, pitch: Sequence[int], resolution: int, **fields: Any
) -> Piece:
    """A piece of notes with times in ticks, ``resolution`` a quarter note, rounded to the grid,
    halves upwards.
    """
    grid = fields["grid"]
    exact = [np.asarray(t, dtype=np.int64) * grid for t in (onset, duration)]
    rounded = [(2 * t + resolution) // (2 * resolution) for t in exact]
    moved = rounding(exact[0] / resolution, rounded[0], exact[1] / resolution, rounded[1], grid)
    return Piece.from_arrays(rounded[0], np.maximum(1, rounded[1]), pitch, rounding=moved, **fields)


def meters_of_measures(
    measures: Sequence[tuple[Fraction, TimeSignature | None]], grid: int
) -> list[tuple[int, int, int]]:
    """The meters of a part: start in steps, numerator, denominator.

    ``measures`` are their starts, in quarter notes, and their time signatures if they have one. A
    measure needs no entry if it begins on a barline of the meter before it. The meter of a pickup
    begins before the piece does. A bar that is written as two measures, as around a repeat, is one.
    """
    starts = [start for start, _ in measures]
    meters: list[tuple[Fraction, TimeSignature]] = []
    current: TimeSignature | None = None
    for i, (start, written) in enumerate(measures):
        if written is not None and written != current:
            current = written
        elif i > 0:
            if current is None or _on_barline(start, meters[-1]):
                continue
            if i + 1 < len(starts) and _on_barline(starts[i + 1], meters[-1]):
                continue
        if current is None:
            continue
        if i == 0 and len(starts) > 1 and starts[1] - start < _bar(current):
            start = starts[1] - _bar(current)
        meters.append((start, current))
    found: dict[int, TimeSignature] = {}
    for start, meter in meters:
        found[steps(start, grid)] = meter
    if not found or min(found) > 0:
        found[0] = COMMON_TIME[1:]
    return [(start, *found[start]) for start in sorted(found)]


def _bar(meter: TimeSignature) -> Fraction:
    return Fraction(4 * meter[0], meter[1])


def _on_barline(time: Fraction, meter: tuple[Fraction, TimeSignature]) -> bool:
    return (time - meter[0]) % _bar(meter[1]) == 0
