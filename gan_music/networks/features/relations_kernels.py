"""Numba kernels of :mod:`~gan_music.networks.features.history` and
:mod:`~gan_music.networks.features.relations`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_music.networks.features import relations
from gan_music.networks.features.history import TIME_CONSTANTS
from gan_music.networks.features.kernel_arrays import Events, Floats, Ints, Table, compiled

_OFFSET, _PITCH, _DURATION = 0, 1, 2
_N_CONSTANTS = len(TIME_CONSTANTS)
_N_FREQUENCIES = relations.N_FREQUENCIES
_EPSILON = np.float32(relations.EPSILON)
_N_CLASSES = 12
_NO_INTERVAL = -(1 << 20)
_TINY = np.float32(1e-30)


class Pitches(NamedTuple):
    """What ``Events.counts`` is updated and read with."""

    register: Floats  # [B, M, P], the counts times the kernel of a register
    decay: Floats  # [M], factor of a count from one event to the next
    kernel: Floats  # [P, P], of a register
    prior: Floats  # [B, E, P]


@compiled
def observe(table: Table, events: Events, pitches: Pitches, event: Ints) -> None:
    """``History.observe`` of ids ``[B, C]``; the caller counts the event."""
    n, n_categories, n_pitches = events.n[0], event.shape[1], events.counts.shape[2]
    for b in range(len(event)):
        pitch, step = event[b, _PITCH], table.offset_bins[event[b, _OFFSET]]
        last = events.onset[b, n - 1] if n else 0
        events.ids[b, :, n] = event[b]
        events.onset[b, n] = last + step
        events.end[b, n] = last + step + table.duration_bins[event[b, _DURATION]]
        events.interval[b, n] = pitch - events.ids[b, _PITCH, n - 1] if n else _NO_INTERVAL
        events.position[b] = (events.position[b] + step) % table.bar[b]
        for m in range(_N_CONSTANTS):
            _decay(events.counts[b, m], pitches.decay[m])
            if table.n_intervals:
                _decay(pitches.register[b, m], pitches.decay[m])
            if pitch < n_pitches:
                events.counts[b, m, pitch] += 1
                if table.n_intervals:
                    pitches.register[b, m] += pitches.kernel[pitch]
        events.input_ids[b, :n_categories] = event[b]
        for k in range(1, table.n_intervals + 1):
            earlier = events.ids[b, _PITCH, n - k] if k <= n else n_pitches
            are_notes = pitch < n_pitches and earlier < n_pitches
            interval = pitch - earlier + n_pitches if are_notes else 0
            events.input_ids[b, n_categories + k - 1] = interval
        events.input_ids[b, n_categories + table.n_intervals] = events.position[b]


@compiled
def _decay(counts: Floats, factor: float) -> None:
    for i in range(len(counts)):
        x = counts[i] * factor
        # a CPU takes a hundred times as long with subnormal numbers
        counts[i] = x if x > _TINY else np.float32(0)


@compiled
def add_position_scores(
    table: Table, events: Events, category: int, outputs: Floats, first: int, logits: Floats
) -> None:
    """``Relations.add_scores`` of offsets and durations; its weights begin in column ``first`` of
    a head's outputs ``[B, W]``.
    """
    bins = table.offset_bins if category == _OFFSET else table.duration_bins
    for b in range(len(logits)):
        start = events.position[b]
        if category != _OFFSET:
            start += table.offset_bins[events.chosen[b, _OFFSET]]
        beats = outputs[b, first + table.grid :]
        for c in range(logits.shape[1]):
            end = (start + bins[c]) % table.bar[b]
            logits[b, c] += outputs[b, first + end % table.grid] + beats[end // table.grid]


@compiled
def add_pitch_scores(
    table: Table, events: Events, pitches: Pitches, outputs: Floats, first: int, logits: Floats
) -> None:
    """``Relations.add_scores`` of pitches."""
    n, n_pitches = events.n[0], events.counts.shape[2]
    for b in range(len(logits)):
        row, at = logits[b, :n_pitches], first
        for k in range(table.n_intervals):
            start = events.ids[b, _PITCH, n - 1 - k] if k < n else n_pitches
            if start >= n_pitches:
                start = n_pitches // 2
            column = at + n_pitches - 1 - start
            row += outputs[b, column : column + n_pitches]
            at += 2 * n_pitches - 1
        weights = outputs[b, at:]
        _add_log_frequencies(events.counts[b], pitches.register[b], weights, row)
        for e in range(pitches.prior.shape[1]):
            row += weights[_N_FREQUENCIES + e] * pitches.prior[b, e]


@compiled
def _add_log_frequencies(
    all_counts: Floats, register: Floats, weights: Floats, logits: Floats
) -> None:
    n_pitches = len(logits)
    of_class = np.empty(_N_CLASSES, np.float32)
    for m in range(_N_CONSTANTS):
        counts = all_counts[m]
        total = max(counts.sum(), np.float32(1e-3))
        of_class[:] = 0
        for pitch in range(n_pitches):
            of_class[pitch % _N_CLASSES] += counts[pitch]
        for c in range(_N_CLASSES):
            of_class[c] = weights[3 * m + 1] * np.log(of_class[c] / total + _EPSILON)
        unseen = np.log(_EPSILON)
        for pitch in range(n_pitches):
            own = unseen if counts[pitch] == 0 else np.log(counts[pitch] / total + _EPSILON)
            near = np.log(register[m, pitch] / total + _EPSILON)
            logits[pitch] += weights[3 * m] * own + of_class[pitch % _N_CLASSES]
            logits[pitch] += weights[3 * m + 2] * near
