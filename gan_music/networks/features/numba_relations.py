"""Numba kernels of :mod:`~gan_music.networks.features.history` and
:mod:`~gan_music.networks.features.relations`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_music.networks.features import relations
from gan_music.networks.features.history import TIME_CONSTANTS
from gan_music.networks.features.numba_events import Events, Floats, Grid, Ints, compiled

_OFFSET, _PITCH, _DURATION = 0, 1, 2
_N_CONSTANTS = len(TIME_CONSTANTS)
_N_FREQUENCIES = relations.N_FREQUENCIES
_EPSILON = np.float32(relations.EPSILON)
_N_CLASSES = 12
_NO_INTERVAL = -(1 << 20)
_TINY = np.float32(1e-30)


class PitchCounts(NamedTuple):
    """``History.pitch_history`` and what it is read with."""

    counts: Floats  # [B, M, P]
    register: Floats  # [B, M, P], the counts times the kernel of a register
    decay: Floats  # [M], a factor an event
    kernel: Floats  # [P, P], of a register
    prior: Floats  # [B, E, P]


@compiled
def observe(
    grid: Grid, events: Events, pitches: PitchCounts, n: int, event: Ints, n_intervals: int
) -> None:
    """``History.observe`` of ids ``[B, C]``, which become event ``n``."""
    n_categories, n_pitches = event.shape[1], pitches.counts.shape[2]
    for b in range(len(event)):
        pitch, step = event[b, _PITCH], grid.offset_bins[event[b, _OFFSET]]
        last = events.onset[b, n - 1] if n else 0
        events.ids[b, :, n] = event[b]
        events.onset[b, n] = last + step
        events.end[b, n] = last + step + grid.duration_bins[event[b, _DURATION]]
        events.interval[b, n] = pitch - events.ids[b, _PITCH, n - 1] if n else _NO_INTERVAL
        events.position[b] = (events.position[b] + step) % grid.bar[b]
        for m in range(_N_CONSTANTS):
            _decay(pitches.counts[b, m], pitches.decay[m])
            pitches.counts[b, m, pitch] += 1
            if n_intervals:
                _decay(pitches.register[b, m], pitches.decay[m])
                pitches.register[b, m] += pitches.kernel[pitch]
        events.input_ids[b, :n_categories] = event[b]
        for k in range(1, n_intervals + 1):
            interval = 0
            if k <= n:
                interval = pitch - events.ids[b, _PITCH, n - k] + n_pitches
            events.input_ids[b, n_categories + k - 1] = interval
        events.input_ids[b, n_categories + n_intervals] = events.position[b]


@compiled
def _decay(counts: Floats, factor: float) -> None:
    for i in range(len(counts)):
        x = counts[i] * factor
        # a CPU takes a hundred times as long with subnormal numbers
        counts[i] = x if x > _TINY else np.float32(0)


@compiled
def add_position_scores(
    grid: Grid, events: Events, category: int, outputs: Floats, first: int, logits: Floats
) -> None:
    """``RelationValues.add_scores`` of offsets and durations; weights stand from column ``first``
    of a head's outputs ``[B, W]`` on.
    """
    bins = grid.offset_bins if category == _OFFSET else grid.duration_bins
    for b in range(len(logits)):
        start = events.position[b]
        if category != _OFFSET:
            start += grid.offset_bins[events.chosen[b, _OFFSET]]
        beats = outputs[b, first + grid.steps :]
        for c in range(logits.shape[1]):
            end = (start + bins[c]) % grid.bar[b]
            logits[b, c] += outputs[b, first + end % grid.steps] + beats[end // grid.steps]


@compiled
def add_pitch_scores(
    events: Events,
    pitches: PitchCounts,
    n: int,
    n_intervals: int,
    outputs: Floats,
    first: int,
    logits: Floats,
) -> None:
    """``RelationValues.add_scores`` of pitches."""
    n_pitches = logits.shape[1]
    for b in range(len(logits)):
        row, at = logits[b], first
        for k in range(n_intervals):
            start = events.ids[b, _PITCH, n - 1 - k] if k < n else n_pitches // 2
            column = at + n_pitches - 1 - start
            row += outputs[b, column : column + n_pitches]
            at += 2 * n_pitches - 1
        weights = outputs[b, at:]
        _add_log_frequencies(pitches, b, weights, row)
        for e in range(pitches.prior.shape[1]):
            row += weights[_N_FREQUENCIES + e] * pitches.prior[b, e]


@compiled
def _add_log_frequencies(pitches: PitchCounts, b: int, weights: Floats, logits: Floats) -> None:
    n_pitches = len(logits)
    of_class = np.empty(_N_CLASSES, np.float32)
    for m in range(_N_CONSTANTS):
        counts = pitches.counts[b, m]
        total = max(counts.sum(), np.float32(1e-3))
        of_class[:] = 0
        for pitch in range(n_pitches):
            of_class[pitch % _N_CLASSES] += counts[pitch]
        for c in range(_N_CLASSES):
            of_class[c] = weights[3 * m + 1] * np.log(of_class[c] / total + _EPSILON)
        unseen = np.log(_EPSILON)
        for pitch in range(n_pitches):
            own = unseen if counts[pitch] == 0 else np.log(counts[pitch] / total + _EPSILON)
            near = np.log(pitches.register[b, m, pitch] / total + _EPSILON)
            logits[pitch] += weights[3 * m] * own + of_class[pitch % _N_CLASSES]
            logits[pitch] += weights[3 * m + 2] * near
