"""Mode collapse: how much the generated windows vary, relative to a reference.

These figures are fast enough for training: windows of one length, no classifier, no intervals. They
measure variety and not quality: shuffled notes are ``varied``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_music.metrics.piece.histograms import entropy
from gan_music.metrics.piece.ngrams import (
    INTERVAL_OFFSET_DURATION,
    PITCH,
    ngram_ids,
    note_ids,
    value_ids,
)
from gan_music.music.piece import IntArray, Piece

VARIED, NARROW, COLLAPSED, UNDEFINED = "varied", "narrow", "collapsed", "undefined"

WORDS = (VARIED, NARROW, COLLAPSED, UNDEFINED)

NAN = float("nan")

# Ratios to the reference's figure below which a set is narrow, and collapsed. Real music against
# other real music of the same kind stays above the first, with 8 pieces or more.
THRESHOLDS = {
    "entropy_pitch": (0.85, 0.7),
    "entropy_duration": (0.5, 0.3),
    "entropy_offset": (0.5, 0.3),
    "n_pitches": (0.6, 0.35),
    "distinct_pitch_4grams": (0.5, 0.25),
    "distinct_note_4grams": (0.5, 0.25),
    "distance_between_samples": (0.2, 0.1),
}
# why a figure is undefined, from the least music on
_CAUSES = {
    "n_pitches": "no notes",
    "distinct_note_4grams": "no excerpt of four notes",
    "distance_between_samples": "fewer than two excerpts to compare",
}


def collapse_figures(windows: Sequence[Piece]) -> dict[str, float]:
    """Variety of a set of windows, or of pieces, of similar length.

    The figures depend on the number of windows: compare equal numbers.

    - ``entropy_pitch``, ``entropy_duration``, ``entropy_offset``: entropy over the notes of all
      windows, in bits; the offset is the time since the previous note, 0 within a chord.
    - ``n_pitches``: number of different pitches.
    - ``distinct_pitch_4grams``, ``distinct_note_4grams``: distinct-4 (Li et al. 2016), of pitch and
      of (interval, offset, duration).
    - ``distance_between_samples``: total variation distance (0 to 1) between the histograms of two
      windows, averaged over pairs of windows and over pitch, duration and offset; minus the value
      after all notes are randomly reassigned to windows. It is 0 for a generator that draws every
      note from one distribution.

    A figure is NaN without a note, without a 4-gram, or with fewer than two windows.
    """
    windows = [w for w in windows if len(w)]
    values = {
        "pitch": [w.pitch for w in windows],
        "duration": [w.duration for w in windows],
        "offset": [np.diff(w.onset) for w in windows],
    }
    figures = {f"entropy_{name}": entropy(_joined(v)) for name, v in values.items()}
    figures["n_pitches"] = float(len(np.unique(_joined(values["pitch"])))) if windows else NAN
    for name, columns in (("pitch", PITCH), ("note", INTERVAL_OFFSET_DURATION)):
        grams = _joined(ngram_ids(note_ids(windows, columns), 4))
        rate = len(np.unique(grams)) / len(grams) if len(grams) else NAN
        figures[f"distinct_{name}_4grams"] = rate
    parts = [_mean_distance(v) - _distance_by_chance(v) for v in values.values()]
    figures["distance_between_samples"] = float(np.mean(parts))
    return figures


def relative_to(figures: dict[str, float], reference: dict[str, float]) -> dict[str, float]:
    """Each figure divided by the reference's; NaN where either is undefined or the latter is 0."""
    return {
        name: figures[name] / reference[name] if reference[name] > 0 else NAN for name in THRESHOLDS
    }


class Variety(NamedTuple):
    """``collapsed``, ``narrow``, ``varied`` or ``undefined``, and why; varied has no reason."""

    word: str
    reason: str | None


def variety(figures: dict[str, float], reference: dict[str, float]) -> Variety:
    """The variety of a set, from its figures and those of equally many windows of the reference.

    A set is collapsed or narrow if any ratio lies below that threshold (``THRESHOLDS``). It is
    undefined if a figure of either set is, or if the reference does not vary in one of them and no
    other one is below its threshold.
    """
    for name, cause in _CAUSES.items():
        undefined = [figures[name] != figures[name], reference[name] != reference[name]]
        if any(undefined):
            where = "both sets have" if all(undefined) else "the samples have"
            return Variety(UNDEFINED, f"{where if undefined[0] else 'the reference has'} {cause}")
    ratios = relative_to(figures, reference)
    for word, place in ((COLLAPSED, 1), (NARROW, 0)):
        below = {n: r / THRESHOLDS[n][place] for n, r in ratios.items() if r < THRESHOLDS[n][place]}
        if below:
            name = min(below, key=lambda n: below[n])
            return Variety(word, f"{name} is {ratios[name]:.2f} of the reference's")
    for name, ratio in ratios.items():
        if ratio != ratio:
            return Variety(UNDEFINED, f"{name} of the reference is {reference[name]:.2g}")
    return Variety(VARIED, None)


def _joined(arrays: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _distance_by_chance(columns: Sequence[IntArray]) -> float:
    """The mean distance after random reassignment of the values, averaged over three draws."""
    everything = np.sort(_joined(columns))  # independent of the order of the windows
    bounds = np.cumsum([len(c) for c in columns])[:-1]
    rng = np.random.default_rng(0)
    draws = [np.split(rng.permutation(everything), bounds) for _ in range(3)]
    return float(np.mean([_mean_distance(draw) for draw in draws]))


def _mean_distance(columns: Sequence[IntArray]) -> float:
    """Total variation distance between the histograms of two windows, averaged over all pairs."""
    columns = [c for c in columns if len(c)]
    n = len(columns)
    if n < 2:
        return NAN
    ids = value_ids(_joined(columns))
    row = np.repeat(np.arange(n), [len(c) for c in columns])
    size = int(ids.max()) + 1
    shares = np.bincount(row * size + ids, minlength=n * size).reshape(n, size)
    shares = np.sort(shares / shares.sum(1, keepdims=True), axis=0)
    # The sum of |x_i - x_j| over the pairs of a sorted list counts x_i as the larger one i times.
    weights = 2 * np.arange(n) - (n - 1)
    return float((weights @ shares).sum() / (n * (n - 1)))
