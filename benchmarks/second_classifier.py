"""A second two-sample classifier (C2ST), which shares no feature with the project's metrics.

    python benchmarks/second_classifier.py MIDI [SAMPLES ...]

Each folder of samples (``*.mid``) is compared with the test split of MIDI, after 64 of the training
pieces. Of a piece, 400 notes are cut into windows of 64 (of a real piece, from a random place; of a
test piece, at most nine windows from anywhere). A window has 30 features. Printed are

- ``accuracy``: out-of-fold balanced accuracy of a random forest that separates samples from test
  pieces, with folds by piece; 0.5 is best
- ``coverage``, ``precision``: Naeem et al. (2020) and Kynkäänniemi et al. (2019), 5 neighbours
- ``4-grams``: the share of distinct pitch 4-grams in pieces of 400 notes
- ``loops``: the share of windows with fewer than half of their 4-grams distinct, by place in the
  piece; then the share of loops among windows that follow no loop, and among those that follow one
- ``features``: the features of highest importance in the forest, their importance, and the distance
  of samples, and of all training pieces, from the test pieces, in standard deviations of these
- ``most certain``: the windows of highest predicted probability, by the number of their file and
  their first note
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import common
import numpy as np
from numpy.typing import NDArray
from protocol.samples import read_split
from sklearn.ensemble import RandomForestClassifier

from gan_music.config.validate import compose_run
from gan_music.io.read import ReadError, read
from gan_music.metrics.piece.histograms import entropy
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

Notes = NDArray[np.int64]  # onset, duration (steps) and pitch, [N, 3]
Points = NDArray[np.float64]

_GRID = 24
_WINDOW, _N_NOTES, _N_PIECES, _N_TEST_WINDOWS = 64, 400, 64, 9
_N_FOLDS, _N_SEEDS = 5, 3
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11))
_N_FEATURES = 6
_N_CERTAIN = 3
# features of a window
_NAMES = (
    *("pitch mean", "pitch deviation", "pitch range", "distinct pitches", "pitch class entropy"),
    *("notes in scale", "interval mean", "interval deviation", "repeated pitches", "steps"),
    *("offset mean", "offset deviation", "chords", "offset entropy"),
    *("duration mean", "duration deviation", "duration entropy"),
    *("on the beat", "on half beats", "on quarter beats", "on triplets", "polyphony", "onsets"),
    *("distinct pitch 2-grams", "distinct pitch 4-grams"),
    *("distinct interval 2-grams", "distinct interval 4-grams", "distinct rhythms"),
    *("length", "trend"),
)
_DISTINCT_4GRAMS = _NAMES.index("distinct pitch 4-grams")


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("midi", type=common.folder, metavar="MIDI")
    parser.add_argument("samples", type=common.folder, nargs="*", metavar="SAMPLES")
    arguments = parser.parse_args()
    split = read_split(compose_run("experiment=attention_lm", "data.root=."), arguments.midi)
    found = {str(folder): samples(folder) for folder in arguments.samples}
    rng = np.random.default_rng(1)
    test = [notes(piece) for piece in split.test]
    points, piece = windows(test)
    few = [rng.permutation(np.flatnonzero(piece == i))[:_N_TEST_WINDOWS] for i in np.unique(piece)]
    chosen = np.concatenate(few)
    print(f"test pieces: {four_grams([excerpt(n, rng) for n in test]):.3f} 4-grams")
    shuffled = rng.permutation(len(split.train))
    train = [excerpt(notes(split.train[i]), rng) for i in shuffled]
    sets = {"training pieces": train[:_N_PIECES], **found}
    real = points[chosen]
    train_distance = distance(windows(train)[0], real)
    for name, pieces in sets.items():
        report(name, pieces, real, piece[chosen], train_distance)


def report(
    name: str,
    pieces: Sequence[Notes],
    real: Points,
    real_piece: NDArray[np.intp],
    train_distance: Points,
) -> None:
    """Print the figures of a set of pieces; ``train_distance`` is that of all training pieces."""
    points, piece = windows(pieces)
    covered, precise = neighbours(real, points)
    accuracy, importance, probability = classify(points, piece, real, real_piece)
    print(
        f"{name}: accuracy {accuracy:.3f}, coverage {covered:.3f}, precision "
        f"{precise:.3f}, {four_grams(pieces):.3f} 4-grams; loops {loops(points, piece)}"
    )
    far = distance(points, real)
    features = ", ".join(
        f"{_NAMES[i]} {importance[i]:.2f} ({far[i]:+.2f}; {train_distance[i]:+.2f})"
        for i in importance.argsort()[::-1][:_N_FEATURES]
    )
    place = places(piece)
    certain = probability.argsort()[::-1][:_N_CERTAIN]
    where = ", ".join(
        f"piece {piece[i] + 1} from note {_WINDOW * place[i]} on ({probability[i]:.2f})"
        for i in certain
    )
    print(f"  features: {features}\n  most certain: {where}", flush=True)


def samples(folder: Path) -> list[Notes]:
    """The first 400 notes of each piece of a folder.

    Raises
    ------
    UserError
        If a file cannot be read, or none of them has a window.
    """
    pieces = []
    for path in sorted(folder.glob("*.mid")):
        try:
            pieces += [notes(piece)[:_N_NOTES] for piece in read(path)]
        except ReadError as error:
            raise UserError(f"{path} cannot be read ({error}): leave it out.") from error
    if not any(len(piece) >= _WINDOW for piece in pieces):
        raise UserError(
            f"{folder} has no MIDI file of {_WINDOW} notes: name a folder of samples, RUN/samples."
        )
    return pieces


def distance(points: Points, real: Points) -> Points:
    """Difference of means by feature, in standard deviations of the real points, ``[30]``."""
    return (points.mean(0) - real.mean(0)) / (real.std(0) + 1e-6)


def notes(piece: Piece) -> Notes:
    columns = [piece.onset, piece.duration, piece.pitch]
    rows = np.stack(columns, 1).astype(np.int64)
    return rows[np.lexsort((rows[:, 2], rows[:, 0]))]


def excerpt(piece: Notes, rng: np.random.Generator) -> Notes:
    first = rng.integers(0, max(1, len(piece) - _N_NOTES))
    return piece[first : first + _N_NOTES]


def windows(pieces: Sequence[Notes]) -> tuple[Points, NDArray[np.intp]]:
    """Features ``[W, 30]`` of all whole windows, and the index of the piece of each."""
    found = [
        (window_features(piece[start : start + _WINDOW]), number)
        for number, piece in enumerate(pieces)
        for start in range(0, len(piece) - _WINDOW + 1, _WINDOW)
    ]
    return np.array([p for p, _ in found]), np.array([n for _, n in found])


def window_features(window: Notes) -> Points:
    onset, duration, pitch = window.T
    classes = np.bincount(pitch % 12, minlength=12) / len(pitch)
    time, interval, step = np.unique(onset), np.diff(pitch), np.diff(onset)
    in_scale = max(classes[(np.array(s) + k) % 12].sum() for s in _SCALES for k in range(12))
    sounding = [((onset <= t) & (onset + duration > t)).sum() for t in time]
    trend = np.corrcoef(np.arange(len(pitch)), pitch)[0, 1] if pitch.std() else 0.0
    values = [
        *(pitch.mean(), pitch.std(), np.ptp(pitch), len(np.unique(pitch)), entropy(pitch % 12)),
        *(in_scale, np.abs(interval).mean(), np.abs(interval).std()),
        *((interval == 0).mean(), (np.abs(interval) <= 2).mean()),
        *(step.mean(), step.std(), (step == 0).mean(), entropy(step)),
        *(np.log(duration).mean(), np.log(duration).std(), entropy(duration)),
        *((onset % (_GRID // part) == 0).mean() for part in (1, 2, 4, 3)),
        *(np.mean(sounding), len(time) / len(pitch)),
        *(distinct(pitch, n=2), distinct(pitch, n=4)),
        *(distinct(interval, n=2), distinct(interval, n=4)),
        *(distinct(step, duration[1:], n=2), np.log(onset[-1] - onset[0] + 1), trend),
    ]
    return np.array(values, float)


def distinct(*columns: NDArray[np.int64], n: int) -> float:
    """The share of distinct n-grams of rows of these columns."""
    grams = np.lib.stride_tricks.sliding_window_view(np.stack(columns), n, axis=1)
    flat = grams.swapaxes(0, 1).reshape(grams.shape[1], -1)
    return len(np.unique(flat, axis=0)) / len(flat)


def four_grams(pieces: Sequence[Notes]) -> float:
    """The mean over pieces of their share of distinct pitch 4-grams."""
    return float(np.mean([distinct(piece[:, 2], n=4) for piece in pieces]))


def neighbours(real: Points, made: Points, k: int = 5) -> tuple[float, float]:
    """Coverage and precision of points, standardised by the real ones."""
    mean, deviation = real.mean(0), real.std(0) + 1e-6
    a, b = (real - mean) / deviation, (made - mean) / deviation
    radius = np.sort(np.linalg.norm(a[:, None] - a, axis=-1), 1)[:, k]
    near = np.linalg.norm(a[:, None] - b, axis=-1) < radius[:, None]
    return float(near.any(1).mean()), float(near.any(0).mean())


def classify(
    made: Points, made_piece: NDArray[np.intp], real: Points, real_piece: NDArray[np.intp]
) -> tuple[float, Points, Points]:
    """Means over several seeds of random forests, with folds by piece: the mean of the accuracies
    on samples and on real windows; the importance of the features, ``[30]``; the probability of
    being a sample, for each window of the samples, ``[W]``.
    """
    points, is_real = np.concatenate([made, real]), np.repeat([0, 1], [len(made), len(real)])
    accuracies, importance, probability = [], [], np.zeros(len(points))
    for seed in range(_N_SEEDS):
        rng = np.random.default_rng(seed)
        # each set is dealt by itself, so that every fold has pieces of both
        dealt = [rng.permutation(p.max() + 1)[p] % _N_FOLDS for p in (made_piece, real_piece)]
        fold = np.concatenate(dealt)
        for number in range(_N_FOLDS):
            held_out = fold == number
            forest = RandomForestClassifier(
                200, min_samples_leaf=2, class_weight="balanced", random_state=seed
            ).fit(points[~held_out], is_real[~held_out])
            chance = forest.predict_proba(points[held_out])  # of samples, of real windows
            truth, guess = is_real[held_out], forest.classes_[chance.argmax(1)]
            accuracies += [(guess == truth)[truth == label].mean() for label in (0, 1)]
            importance.append(forest.feature_importances_)
            probability[held_out] += chance[:, 0] / _N_SEEDS
    return float(np.mean(accuracies)), np.mean(importance, 0), probability[: len(made)]


def places(piece: NDArray[np.intp]) -> NDArray[np.intp]:
    """The place of each window in its piece, ``[W]``, from 0."""
    return np.arange(len(piece)) - np.searchsorted(piece, piece)


def loops(points: Points, piece: NDArray[np.intp]) -> str:
    """The share of loops by place, after a window without a loop, and after a loop."""
    looped = points[:, _DISTINCT_4GRAMS] < 0.5
    place = places(piece)
    by_place = " ".join(f"{looped[place == p].mean():.2f}" for p in range(place.max() + 1))
    after = looped[1:][np.diff(piece) == 0], looped[:-1][np.diff(piece) == 0]
    after_none, after_one = (after[0][after[1] == before].mean() for before in (False, True))
    return f"{by_place}; after none {after_none:.3f}, after one {after_one:.2f}"


if __name__ == "__main__":
    common.command(main)
