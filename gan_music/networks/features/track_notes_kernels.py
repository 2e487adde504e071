"""Numba kernels of :mod:`~gan_music.networks.features.track_notes`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_music.networks.features import track_notes
from gan_music.networks.features.kernel_arrays import Events, Floats, Ints, Table, compiled

_OFFSET, _PITCH, _DURATION = 0, 1, 2
_N_CLASSES = track_notes.N_CLASSES
_MAX_STEP, _N_STEPS = track_notes.MAX_STEP, track_notes.N_STEPS
_MAX_INTERVAL, _N_INTERVALS = track_notes.MAX_INTERVAL, track_notes.N_INTERVALS
_N_NUMBERS = track_notes.N_NUMBERS
_LONGEST = 32  # quarter notes that a number tells apart


class TrackArrays(NamedTuple):
    """``TrackNotes``, counted from the beginning of the sequence; ``[B, K]`` each."""

    pitch: Ints
    before: Ints
    begins: Ints
    ends: Ints
    column: Ints  # [1], of the track in an event
    tie: Ints  # [1], id of the pitch
    is_derived: Ints  # [1]


@compiled
def observe(table: Table, events: Events, notes: TrackArrays, event: Ints) -> None:
    """``TrackNotes.observe`` of ids ``[B, C]``, which are in place ``n`` of the events."""
    n, n_pitches = events.n[0], events.counts.shape[2]
    for b in range(len(event)):
        k, pitch = event[b, notes.column[0]], event[b, _PITCH]
        if pitch != notes.tie[0]:
            notes.before[b, k] = notes.pitch[b, k]
            notes.pitch[b, k] = min(pitch, n_pitches)
            notes.begins[b, k] = events.onset[b, n]
        notes.ends[b, k] = events.end[b, n]


@compiled
def derive(table: Table, events: Events, notes: TrackArrays, category: int, out: Ints) -> None:
    """The track that is free first, and the offset until then, ``[B]``."""
    n = events.n[0]
    for b in range(len(out)):
        k = np.argmin(notes.ends[b])
        if category == _OFFSET:
            now = events.onset[b, n - 1] if n else 0
            out[b] = min(max(notes.ends[b, k] - now, 0), len(table.offset_bins) - 1)
        else:
            out[b] = k


@compiled
def inputs(table: Table, events: Events, notes: TrackArrays, first: int, out: Floats) -> None:
    """``TrackValues.inputs``, into the columns of ``out [B, n_inputs]`` from ``first`` on."""
    n, n_pitches = events.n[0], events.counts.shape[2]
    n_tracks = notes.pitch.shape[1]
    for b in range(len(out)):
        row = out[b, first:]
        row[:] = 0
        now = events.onset[b, n - 1] if n else 0
        of_motion = n_tracks * _N_CLASSES
        of_numbers = of_motion + n_tracks * _N_STEPS
        at = of_numbers + n_tracks * _N_NUMBERS
        for k in range(n_tracks):
            pitch, before = notes.pitch[b, k], notes.before[b, k]
            numbers = row[of_numbers + k * _N_NUMBERS :]
            if pitch < n_pitches:
                row[k * _N_CLASSES + pitch % _N_CLASSES] = 1
                if before < n_pitches:
                    step = min(max(pitch - before, -_MAX_STEP), _MAX_STEP) + _MAX_STEP
                    row[of_motion + k * _N_STEPS + step] = 1
                numbers[0] = pitch / n_pitches
                numbers[2] = np.log1p((now - notes.begins[b, k]) / table.grid)
            numbers[1] = notes.begins[b, k] == now
            left = notes.ends[b, k] - now
            numbers[3] = np.log1p(min(max(left, 0), _LONGEST * table.grid) / table.grid)
            numbers[4] = left > 0
            for j in range(k + 1, n_tracks):
                other = notes.pitch[b, j]
                if pitch < n_pitches and other < n_pitches:
                    row[at + (pitch - other) % _N_CLASSES] = 1
                at += _N_CLASSES
        if notes.is_derived[0]:
            row[at + np.argmin(notes.ends[b])] = 1


@compiled
def add_pitch_scores(
    table: Table, events: Events, notes: TrackArrays, outputs: Floats, first: int, logits: Floats
) -> None:
    """``TrackValues.add_scores`` of pitches; its weights begin in column ``first`` of a head's
    outputs ``[B, W]``.
    """
    n, n_pitches = events.n[0], events.counts.shape[2]
    n_tracks = notes.pitch.shape[1]
    for b in range(len(logits)):
        row = logits[b, :n_pitches]
        now = table.offset_bins[events.chosen[b, _OFFSET]]
        now += events.onset[b, n - 1] if n else 0
        own = notes.pitch[b, events.chosen[b, notes.column[0]]]
        for k in range(n_tracks + 1):
            start = own if k == 0 else notes.pitch[b, k - 1]
            if start < n_pitches:
                low = max(0, start - _MAX_INTERVAL)
                high = min(n_pitches, start + _MAX_INTERVAL + 1)
                column = first + k * _N_INTERVALS + _MAX_INTERVAL - start  # of pitch 0
                row[low:high] += outputs[b, column + low : column + high]
        parallel = first + (n_tracks + 1) * _N_INTERVALS
        for k in range(n_tracks):
            pitch, before = notes.pitch[b, k], notes.before[b, k]
            goal = own + pitch - before
            moves = notes.begins[b, k] == now and pitch < n_pitches and before < n_pitches
            if moves and pitch != before and own < n_pitches and 0 <= goal < n_pitches:
                row[goal] += outputs[b, parallel + (goal - pitch) % _N_CLASSES]
