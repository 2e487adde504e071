"""Confidence intervals by half-sampling.

A bootstrap of n pieces draws n with replacement, so that one piece may occur several times. Figures
that look for nearest neighbours or repeated n-grams would count such copies as near-duplicates. A
draw here is therefore half of the pieces, without replacement. For a mean, the variance over
half-samples equals that of the bootstrap (McCarthy 1969; Politis & Romano 1994, subsampling).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gan_music.music.piece import IntArray

# (indices of candidate pieces, indices of reference pieces) -> figures by name
SetMetric = Callable[[IntArray, IntArray], dict[str, float]]

NAN = float("nan")


class Estimate(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float = NAN
    high: float = NAN


UNDEFINED = Estimate(NAN)


class HalfSample(NamedTuple):
    """Indices of pieces; each array is half of a set."""

    generated: IntArray
    reference: IntArray
    other: IntArray  # the other half of the reference


def half_samples(n_pieces: int, n_draws: int, seed: int) -> list[HalfSample]:
    """Random halves of two sets of ``n_pieces`` each; empty with fewer than two pieces."""
    size = n_pieces // 2
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(n_draws if size else 0):
        generated, reference = rng.permutation(n_pieces), rng.permutation(n_pieces)
        draws.append(HalfSample(generated[:size], reference[:size], reference[size : 2 * size]))
    return draws


def over_draws(figures: Sequence[dict[str, float]]) -> dict[str, Estimate]:
    """Mean, 2.5th and 97.5th percentile of each figure over the draws in which it is defined.

    A figure that is undefined in more than half of the draws is NaN.
    """
    estimates = {}
    for name in figures[0] if figures else ():
        values = np.array([f[name] for f in figures])
        values = values[~np.isnan(values)]
        if 2 * len(values) < len(figures) or not len(values):
            estimates[name] = UNDEFINED
            continue
        low, high = np.percentile(values, (2.5, 97.5)) if len(values) > 1 else (NAN, NAN)
        estimates[name] = Estimate(float(values.mean()), float(low), float(high))
    return estimates


def over_pieces(
    values: NDArray[np.float64], draws: Sequence[IntArray], summary: Callable = np.nanmean
) -> Estimate:
    """The mean, or another summary, of one number per piece ``[N]``; NaN pieces are ignored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN gives NaN
        value = float(summary(values)) if len(values) else NAN
        of_draws = np.array([summary(values[d]) for d in draws])
    of_draws = of_draws[~np.isnan(of_draws)]
    if len(of_draws) < 2:
        return Estimate(value)
    low, high = np.percentile(of_draws, (2.5, 97.5))
    return Estimate(value, float(low), float(high))
