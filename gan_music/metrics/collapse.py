"""Collapse: whether a generator still writes different things, judged against a reference.

Cheap enough to be asked while training: windows of one length, no classifier, no bootstrap. The
figures say how much varies, not how well: shuffled notes are ``healthy`` here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.metrics.piece.ngrams import INTERVAL_OFFSET_DURATION, PITCH, renumber, runs, symbols
from gan_music.music.piece import IntArray, Piece

HEALTHY, NARROW, COLLAPSED = "healthy", "narrow", "collapsed"

NAN = float("nan")

# Shares of the reference's figure below which a set is narrow, and collapsed. Real music against
# other real music of its kind, 8 pieces and more, stays above all of the first ones.
THRESHOLDS = {
    "entropy_pitch": (0.85, 0.7),
    "entropy_duration": (0.5, 0.3),
    "entropy_offset": (0.5, 0.3),
    "n_pitches": (0.6, 0.35),
    "distinct_pitch_4grams": (0.5, 0.25),
    "distinct_note_4grams": (0.5, 0.25),
    "distance_between_samples": (0.2, 0.1),
}


def collapse_figures(windows: Sequence[Piece]) -> dict[str, float]:
    """How much varies in a set of windows, or of pieces, of about one length.

    All but the last are of the notes of all windows together; compare equally many windows.

    - ``entropy_pitch``, ``entropy_duration``, ``entropy_offset``: bits; an offset is the time since
      the note before, 0 in a chord.
    - ``n_pitches``: different ones.
    - ``distinct_pitch_4grams``, ``distinct_note_4grams``: share of n-grams that are different, of
      pitch and of (interval, offset, duration).
    - ``distance_between_samples``: between two windows, mean over pairs and over pitch, duration
      and offset of the distance of their histograms (total variation, 0 to 1), beyond chance: less
      what it is once all notes are dealt to the windows anew. It is 0 for a generator that draws
      every note from one distribution, whose pieces differ by chance alone.

    NaN where there is nothing to count: no note, no 4-gram, no two windows.
    """
    windows = [w for w in windows if len(w)]
    values = {
        "pitch": [w.pitch for w in windows],
        "duration": [w.duration for w in windows],
        "offset": [np.diff(w.onset) for w in windows],
    }
    figures = {f"entropy_{name}": _entropy(_joined(v)) for name, v in values.items()}
    figures["n_pitches"] = float(len(np.unique(_joined(values["pitch"])))) if windows else NAN
    for name, columns in (("pitch", PITCH), ("note", INTERVAL_OFFSET_DURATION)):
        grams = _joined(runs(symbols(windows, columns), 4))
        figures[f"distinct_{name}_4grams"] = (
            len(np.unique(grams)) / len(grams) if len(grams) else NAN
        )
    parts = [_mean_distance(v) - _by_chance(v) for v in values.values()]
    figures["distance_between_samples"] = float(np.mean(parts))
    return figures


def relative_to(figures: dict[str, float], reference: dict[str, float]) -> dict[str, float]:
    """Each figure over the reference's; NaN where either is undefined or the reference's is 0."""
    return {
        name: figures[name] / reference[name] if reference[name] > 0 else NAN for name in THRESHOLDS
    }


def verdict(figures: dict[str, float], reference: dict[str, float]) -> str | None:
    """``collapsed``, ``narrow`` or ``healthy``, from the figures of equally many windows.

    Collapsed or narrow is whoever falls below that threshold (``THRESHOLDS``) with any figure.
    None where no figure can be compared.
    """
    return worst(relative_to(figures, reference))[0]


def worst(ratios: dict[str, float]) -> tuple[str | None, str | None]:
    """The verdict on figures relative to a reference's, and the figure that decided it, or None."""
    known = {name: r for name, r in ratios.items() if r == r}
    if not known:
        return None, None
    for word, place in ((COLLAPSED, 1), (NARROW, 0)):
        below = {n: r / THRESHOLDS[n][place] for n, r in known.items() if r < THRESHOLDS[n][place]}
        if below:
            return word, min(below, key=lambda n: below[n])
    return HEALTHY, None


def _joined(arrays: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _entropy(values: IntArray) -> float:
    if not len(values):
        return NAN
    share = np.unique(values, return_counts=True)[1] / len(values)
    return float(-(share * np.log2(share)).sum()) + 0.0


def _by_chance(columns: Sequence[IntArray]) -> float:
    """The mean distance once the values are dealt anew, the mean of three deals."""
    everything = np.sort(_joined(columns))  # whatever the order of the windows
    bounds = np.cumsum([len(c) for c in columns])[:-1]
    rng = np.random.default_rng(0)
    return float(
        np.mean([_mean_distance(np.split(rng.permutation(everything), bounds)) for _ in range(3)])
    )


def _mean_distance(columns: Sequence[IntArray]) -> float:
    """Mean total variation between the histograms of two windows, over all pairs."""
    columns = [c for c in columns if len(c)]
    n = len(columns)
    if n < 2:
        return NAN
    names = renumber(_joined(columns))
    row = np.repeat(np.arange(n), [len(c) for c in columns])
    size = int(names.max()) + 1
    shares = np.bincount(row * size + names, minlength=n * size).reshape(n, size)
    shares = np.sort(shares / shares.sum(1, keepdims=True), axis=0)
    # the sum of |x_i - x_j| over pairs of a sorted list: x_i is the larger one i times
    weights = 2 * np.arange(n) - (n - 1)
    return float((weights @ shares).sum() / (n * (n - 1)))
