"""The four sets that every figure is measured on, and two ways to measure one on all of them.

*generated*; the *reference*, whose halves against each other are the ceiling; and two floors, the
reference *shuffled* and *one note* repeated. All have equally many pieces of equally many notes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.baselines import one_note, shuffled
from gan_music.metrics.bootstrap import (
    NAN,
    UNDEFINED,
    Estimate,
    Halves,
    Measure,
    halves,
    over_draws,
    over_pieces,
)
from gan_music.metrics.excerpts import Sampled, Windows, stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.sets.prdc import standardise
from gan_music.music.piece import Piece

FloatArray = NDArray[np.float64]

# Shorter windows have no features worth the name.
LEAST_WINDOW = 8
_N_FLOOR_DRAWS = 8


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    ``best`` says what is better: ``higher``, ``lower``, nearer to ``0.5``, or nearer to the
    ``reference``'s value. The interval of ``reference`` is that of the ceiling.
    """

    best: str
    generated: Estimate
    reference: Estimate = UNDEFINED
    shuffled: float = NAN
    one_note: float = NAN


@dataclass(frozen=True, eq=False)
class Side:
    """One set: its pieces, their windows, and the windows as standardised points ``[W, F]``."""

    pieces: list[Piece]
    windows: Windows
    points: FloatArray
    long_windows: Windows
    long_points: FloatArray


@dataclass(frozen=True)
class ReferenceSets:
    """The four sets, and the random halves of their pieces."""

    generated: Side
    reference: Side
    shuffled: Side
    one_note: Side
    draws: list[Halves]
    raw_reference: FloatArray  # the reference's points before they were standardised

    @property
    def all(self) -> tuple[Side, Side, Side, Side]:
        """The sets in the order of the table's columns."""
        return self.generated, self.reference, self.shuffled, self.one_note

    @property
    def n_pieces(self) -> int:
        """Pieces of each set."""
        return len(self.reference.pieces)


def prepare(
    sampled: Sampled, *, window: int, long_window: int, n_draws: int, seed: int
) -> ReferenceSets:
    """Windows and features of all four sets; no windows where they would be too short."""
    sets = [
        sampled.generated,
        sampled.reference,
        shuffled(sampled.reference, seed),
        one_note(sampled.reference),
    ]
    short, long = (
        [
            stack_windows(pieces if length >= LEAST_WINDOW else [], max(length, LEAST_WINDOW))
            for pieces in sets
        ]
        for length in (window, long_window)
    )
    raw = [_points(w) for w in short]
    points, long_points = (_by_reference(p) for p in (raw, [_points(w) for w in long]))
    generated, reference, shuffle, note = (
        Side(*parts) for parts in zip(sets, short, points, long, long_points, strict=True)
    )
    draws = halves(len(sampled.reference), n_draws, seed)
    return ReferenceSets(generated, reference, shuffle, note, draws, raw[1])


def by_halves(
    measure: Callable[[Side], Measure], best: Callable[[str], str], sides: ReferenceSets
) -> dict[str, Figure]:
    """Figures of a half of the candidate's pieces against a half of the reference's.

    Means over the draws of halves. ``measure`` prepares what is dear, for one candidate.
    """
    few = sides.draws[:_N_FLOOR_DRAWS]
    ours, ceiling = measure(sides.generated), measure(sides.reference)
    if not sides.draws:
        names = ours(np.empty(0, np.int64), np.empty(0, np.int64))
        return {name: Figure(best(name), UNDEFINED) for name in names}
    generated = over_draws([ours(d.generated, d.reference) for d in sides.draws])
    reference = over_draws([ceiling(d.other, d.reference) for d in sides.draws])
    floors = []
    for side in (sides.shuffled, sides.one_note):
        floor = measure(side)
        floors.append(over_draws([floor(d.other, d.reference) for d in few]))
    return {
        name: Figure(best(name), generated[name], reference[name], *(f[name].value for f in floors))
        for name in generated
    }


def by_piece(
    figures: Sequence[dict[str, FloatArray]],
    best: Callable[[str], str],
    sides: ReferenceSets,
    summary: Callable = np.nanmean,
) -> dict[str, Figure]:
    """Summaries, by default means, of one number a piece, given for each of the four sets.

    Of all pieces; the interval is that of the halves. Pieces without the figure are left out.
    """
    ours, theirs, *floors = figures
    return {
        name: Figure(
            best(name),
            over_pieces(ours[name], [d.generated for d in sides.draws], summary),
            over_pieces(theirs[name], [d.reference for d in sides.draws], summary),
            *(over_pieces(f[name], (), summary).value for f in floors),
        )
        for name in ours
    }


def columns(rows: Sequence[dict[str, float]]) -> dict[str, FloatArray]:
    """The figures of each piece as one array a figure ``[N]``."""
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _points(windows: Windows) -> FloatArray:
    if windows.length < LEAST_WINDOW:
        return np.empty((0, 0))
    return as_matrix(window_features(windows))


def _by_reference(points: list[FloatArray]) -> list[FloatArray]:
    """Standardised by the second of them."""
    reference, generated, *floors = standardise(points[1], points[0], *points[2:])
    return [generated, reference, *floors]
