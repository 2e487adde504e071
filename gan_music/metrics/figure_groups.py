"""The groups of figures: what each contains, and how it is computed on the four sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.bootstrap import NAN, Estimate, HalfSample, SetMetric
from gan_music.metrics.excerpts import opening_and_ending, stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.piece.form import form
from gan_music.metrics.piece.harmony import (
    Chromagram,
    bigram_log_likelihood,
    chord_bigrams,
    harmony,
)
from gan_music.metrics.piece.structure import structure
from gan_music.metrics.piece.voice_leading import voice_leading
from gan_music.metrics.piece.voice_separation import tracks_as_voices
from gan_music.metrics.reference_sets import (
    MIN_WINDOW,
    Figure,
    PieceSet,
    ReferenceSets,
    columns,
    over_all_pieces,
    over_half_samples,
)
from gan_music.metrics.sets import classifier
from gan_music.metrics.sets.diversity import (
    distinct_n,
    pairwise_distance_ratio,
    self_bleu,
    support_size,
)
from gan_music.metrics.sets.mgeval import mgeval
from gan_music.metrics.sets.originality import (
    batches,
    longest_matches,
    nearest_distances,
    originality,
)
from gan_music.metrics.sets.prdc import prdc_metric, standardise
from gan_music.music.piece import IntArray, Piece, lengths

FloatArray = NDArray[np.float64]
FigureGroup = dict[str, Figure]

_PART = 128  # notes of an opening and of an ending
_TRAINING_BATCH = 100_000  # training notes whose window features are held in memory
_MIN_COPY = 16  # notes: a shorter piece does not count as a copy of a training piece


def mgeval_group(sets: ReferenceSets) -> FigureGroup:
    """Overlapped area and KL divergence of MGEval's features (:mod:`.sets.mgeval`).

    ``oa_opening`` and ``oa_ending`` are the mean overlapped area of the first and of the last 128
    notes of each piece against all windows of the reference: a difference shows drift.
    """
    reference = sets.reference.windows

    def metric(candidate: PieceSet) -> SetMetric:
        opening, ending = opening_and_ending(candidate.pieces, _PART, reference.length)
        return mgeval(candidate.windows, reference, {"opening": opening, "ending": ending})

    return over_half_samples(
        metric, lambda name: "higher" if name.startswith("oa") else "lower", sets
    )


def c2st_group(sets: ReferenceSets, seed: int) -> FigureGroup:
    """Accuracy of the classifier two-sample test (:mod:`.sets.classifier`), for two window sizes.

    The generated value compares all pieces, over five seeds. The reference's value is the mean of
    five splits of the reference into halves, and its interval is that of the null hypothesis.
    """
    return {
        "accuracy": _c2st(sets, seed, lambda s: (s.features, s.windows.piece)),
        "accuracy_long_window": _c2st(
            sets, seed, lambda s: (s.long_features, s.long_windows.piece)
        ),
    }


def _c2st(
    sets: ReferenceSets, seed: int, view: Callable[[PieceSet], tuple[FloatArray, IntArray]]
) -> Figure:
    """One figure of the test; ``view`` gives the features of windows and their pieces."""

    def test(
        candidate: PieceSet, seeds: Sequence[int], half: HalfSample | None = None
    ) -> classifier.PieceAccuracies:
        ours, theirs = view(candidate), view(sets.reference)
        if half is not None:
            ours, theirs = _of_pieces(*ours, half.other), _of_pieces(*theirs, half.reference)
        return classifier.two_sample_test(*ours, *theirs, seeds=seeds)

    seeds = range(seed, seed + classifier.N_SEEDS)
    draws = sets.draws[: classifier.N_SEEDS]
    generated = test(sets.generated, seeds)
    null = [test(sets.reference, [s], d) for s, d in zip(seeds, draws, strict=False)]
    baselines = [
        classifier.accuracy(test(baseline, [seed], draws[0])) if draws else NAN
        for baseline in (sets.shuffled, sets.one_note)
    ]
    interval = classifier.null_interval(null, sets.n_pieces)
    known = [a for a in map(classifier.accuracy, null) if a == a]
    middle = float(np.mean(known)) if known else interval.value
    ceiling = Estimate(middle, interval.low, interval.high)
    return Figure(
        "0.5",
        classifier.accuracy_interval(generated, len(sets.draws), seed),
        ceiling,
        *baselines,
    )


def _of_pieces(
    features: FloatArray, piece: IntArray, chosen: IntArray
) -> tuple[FloatArray, IntArray]:
    rows = np.isin(piece, chosen)
    return features[rows], piece[rows]


def prdc_group(sets: ReferenceSets, k: int) -> FigureGroup:
    """Precision, recall, density, coverage and Fréchet distance (:mod:`.sets.prdc`)."""
    reference = sets.reference
    return over_half_samples(
        lambda candidate: prdc_metric(
            candidate.features,
            candidate.windows.piece,
            reference.features,
            reference.windows.piece,
            k=k,
        ),
        lambda name: "lower" if name == "frechet_distance" else "higher",
        sets,
    )


def piecewise_group(
    metric: Callable[[Piece], dict[str, float]], sets: ReferenceSets
) -> FigureGroup:
    """A metric of each piece, such as :func:`.piece.rhythm.rhythm`."""
    return over_all_pieces([columns([metric(p) for p in s.pieces]) for s in sets.all], sets)


def voice_leading_group(sets: ReferenceSets) -> FigureGroup:
    """Voice leading of each piece (:mod:`.piece.voice_leading`).

    The voices are the tracks where most pieces of both sets have such, and separated otherwise, so
    that both sets have the same kind.
    """
    compared = (sets.generated, sets.reference)
    shares = [
        np.mean([tracks_as_voices(p) is not None for p in s.pieces]) for s in compared if s.pieces
    ]
    use_tracks = bool(shares) and min(shares) > 0.5
    return piecewise_group(lambda p: voice_leading(p if use_tracks else p.merged()), sets)


def form_group(sets: ReferenceSets) -> FigureGroup:
    """How whole pieces end, and where their phrases do (:mod:`.piece.form`)."""
    return over_all_pieces([columns([form(p) for p in s.whole]) for s in sets.all], sets)


def harmony_group(sets: ReferenceSets) -> FigureGroup:
    """Harmony of each piece, and the likelihood of its chord bigrams under the reference's."""
    figures, bigrams = [], []
    for piece_set in sets.all:
        chromagrams = [Chromagram(p) for p in piece_set.pieces]
        rows = [harmony(p, c) for p, c in zip(piece_set.pieces, chromagrams, strict=True)]
        figures.append(columns(rows))
        bigrams.append(np.array([chord_bigrams(c) for c in chromagrams]))
    of_reference = bigrams[1]

    def likelihood(candidate: PieceSet) -> SetMetric:
        own = bigrams[sets.all.index(candidate)]
        return lambda ours, theirs: {
            "chord_bigram_log_likelihood": bigram_log_likelihood(
                own[ours].sum(0), of_reference[theirs].sum(0)
            )
        }

    return over_all_pieces(figures, sets) | over_half_samples(likelihood, _as_reference, sets)


def diversity_group(sets: ReferenceSets) -> FigureGroup:
    """Distinct-n, self-BLEU, pairwise distances and support size (:mod:`.sets.diversity`)."""
    reference = sets.reference

    def metric(candidate: PieceSet) -> SetMetric:
        parts = (
            distinct_n(candidate.pieces, reference.pieces),
            self_bleu(candidate.pieces),
            pairwise_distance_ratio(
                candidate.features,
                candidate.windows.piece,
                reference.features,
                reference.windows.piece,
            ),
            support_size(candidate.windows),
        )
        return lambda ours, theirs: {k: v for p in parts for k, v in p(ours, theirs).items()}

    return over_half_samples(metric, _as_reference, sets)


def _as_reference(_: str) -> str:
    return "reference"


def structure_group(sets: ReferenceSets, spans: Sequence[int]) -> FigureGroup:
    """Repetition within each piece (:mod:`.piece.structure`)."""
    return over_all_pieces([structure(s.pieces, spans) for s in sets.all], sets)


def originality_group(
    sets: ReferenceSets, training: Sequence[Piece] | None
) -> tuple[FigureGroup, int]:
    """What is copied from the training pieces (:mod:`.sets.originality`); NaN without them.

    The second value is the number of reference pieces that one training piece contains from the
    first note to the last, so that they are not held out.
    """
    n = sets.n_pieces
    if training is None or not lengths(training).any():
        training = []
        matches = [[np.empty(0, np.int64)] * n] * 4
    else:
        everything = longest_matches([p for s in sets.all for p in s.pieces], training)
        matches = [everything[i * n : (i + 1) * n] for i in range(4)]
    n_copied = sum(len(m) >= _MIN_COPY and int(m[0]) == len(m) for m in matches[1])
    figures = [
        originality(m) | {"nearest_training_distance": d}
        for m, d in zip(matches, _nearest(sets, training), strict=True)
    ]
    runs = [{"longest_copied_run_95th": f["longest_copied_run"]} for f in figures]
    return (
        over_all_pieces(runs, sets, summary=lambda v: np.nanpercentile(v, 95))
        | over_all_pieces(figures, sets),
        n_copied,
    )


def _nearest(sets: ReferenceSets, training: Sequence[Piece]) -> list[FloatArray]:
    """For each set, the mean distance of a piece's windows to the nearest training window ``[N]``.

    Distances are Euclidean, of standardised features without the mean pitch, so that they are
    invariant to transposition.
    """
    length = sets.reference.windows.length
    if length < MIN_WINDOW or not len(sets.raw_reference):
        return [np.full(len(s.pieces), np.nan) for s in sets.all]
    nearest = [np.full(len(s.features), np.inf) for s in sets.all]
    for batch in batches(training, _TRAINING_BATCH):
        windows = stack_windows([p for p in batch if len(p)], length)
        if not len(windows):
            continue
        features = window_features(windows)
        relative = [i for i, name in enumerate(features) if name != "pitch_mean"]
        known = standardise(sets.raw_reference, as_matrix(features))[1][:, relative]
        for so_far, piece_set in zip(nearest, sets.all, strict=True):
            np.fmin(so_far, nearest_distances(piece_set.features[:, relative], known), out=so_far)
    means = []
    for piece_set, distance in zip(sets.all, nearest, strict=True):
        distance[np.isinf(distance)] = np.nan  # no training piece has a window
        piece, n_pieces = piece_set.windows.piece, len(piece_set.pieces)
        n = np.bincount(piece, minlength=n_pieces)
        total = np.bincount(piece, weights=distance, minlength=n_pieces)
        means.append(np.where(n > 0, total / np.maximum(n, 1), np.nan))
    return means
