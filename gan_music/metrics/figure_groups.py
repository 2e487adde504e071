"""The families of figures: which there are, what is better, how each is measured on all sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, UNDEFINED, Estimate, Measure
from gan_music.metrics.excerpts import opening_and_ending, stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.piece.harmony import Sound, chord_moves, harmony, move_likelihood
from gan_music.metrics.piece.rhythm import rhythm
from gan_music.metrics.piece.structure import structure
from gan_music.metrics.piece.tonality import tonality
from gan_music.metrics.reference_sets import (
    LEAST_WINDOW,
    Figure,
    ReferenceSets,
    Side,
    by_halves,
    by_piece,
    columns,
)
from gan_music.metrics.sets.classifier import (
    N_SEEDS,
    accuracy,
    accuracy_interval,
    null_interval,
    two_sample_test,
)
from gan_music.metrics.sets.diversity import distinct, self_bleu, spread, support
from gan_music.metrics.sets.mgeval import mgeval
from gan_music.metrics.sets.originality import (
    longest_matches,
    nearest_distances,
    originality,
    parts,
)
from gan_music.metrics.sets.prdc import prdc_measure, standardise
from gan_music.music.piece import IntArray, Piece, lengths

FloatArray = NDArray[np.float64]
FigureGroup = dict[str, Figure]

_PART = 128  # notes at either end of a piece, for drift
_MEASURED_AT_ONCE = 100_000  # training notes whose windows' features are held in memory
_LEAST_COPY = 16  # notes of a piece that make it a copy


def likeness(sides: ReferenceSets) -> FigureGroup:
    """MGEval's nine features: overlapped area and KL divergence.

    Also the mean overlapped area of the first and of the last 128 notes of the candidate's pieces
    alone, against all windows of the reference: whether music drifts as it goes on.
    """
    reference = sides.reference.windows

    def measure(side: Side) -> Measure:
        opening, ending = opening_and_ending(side.pieces, _PART, reference.length)
        return mgeval(side.windows, reference, {"opening": opening, "ending": ending})

    return by_halves(
        measure,
        lambda name: "higher" if name.startswith("oa") else "lower",
        sides,
    )


def judge(sides: ReferenceSets, seed: int) -> FigureGroup:
    """The classifier two-sample test on windows, and on long windows.

    The generated pieces meet the whole reference, over five seeds. The reference's value is the
    mean of five pairs of its own halves, a seed each; its interval is the null's, in which 95 % of
    accuracies lie if the generated pieces are as good as real ones.
    """
    figures = {}
    for name, windows, points in (
        ("accuracy", "windows", "points"),
        ("accuracy_long", "long_windows", "long_points"),
    ):

        def test(
            side: Side,
            seeds: Sequence[int],
            ours: IntArray | None = None,
            theirs: IntArray | None = None,
            windows: str = windows,
            points: str = points,
        ) -> tuple[FloatArray, FloatArray]:
            arguments: list[np.ndarray] = []
            for one, chosen in ((side, ours), (sides.reference, theirs)):
                piece = getattr(one, windows).piece
                rows = np.isin(piece, chosen) if chosen is not None else np.ones(len(piece), bool)
                arguments += [getattr(one, points)[rows], piece[rows]]
            return two_sample_test(*arguments, seeds=seeds)

        seeds = range(seed, seed + N_SEEDS)
        draws = sides.draws[:N_SEEDS]
        ours = test(sides.generated, seeds)
        null = [
            test(sides.reference, [s], d.other, d.reference)
            for s, d in zip(seeds, draws, strict=False)
        ]
        floors = [
            accuracy(test(side, [seed], d.other, d.reference)) if draws else NAN
            for side in (sides.shuffled, sides.one_note)
            for d in draws[:1]
        ]
        bounds = null_interval(null, sides.n_pieces)
        known = [a for a in map(accuracy, null) if a == a]
        ceiling = Estimate(float(np.mean(known)), bounds.low, bounds.high) if known else UNDEFINED
        figures[name] = Figure(
            "0.5", accuracy_interval(ours, len(sides.draws), seed), ceiling, *floors
        )
    return figures


def quality(sides: ReferenceSets, k: int) -> FigureGroup:
    """Precision, recall, density, coverage, Fréchet distance."""
    real = sides.reference
    return by_halves(
        lambda side: prdc_measure(
            side.points, side.windows.piece, real.points, real.windows.piece, k=k
        ),
        lambda name: "lower" if name == "frechet_distance" else "higher",
        sides,
    )


def _like_reference(name: str) -> str:
    return "reference"


def _each(function: Callable[[Piece], dict[str, float]]) -> Callable[[ReferenceSets], FigureGroup]:
    def family(sides: ReferenceSets) -> FigureGroup:
        return by_piece(
            [columns([function(p) for p in side.pieces]) for side in sides.all],
            _like_reference,
            sides,
        )

    return family


pitch = _each(tonality)
rhythmic = _each(rhythm)


def harmonic(sides: ReferenceSets) -> FigureGroup:
    """Harmony of each piece, and the likelihood of chord moves under the reference's bigram."""
    figures, moves = [], []
    for side in sides.all:
        sounds = [Sound(p) for p in side.pieces]
        rows = [harmony(p, s) for p, s in zip(side.pieces, sounds, strict=True)]
        figures.append(columns(rows))
        moves.append(np.array([chord_moves(s) for s in sounds]))
    learned_from = moves[1]

    def likelihood(side: Side) -> Measure:
        own = moves[sides.all.index(side)]
        return lambda ours, theirs: {
            "chord_move_likelihood": move_likelihood(own[ours].sum(0), learned_from[theirs].sum(0))
        }

    return by_piece(figures, _like_reference, sides) | by_halves(likelihood, _like_reference, sides)


def diverse(sides: ReferenceSets) -> FigureGroup:
    """Distinct n-grams, self-BLEU, spread of windows, size of the support."""
    real = sides.reference

    def measure(side: Side) -> Measure:
        parts = (
            distinct(side.pieces, real.pieces),
            self_bleu(side.pieces),
            spread(side.points, side.windows.piece, real.points, real.windows.piece),
            support(side.windows),
        )
        return lambda ours, theirs: {k: v for p in parts for k, v in p(ours, theirs).items()}

    return by_halves(measure, _like_reference, sides)


def structural(sides: ReferenceSets, spans: Sequence[int]) -> FigureGroup:
    """What comes back within a piece."""
    return by_piece([structure(side.pieces, spans) for side in sides.all], _like_reference, sides)


def without_copies(
    sides: ReferenceSets, training: Sequence[Piece] | None
) -> tuple[FigureGroup, int]:
    """What is copied from the training pieces; the reference stands for real music held out.

    NaN without training pieces. The number is of the reference's pieces that are not held out:
    from end to end they stand in one training piece.
    """
    n = sides.n_pieces
    if training is None or not lengths(training).any():
        training = []
        matches = [[np.empty(0, np.int64)] * n] * 4
    else:
        everything = longest_matches([p for s in sides.all for p in s.pieces], training)
        matches = [everything[i * n : (i + 1) * n] for i in range(4)]
    n_copied = sum(len(m) >= _LEAST_COPY and int(m[0]) == len(m) for m in matches[1])
    figures = [
        originality(m) | {"nearest_training_window": d}
        for m, d in zip(matches, _nearest(sides, training), strict=True)
    ]
    runs = [{"longest_copied_run_95th": f["longest_copied_run"]} for f in figures]
    return (
        by_piece(runs, _like_reference, sides, summary=lambda v: np.nanpercentile(v, 95))
        | by_piece(figures, _like_reference, sides),
        n_copied,
    )


def _nearest(sides: ReferenceSets, training: Sequence[Piece]) -> list[FloatArray]:
    """Of each piece of the four sets, the mean distance of its windows to the nearest in training.

    Between standardised points, but for the mean pitch: in whatever key.
    """
    length = sides.reference.windows.length
    if length < LEAST_WINDOW or not len(sides.raw_reference):
        return [np.full(len(side.pieces), np.nan) for side in sides.all]
    nearest = [np.full(len(side.points), np.inf) for side in sides.all]
    for part in parts(training, _MEASURED_AT_ONCE):
        windows = stack_windows([p for p in part if len(p)], length)
        if not len(windows):
            continue
        features = window_features(windows)
        relative = [i for i, name in enumerate(features) if name != "pitch_mean"]
        known = standardise(sides.raw_reference, as_matrix(features))[1][:, relative]
        for so_far, side in zip(nearest, sides.all, strict=True):
            np.fmin(so_far, nearest_distances(side.points[:, relative], known), out=so_far)
    means = []
    for side, distance in zip(sides.all, nearest, strict=True):
        distance[np.isinf(distance)] = np.nan  # no training piece has a window
        n = np.bincount(side.windows.piece, minlength=len(side.pieces))
        total = np.bincount(side.windows.piece, weights=distance, minlength=len(side.pieces))
        means.append(np.where(n > 0, total / np.maximum(n, 1), np.nan))
    return means
