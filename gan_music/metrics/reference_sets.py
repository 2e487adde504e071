"""The four sets that every figure compares, and the two ways to compute a figure on all of them.

The sets are *generated*; the *reference*, whose halves measured against each other give the
ceiling; and two baselines made of the reference, *shuffled* and *one note*. All have equally many
pieces of equally many notes.
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
    HalfSample,
    SetMetric,
    half_samples,
    over_draws,
    over_pieces,
)
from gan_music.metrics.excerpts import Excerpts, Windows, stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.sets.prdc import standardise
from gan_music.music.piece import Piece

FloatArray = NDArray[np.float64]

MIN_WINDOW = 8  # notes: the features of shorter windows say little
_N_BASELINE_DRAWS = 8


@dataclass(frozen=True)
class Figure:
    """One figure of all sets.

    ``best`` is ``higher``, ``lower``, ``0.5`` (the nearer, the better) or ``reference`` (the nearer
    to the reference's value, the better).
    """

    best: str
    generated: Estimate
    reference: Estimate = UNDEFINED
    shuffled: float = NAN
    one_note: float = NAN


@dataclass(frozen=True, eq=False)
class PieceSet:
    """Pieces, the whole ones that they are excerpts of, their windows, and the standardised
    features of the windows ``[W, F]``.
    """

    pieces: list[Piece]
    whole: list[Piece]
    windows: Windows
    features: FloatArray
    long_windows: Windows
    long_features: FloatArray


@dataclass(frozen=True)
class ReferenceSets:
    """The four sets, and random halves of their pieces."""

    generated: PieceSet
    reference: PieceSet
    shuffled: PieceSet
    one_note: PieceSet
    draws: list[HalfSample]
    raw_reference: FloatArray  # features of the reference before standardisation

    @property
    def all(self) -> tuple[PieceSet, PieceSet, PieceSet, PieceSet]:
        """The sets in the order of the table's columns."""
        return self.generated, self.reference, self.shuffled, self.one_note

    @property
    def n_pieces(self) -> int:
        """Pieces in each set."""
        return len(self.reference.pieces)


def prepare(
    excerpts: Excerpts, *, window: int, long_window: int, n_draws: int, seed: int
) -> ReferenceSets:
    """Windows and features of all four sets; none where a window has less than 8 notes."""
    pieces, whole = (
        [ours, theirs, shuffled(theirs, seed), one_note(theirs)]
        for ours, theirs in ((excerpts.generated, excerpts.reference), excerpts.whole)
    )
    short, long = (
        [stack_windows(p if length >= MIN_WINDOW else [], max(length, MIN_WINDOW)) for p in pieces]
        for length in (window, long_window)
    )
    raw = [as_matrix(window_features(w)) for w in short]
    features = _standardised(raw)
    long_features = _standardised([as_matrix(window_features(w)) for w in long])
    generated, reference, permuted, repeated = (
        PieceSet(*parts)
        for parts in zip(pieces, whole, short, features, long, long_features, strict=True)
    )
    draws = half_samples(len(excerpts.reference), n_draws, seed)
    return ReferenceSets(generated, reference, permuted, repeated, draws, raw[1])


def over_half_samples(
    metric: Callable[[PieceSet], SetMetric], best: Callable[[str], str], sets: ReferenceSets
) -> dict[str, Figure]:
    """Figures of a half of each set against a half of the reference, as means over the draws.

    ``metric(candidate)`` precomputes what all draws share. The reference's value compares its own
    two halves: the ceiling.
    """
    generated_metric, reference_metric = metric(sets.generated), metric(sets.reference)
    if not sets.draws:
        names = generated_metric(np.empty(0, np.int64), np.empty(0, np.int64))
        return {name: Figure(best(name), UNDEFINED) for name in names}
    generated = over_draws([generated_metric(d.generated, d.reference) for d in sets.draws])
    reference = over_draws([reference_metric(d.other, d.reference) for d in sets.draws])
    baselines = []
    for baseline in (sets.shuffled, sets.one_note):
        of_baseline = metric(baseline)
        few = sets.draws[:_N_BASELINE_DRAWS]
        baselines.append(over_draws([of_baseline(d.other, d.reference) for d in few]))
    return {
        name: Figure(
            best(name), generated[name], reference[name], *(b[name].value for b in baselines)
        )
        for name in generated
    }


def over_all_pieces(
    values: Sequence[dict[str, FloatArray]],
    sets: ReferenceSets,
    summary: Callable = np.nanmean,
) -> dict[str, Figure]:
    """Summaries, by default means, of one number per piece, given for each of the four sets.

    The value is that of all pieces; the interval is that of the half-samples.
    """
    ours, theirs, *baselines = values
    return {
        name: Figure(
            "reference",
            over_pieces(ours[name], [d.generated for d in sets.draws], summary),
            over_pieces(theirs[name], [d.reference for d in sets.draws], summary),
            *(over_pieces(b[name], (), summary).value for b in baselines),
        )
        for name in ours
    }


def columns(rows: Sequence[dict[str, float]]) -> dict[str, FloatArray]:
    """Dicts of figures, one per piece, as one array ``[N]`` per figure."""
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _standardised(features: list[FloatArray]) -> list[FloatArray]:
    """Features of the four sets by the mean and deviation of the reference, which is the second."""
    reference, generated, *baselines = standardise(features[1], features[0], *features[2:])
    return [generated, reference, *baselines]
