"""Arrays that the Numba kernels share: constants, and the past events of every sequence.

A kernel is compiled when it is first called, which takes seconds, and cached for later processes.
Its cache is renewed only when its own file changes. So no kernel calls one of another file; after a
change of a constant that a kernel file imports, that file must be touched; and after one of these
records is renamed, the ``*.nbi`` files in ``__pycache__`` must be deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Table(NamedTuple):
    """Constants of the space and of the features."""

    offset_bins: Ints  # steps of each id
    duration_bins: Ints
    grid: int  # steps a beat
    bar: Ints  # [B], steps
    n_intervals: int
    lookback_span: int
    active_notes_span: int


class Events(NamedTuple):
    """Past events in order, ``[B, ..., capacity]``, of which ``n`` places are filled."""

    n: Ints  # [1], the same for all sequences
    ids: Ints  # [B, C, capacity]
    onset: Ints  # [B, capacity], steps
    end: Ints
    interval: Ints  # from the pitch of the event before
    position: Ints  # [B], of the last event in its bar
    chosen: Ints  # [B, C], the next event as far as it is chosen
    input_ids: Ints  # [B, C + I + 1], categories, intervals and position of the last event
    counts: Floats  # [B, M, P], ``History.pitch_history``


def compiled(function: Callable[..., Any]) -> Any:
    """A Numba kernel, which divides by zero as NumPy does."""
    try:
        return njit(function, cache=True, error_model="numpy")
    except RuntimeError:  # no folder for the cache is writable
        return njit(function, error_model="numpy")
