"""Arrays that the Numba kernels share: past events of every sequence, and constants of the space.

A kernel is compiled when it is first called, which takes seconds, and cached for later processes.
The cache of a kernel is renewed only when its own file changes. So no kernel calls one of another
file; and after a change of a constant that a kernel file imports, that file must be touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Grid(NamedTuple):
    """Constants of the space and of each sequence."""

    offset_bins: Ints  # steps of each id
    duration_bins: Ints
    steps: int  # a beat
    n_beats: int  # of the longest bar
    bar: Ints  # [B], steps


class Events(NamedTuple):
    """Past events, ``[B, ..., capacity]``, in order, of which ``n`` places are filled."""

    ids: Ints  # [B, C, capacity]
    onset: Ints  # [B, capacity], steps
    end: Ints
    interval: Ints  # from the pitch of the event before
    position: Ints  # [B], of the last event in its bar
    chosen: Ints  # [B, C], the next event as far as it is chosen
    input_ids: Ints  # [B, C + I + 1], categories, intervals and position of the last event


def compiled(function: Callable[..., Any]) -> Any:
    """A Numba kernel, which divides by zero as NumPy does."""
    try:
        return njit(function, cache=True, error_model="numpy")
    except RuntimeError:  # no folder for the cache is writable
        return njit(function, error_model="numpy")
