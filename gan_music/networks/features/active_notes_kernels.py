"""Numba kernels of :mod:`~gan_music.networks.features.active_notes`."""

from __future__ import annotations

import numpy as np

from gan_music.networks.features import active_notes
from gan_music.networks.features.history import TIME_CONSTANTS
from gan_music.networks.features.kernel_arrays import Events, Floats, Table, compiled

_OFFSET, _PITCH = 0, 1
_N_CONSTANTS = len(TIME_CONSTANTS)
_N_SETS, _N_CLASS_SETS = active_notes.N_SETS, active_notes.N_CLASS_SETS
_N_CLASSES = active_notes.N_CLASSES
_MAX_INTERVAL, _N_INTERVALS = active_notes.MAX_INTERVAL, active_notes.N_INTERVALS


@compiled
def inputs(table: Table, events: Events, first: int, out: Floats) -> None:
    """``ActiveNotesValues.inputs``, into the columns of ``out [B, n_inputs]`` from ``first`` on."""
    n = events.n[0]
    for b in range(len(out)):
        at = first
        now = events.onset[b, n - 1] if n else 0
        pitch = min(events.input_ids[b, _PITCH], events.counts.shape[2] - 1)
        found = np.zeros((_N_CLASS_SETS, _N_CLASSES), np.float32)
        of_interval = at + _N_CLASS_SETS * _N_CLASSES
        near = out[b, of_interval : of_interval + 2 * _N_INTERVALS].reshape(2, _N_INTERVALS)
        near[:] = 0
        _count_classes(table, events, b, now, events.position[b], found)
        for kind in range(_N_CLASS_SETS):
            for i in range(_N_CLASSES):
                out[b, at] = found[kind, (pitch - i) % _N_CLASSES]
                at += 1
        for p in range(max(0, n - table.active_notes_span), n):
            kind = _note_set(events, b, p, now)
            step = pitch - events.ids[b, _PITCH, p] + _MAX_INTERVAL
            if kind >= 0 and 0 <= step < _N_INTERVALS:
                near[kind, step] += 1


@compiled
def add_pitch_scores(
    table: Table, events: Events, outputs: Floats, first: int, logits: Floats
) -> None:
    """``ActiveNotesValues.add_scores`` of pitches; its weights begin in column ``first`` of a
    head's outputs ``[B, W]``.
    """
    n, n_pitches = events.n[0], events.counts.shape[2]
    classes = np.zeros((_N_CLASS_SETS, _N_CLASSES), np.float32)
    of_class = np.zeros(_N_CLASSES, np.float32)
    for b in range(len(logits)):
        row, at = logits[b], first
        step = table.offset_bins[events.chosen[b, _OFFSET]]
        now = step + (events.onset[b, n - 1] if n else 0)
        classes[:] = 0
        _count_classes(table, events, b, now, (events.position[b] + step) % table.bar[b], classes)
        weights = outputs[b, at:]
        of_class[:] = 0
        for kind in range(_N_CLASS_SETS):
            for c in range(_N_CLASSES):
                count = classes[kind, c]
                if count != 0:
                    for i in range(_N_CLASSES):
                        of_class[(c + i) % _N_CLASSES] += count * weights[_N_CLASSES * kind + i]
        for pitch in range(n_pitches):
            row[pitch] += of_class[pitch % _N_CLASSES]
        at += _N_CLASS_SETS * _N_CLASSES
        for p in range(max(0, n - table.active_notes_span), n):
            kind = _note_set(events, b, p, now)
            if kind >= 0:
                there = events.ids[b, _PITCH, p]
                column = at + _N_INTERVALS * kind + _MAX_INTERVAL - there  # of pitch 0
                low = max(0, there - _MAX_INTERVAL)
                high = min(n_pitches, there + _MAX_INTERVAL + 1)
                row[low:high] += outputs[b, column + low : column + high]


@compiled
def add_time_scores(
    table: Table, events: Events, category: int, outputs: Floats, first: int, logits: Floats
) -> None:
    """``ActiveNotesValues.add_scores`` of offsets and durations."""
    n = events.n[0]
    bins = table.offset_bins if category == _OFFSET else table.duration_bins
    counts = np.zeros((2, len(bins) + 1), np.float32)  # of ends, and of those on a bin
    for b in range(len(logits)):
        now = events.onset[b, n - 1] if n else 0
        if category != _OFFSET:
            now += table.offset_bins[events.chosen[b, _OFFSET]]
        counts[:] = 0
        n_held = 0
        for p in range(max(0, n - table.active_notes_span), n):
            left = events.end[b, p] - now
            if left > 0 and events.ids[b, _PITCH, p] < events.counts.shape[2]:
                n_held += 1
                place = np.searchsorted(bins, left)
                counts[0, place] += 1
                if place < len(bins) and bins[place] == left:
                    counts[1, place] += 1
        longer = np.float32(n_held)
        for c in range(len(bins)):
            longer -= counts[0, c]
            if counts[1, c] > 0:
                logits[b, c] += outputs[b, first]
            elif longer == 0:
                logits[b, c] += outputs[b, first + 2]
            logits[b, c] += outputs[b, first + 1] * longer / max(n_held, 1)


@compiled
def _note_set(events: Events, b: int, p: int, now: int) -> int:
    """0 if a note begins now, 1 if it is held, -1 if neither."""
    if events.ids[b, _PITCH, p] >= events.counts.shape[2]:
        return -1
    if events.onset[b, p] == now:
        return 0
    return 1 if events.end[b, p] > now else -1


@compiled
def _count_classes(
    table: Table, events: Events, b: int, now: int, position: int, out: Floats
) -> None:
    """``Harmony.classes``, into zeros ``[X, 12]``."""
    n, beat = events.n[0], now - position % table.grid
    for p in range(max(0, n - table.active_notes_span), n):
        if events.ids[b, _PITCH, p] >= events.counts.shape[2]:
            continue
        c = events.ids[b, _PITCH, p] % _N_CLASSES
        kind = _note_set(events, b, p, now)
        if kind >= 0:
            out[kind, c] += 1
        begins = events.onset[b, p]
        if begins >= beat:
            out[2, c] += 1
        elif begins >= beat - table.grid:
            out[3, c] += 1
    for m in range(_N_CONSTANTS):
        counts = events.counts[b, m]
        total = max(counts.sum(), np.float32(1e-3))
        for pitch in range(len(counts)):
            out[_N_SETS + m, pitch % _N_CLASSES] += counts[pitch] / total
