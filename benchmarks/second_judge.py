"""A second opinion on samples: a judge that shares no figure with the project's own measure.

    python benchmarks/second_judge.py MIDI [SAMPLES ...]

Each folder of samples (``*.mid``) is held against the test pieces of MIDI, split as training splits
them, and so are 64 of the training pieces, first. Pieces are read for 400 notes, the real ones from
a random place, and cut into windows of 64; of a test piece nine windows from all of it are taken,
at most. A window is 30 plain numbers. Printed are

- ``judge``: the accuracy of a random forest that tells samples from test pieces, on pieces that it
  has not learned from, both sides weighing the same; 0.5 is best
- ``coverage``, ``precision``: Naeem et al. (2020) and Kynkäänniemi et al. (2019), 5 neighbours
- ``4-grams``: the share of distinct pitch 4-grams in pieces of 400 notes
- ``loops``: windows in which fewer than half of them are distinct, by their place in the piece; how
  often a window of a piece is one after one that is none, and after one that is
- ``told by``: the numbers that the forest goes by most, the share of its decisions that each has,
  and how far samples, and all training pieces, lie from test pieces in it, in standard deviations
  of these
- ``surest of``: windows that it is surest are samples, by their piece, numbered in the order of the
  files, and their first note
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from protocol.samples import read_split
from sklearn.ensemble import RandomForestClassifier

from gan_music.config.validate import compose_run
from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

Notes = NDArray[np.int64]  # onset, duration (steps) and pitch, [N, 3]
Points = NDArray[np.float64]

_GRID = 24
_WINDOW, _N_NOTES, _N_PIECES, _N_TEST_WINDOWS = 64, 400, 64, 9
_N_FOLDS, _N_SEEDS = 5, 3
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11))
_N_REASONS = 6
_N_SUREST = 3
# the columns of a point
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
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("midi", type=Path, metavar="MIDI")
    parser.add_argument("samples", type=Path, nargs="*", metavar="SAMPLES")
    arguments = parser.parse_args()
    try:
        split = read_split(compose_run("experiment=attention_lm", "data.root=."), arguments.midi)
        found = {str(folder): samples(folder) for folder in arguments.samples}
    except UserError as error:
        sys.exit(f"error: {error}")
    rng = np.random.default_rng(1)
    test = [notes(piece) for piece in split.test]
    points, piece = windows(test)
    few = [rng.permutation(np.flatnonzero(piece == i))[:_N_TEST_WINDOWS] for i in np.unique(piece)]
    chosen = np.concatenate(few)
    print(f"test pieces: {four_grams([excerpt(n, rng) for n in test]):.3f} 4-grams")
    shuffled = rng.permutation(len(split.train))
    train = [excerpt(notes(split.train[i]), rng) for i in shuffled]
    sides = {"training pieces": train[:_N_PIECES], **found}
    real = points[chosen]
    usual = away(windows(train)[0], real)
    for name, side in sides.items():
        report(name, side, real, piece[chosen], usual)


def report(
    name: str, side: Sequence[Notes], real: Points, of: NDArray[np.intp], usual: Points
) -> None:
    """Print what there is to say of a side; ``usual`` is how far all training pieces are away."""
    points, piece = windows(side)
    covered, precise = neighbours(real, points)
    judged = judge(points, piece, real, of)
    print(
        f"{name}: judge {judged.accuracy:.3f}, coverage {covered:.3f}, precision "
        f"{precise:.3f}, {four_grams(side):.3f} 4-grams; loops {loops(points, piece)}"
    )
    far = away(points, real)
    reasons = ", ".join(
        f"{_NAMES[i]} {judged.reasons[i]:.2f} ({far[i]:+.2f}; {usual[i]:+.2f})"
        for i in judged.reasons.argsort()[::-1][:_N_REASONS]
    )
    place = places(piece)
    surest = judged.made.argsort()[::-1][:_N_SUREST]
    where = ", ".join(
        f"piece {piece[i] + 1} from note {_WINDOW * place[i]} on ({judged.made[i]:.2f})"
        for i in surest
    )
    print(f"  told by {reasons}\n  surest of {where}", flush=True)


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


def away(points: Points, real: Points) -> Points:
    """How far the means of points lie from those of real ones, in their deviations."""
    return (points.mean(0) - real.mean(0)) / (real.std(0) + 1e-6)


def notes(piece: Piece) -> Notes:
    """A piece's notes by onset, then by pitch."""
    columns = [piece.onset, piece.duration, piece.pitch]
    rows = np.stack(columns, 1).astype(np.int64)
    return rows[np.lexsort((rows[:, 2], rows[:, 0]))]


def excerpt(piece: Notes, rng: np.random.Generator) -> Notes:
    """400 notes from a random place."""
    first = rng.integers(0, max(1, len(piece) - _N_NOTES))
    return piece[first : first + _N_NOTES]


def windows(pieces: Sequence[Notes]) -> tuple[Points, NDArray[np.intp]]:
    """Points ``[W, 30]`` of all whole windows, and the piece of each."""
    found = [
        (point(piece[start : start + _WINDOW]), number)
        for number, piece in enumerate(pieces)
        for start in range(0, len(piece) - _WINDOW + 1, _WINDOW)
    ]
    return np.array([p for p, _ in found]), np.array([n for _, n in found])


def point(window: Notes) -> Points:
    """What a window is like: pitch, intervals, time, durations, places in the beat, repetition."""
    onset, duration, pitch = window.T
    classes = np.bincount(pitch % 12, minlength=12) / len(pitch)
    time, interval, step = np.unique(onset), np.diff(pitch), np.diff(onset)
    in_scale = max(classes[(np.array(s) + k) % 12].sum() for s in _SCALES for k in range(12))
    sounding = [((onset <= t) & (onset + duration > t)).sum() for t in time]
    trend = np.corrcoef(np.arange(len(pitch)), pitch)[0, 1] if pitch.std() else 0.0
    values = [
        *(pitch.mean(), pitch.std(), np.ptp(pitch), len(np.unique(pitch)), entropy(classes)),
        *(in_scale, np.abs(interval).mean(), np.abs(interval).std()),
        *((interval == 0).mean(), (np.abs(interval) <= 2).mean()),
        *(step.mean(), step.std(), (step == 0).mean(), entropy(shares(step))),
        *(np.log(duration).mean(), np.log(duration).std(), entropy(shares(duration))),
        *((onset % (_GRID // part) == 0).mean() for part in (1, 2, 4, 3)),
        *(np.mean(sounding), len(time) / len(pitch)),
        *(distinct(pitch, n=2), distinct(pitch, n=4)),
        *(distinct(interval, n=2), distinct(interval, n=4)),
        *(distinct(step, duration[1:], n=2), np.log(onset[-1] - onset[0] + 1), trend),
    ]
    return np.array(values, float)


def shares(values: NDArray[np.int64]) -> Points:
    """How often each value is there."""
    return np.unique(values, return_counts=True)[1] / len(values)


def entropy(of: Points) -> float:
    """In bits."""
    return float(-(of[of > 0] * np.log2(of[of > 0])).sum())


def distinct(*columns: NDArray[np.int64], n: int) -> float:
    """The share of distinct n-grams."""
    grams = np.lib.stride_tricks.sliding_window_view(np.stack(columns), n, axis=1)
    flat = grams.swapaxes(0, 1).reshape(grams.shape[1], -1)
    return len(np.unique(flat, axis=0)) / len(flat)


def four_grams(pieces: Sequence[Notes]) -> float:
    """The mean over pieces of their share of distinct pitch 4-grams."""
    return float(np.mean([distinct(piece[:, 2], n=4) for piece in pieces]))


def neighbours(real: Points, made: Points, k: int = 5) -> tuple[float, float]:
    """Coverage and precision, of points in deviations of the real ones."""
    mean, deviation = real.mean(0), real.std(0) + 1e-6
    a, b = (real - mean) / deviation, (made - mean) / deviation
    radius = np.sort(np.linalg.norm(a[:, None] - a, axis=-1), 1)[:, k]
    near = np.linalg.norm(a[:, None] - b, axis=-1) < radius[:, None]
    return float(near.any(1).mean()), float(near.any(0).mean())


class Judged(NamedTuple):
    """What a judge says of samples, from pieces that it has not learned from.

    Attributes
    ----------
    accuracy : the mean over both sides.
    reasons : share of the forest's decisions, ``[30]``.
    made : how sure it is that each window of the samples is one, ``[W]``.
    """

    accuracy: float
    reasons: Points
    made: Points


def judge(
    made: Points, made_of: NDArray[np.intp], real: Points, real_of: NDArray[np.intp]
) -> Judged:
    """A random forest's, out of fold of pieces, the mean of several seeds."""
    points, is_real = np.concatenate([made, real]), np.repeat([0, 1], [len(made), len(real)])
    right, reasons, sure = [], [], np.zeros(len(points))
    for seed in range(_N_SEEDS):
        rng = np.random.default_rng(seed)
        # pieces are dealt side by side, so that each fold has some of both
        dealt = [rng.permutation(of.max() + 1)[of] % _N_FOLDS for of in (made_of, real_of)]
        fold = np.concatenate(dealt)
        for number in range(_N_FOLDS):
            asked = fold == number
            forest = RandomForestClassifier(
                200, min_samples_leaf=2, class_weight="balanced", random_state=seed
            ).fit(points[~asked], is_real[~asked])
            chance = forest.predict_proba(points[asked])  # of samples, of real ones
            said = forest.classes_[chance.argmax(1)]
            right += [(said == is_real[asked])[is_real[asked] == side].mean() for side in (0, 1)]
            reasons.append(forest.feature_importances_)
            sure[asked] += chance[:, 0] / _N_SEEDS
    return Judged(float(np.mean(right)), np.mean(reasons, 0), sure[: len(made)])


def places(piece: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which window of its piece each is, ``[W]``, from 0 on."""
    return np.arange(len(piece)) - np.searchsorted(piece, piece)


def loops(points: Points, piece: NDArray[np.intp]) -> str:
    """How many windows are loops, by place; and how they begin and go on."""
    looped = points[:, _DISTINCT_4GRAMS] < 0.5
    place = places(piece)
    by_place = " ".join(f"{looped[place == p].mean():.2f}" for p in range(place.max() + 1))
    after = looped[1:][np.diff(piece) == 0], looped[:-1][np.diff(piece) == 0]
    begun, gone_on = (after[0][after[1] == before].mean() for before in (False, True))
    return f"{by_place}; begun {begun:.3f}, gone on {gone_on:.2f}"


if __name__ == "__main__":
    main()
