"""One number for the distance of generated from real windows: selects the best checkpoint.

It is fast enough for every epoch; :mod:`gan_music.metrics.evaluation` has all figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_music.metrics.excerpts import stack_windows
from gan_music.metrics.piece.descriptors import as_matrix, window_features
from gan_music.metrics.piece.histograms import histogram_distances
from gan_music.metrics.reference_sets import MIN_WINDOW
from gan_music.metrics.sets.mgeval import mgeval
from gan_music.metrics.sets.prdc import prdc_metric, standardise
from gan_music.music.piece import Piece

_NEIGHBOURS = 5


def distance(windows: Sequence[Piece], reference: Sequence[Piece]) -> dict[str, float]:
    """``distance``, from 0 (best) to 1, and its components.

    It is 1 - the mean of four figures, each 1 at best:

    - ``histogram_overlap`` of pitches, durations and offsets;
    - ``oa_mean``, the overlapped area of MGEval's nine features (Yang & Lerch 2018);
    - ``precision`` and ``coverage`` (Naeem et al. 2020), k = 5.

    Undefined figures are left out: only the first is defined with windows of fewer than 8 notes, or
    with few windows. Real music does not reach 0: piano pieces have 0.17 to other piano pieces.
    """
    figures = {"histogram_overlap": 1 - histogram_distances(windows, reference)["distance"]}
    length = min(map(len, (*windows, *reference)), default=0)
    if length >= MIN_WINDOW and windows and reference:
        n = min(len(windows), len(reference))
        ours, theirs = (
            stack_windows([pieces[i].cut(0, length) for i in _evenly(len(pieces), n)], length)
            for pieces in (windows, reference)
        )
        everything = np.arange(n)
        overlaps = mgeval(ours, theirs)(everything, everything)
        real, fake = standardise(*(as_matrix(window_features(w)) for w in (theirs, ours)))
        neighbours = prdc_metric(fake, ours.piece, real, theirs.piece, k=_NEIGHBOURS)(
            everything, everything
        )
        figures["oa_mean"] = overlaps["oa_mean"]
        figures |= {name: neighbours[name] for name in ("precision", "coverage")}
    known = [value for value in figures.values() if value == value]
    return {"distance": 1 - float(np.mean(known)) if known else float("nan")} | figures


def _evenly(n: int, wanted: int) -> list[int]:
    return np.linspace(0, n - 1, wanted).astype(int).tolist()
