"""How far a figure may be trusted: it is drawn again and again from random halves of the pieces.

A bootstrap draws n pieces of n with replacement. Its copies would count as near-duplicates in
every figure that looks for neighbours or for n-grams that come again, and push all of them one way.
So a draw here is half of the pieces, without replacement: for a mean, the spread of such halves is
that of the bootstrap (McCarthy 1969, half-samples; Politis & Romano 1994, subsampling), and no
piece meets its copy. The other half of the reference, against the first, is the ceiling.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gan_music.music.piece import IntArray

# (numbers of pieces of the candidate, of the reference) -> figures by name
Measure = Callable[[IntArray, IntArray], dict[str, float]]

NAN = float("nan")


class Estimate(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float = NAN
    high: float = NAN


UNDEFINED = Estimate(NAN)


class Halves(NamedTuple):
    """One draw: numbers of pieces, each array half of them."""

    generated: IntArray
    reference: IntArray
    other: IntArray  # the reference's other half


def halves(n_pieces: int, n_draws: int, seed: int) -> list[Halves]:
    """Random halves of two sets of ``n_pieces`` each; none where a half would be empty."""
    size = n_pieces // 2
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(n_draws if size else 0):
        generated, reference = rng.permutation(n_pieces), rng.permutation(n_pieces)
        draws.append(Halves(generated[:size], reference[:size], reference[size : 2 * size]))
    return draws


def over_draws(figures: Sequence[dict[str, float]]) -> dict[str, Estimate]:
    """Mean and 2.5th and 97.5th percentile of each figure over the draws where it is defined.

    A figure that was undefined in most draws is NaN.
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
    """A summary of one number a piece, by default the mean; pieces with NaN are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN gives NaN
        value = float(summary(values)) if len(values) else NAN
        spread = np.array([summary(values[d]) for d in draws])
    spread = spread[~np.isnan(spread)]
    if len(spread) < 2:
        return Estimate(value)
    low, high = np.percentile(spread, (2.5, 97.5))
    return Estimate(value, float(low), float(high))
