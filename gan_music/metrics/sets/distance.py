"""One number for how far generated windows lie from real ones: what training is steered by.

Quick enough for every epoch; :mod:`gan_music.metrics.evaluation` is the whole measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.metrics.excerpts import stack_windows
from gan_music.metrics.piece import histograms
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.reference_sets import LEAST_WINDOW
from gan_music.metrics.sets.mgeval import mgeval
from gan_music.metrics.sets.prdc import prdc_measure, standardise
from gan_music.music.piece import Piece

_NEIGHBOURS = 5


def distance(windows: Sequence[Piece], reference: Sequence[Piece]) -> dict[str, float]:
    """``distance``, 0 best and 1 worst, and what it is made of.

    It is 1 minus the mean of four figures, each 1 at best:

    - ``histogram_overlap``: of pitches, durations and offsets (``histograms.compare``);
    - ``oa_mean``: overlapped area of MGEval's nine features (Yang & Lerch 2018);
    - ``precision`` and ``coverage`` (Naeem et al. 2020), k = 5.

    The last three are of windows, the first of all notes, so that it is known where the others are
    not: with windows of fewer than 8 notes, or with few of them. What is undefined is left out of
    the mean. Real music does not reach 0 either: piano pieces lie 0.17 from other piano pieces.
    """
    figures = {"histogram_overlap": 1 - histograms.compare(windows, reference)["distance"]}
    length = min(map(len, (*windows, *reference)), default=0)
    if length >= LEAST_WINDOW and windows and reference:
        n = min(len(windows), len(reference))
        ours, theirs = (
            stack_windows([side[i].cut(0, length) for i in _spread(len(side), n)], length)
            for side in (windows, reference)
        )
        everything = np.arange(n)
        likeness = mgeval(ours, theirs)(everything, everything)
        real, fake = standardise(*(as_matrix(window_features(w)) for w in (theirs, ours)))
        quality = prdc_measure(fake, ours.piece, real, theirs.piece, k=_NEIGHBOURS)(
            everything, everything
        )
        figures["oa_mean"] = likeness["oa_mean"]
        figures |= {name: quality[name] for name in ("precision", "coverage")}
    known = [value for value in figures.values() if value == value]
    return {"distance": 1 - float(np.mean(known)) if known else float("nan")} | figures


def _spread(n: int, wanted: int) -> list[int]:
    return np.linspace(0, n - 1, wanted).astype(int).tolist()
