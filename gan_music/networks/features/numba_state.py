"""The features of sequences that are decoded step by step, as Numba kernels: for CPUs.

On tensors, the features of one event are some 2,000 small operations, which take longer than the
network's matrix products; as loops over the few entries that are not empty they take a tenth of
that. :class:`~gan_music.networks.features.tensor_state.TensorState` is the same for GPUs, whose
CUDA graphs record it, and the reference that this is tested against.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from gan_music.networks.features import (
    active_notes,
    active_notes_kernels,
    lag_alignment,
    lookback,
    lookback_kernels,
    relations_kernels,
    track_notes_kernels,
)
from gan_music.networks.features.base import StepState
from gan_music.networks.features.feature_set import FeatureSet
from gan_music.networks.features.history import TIME_CONSTANTS
from gan_music.networks.features.kernel_arrays import Events, Floats, Ints, Table
from gan_music.networks.features.lookback_kernels import Alignments, Matches
from gan_music.networks.features.relations import pitch_kernels
from gan_music.networks.features.relations_kernels import Pitches
from gan_music.networks.features.track_notes_kernels import TrackArrays
from gan_music.networks.note_space import NoteSpace, Starts

_OFFSET, _PITCH, _DURATION = 0, 1, 2
_SLACK = 256  # events for which there is room before the last ones are moved to the front
# arrays that all sequences share
_SHARED = (
    *("n", "decay", "kernel", "n_observed", "rate_spans", "accuracy_spans", "pitch_kernel"),
    *("column", "tie", "is_derived"),
)

Arrays = TypeVar("Arrays", Events, Pitches, Matches, Alignments, TrackArrays)


class NumbaState(StepState):
    """:class:`~gan_music.networks.features.tensor_state.TensorState` in float32 on a CPU."""

    def __init__(self, feature_set: FeatureSet, starts: Starts, pitch_prior: Tensor | None) -> None:
        space = feature_set.space
        position, self._meter, free = (x.clone() for x in starts)
        self.feature_set, self.n_pitches = feature_set, space.n_pitches
        self.table = table = Table(
            offset_bins=space.offset_bins.numpy(),
            duration_bins=space.duration_bins.numpy(),
            grid=space.grid,
            bar=space.bars[self._meter].numpy(),
            n_intervals=feature_set.n_intervals,
            lookback_span=feature_set.lookback_span,
            active_notes_span=feature_set.active_notes_span,
        )
        self.n_kept = max(table.lookback_span, table.active_notes_span - 1, table.n_intervals) + 1
        capacity = self.n_kept + _SLACK
        self.events = _empty_events(space, table, position.numpy(), capacity)
        if pitch_prior is None:
            pitch_prior = torch.zeros(len(position), 0, self.n_pitches)
        register = pitch_kernels(self.n_pitches)[:, 2 * self.n_pitches :]
        self.pitches = Pitches(
            register=np.zeros_like(self.events.counts),
            decay=np.exp(-1 / np.array(TIME_CONSTANTS)).astype(np.float32),
            kernel=register.contiguous().numpy(),
            prior=pitch_prior.float().numpy(),
        )
        capacity = capacity if table.lookback_span else 0
        self.matches = _no_matches(len(position), table.lookback_span, capacity)
        self.alignments = _no_alignments(space, self._meter, capacity)
        self.tracks = None if space.track_column is None else _no_tracks(space, free.numpy())

    @property
    def meter(self) -> Tensor:
        return self._meter

    @property
    def position(self) -> Tensor:
        return torch.from_numpy(self.events.position)

    def set_position(self, position: Tensor) -> None:
        self.events.position[:] = self.events.input_ids[:, -1] = position.numpy()

    def input_ids(self) -> Tensor:
        return torch.from_numpy(self.events.input_ids)

    def inputs(self) -> Tensor | None:
        if not self.feature_set.n_inputs:
            return None
        out, first = torch.empty(len(self._meter), self.feature_set.n_inputs), 0
        if self.table.lookback_span:
            lookback_kernels.inputs(self.matches, self.alignments, out.numpy())
            first = lookback.N_RATES
        if self.table.active_notes_span:
            active_notes_kernels.inputs(self.table, self.events, first, out.numpy())
            first += active_notes.N_HARMONY
        if self.tracks is not None:
            track_notes_kernels.inputs(self.table, self.events, self.tracks, first, out.numpy())
        return out

    def derived(self, category: int) -> Tensor:
        assert self.tracks is not None
        out = _ints(len(self._meter))
        track_notes_kernels.derive(self.table, self.events, self.tracks, category, out)
        return torch.from_numpy(out)

    def logits(self, category: int, outputs: Tensor) -> Tensor:
        n, *n_weights = self.feature_set.head_sizes[category]
        out = outputs[:, :n].clone(memory_format=torch.contiguous_format)
        table, events, columns = self.table, self.events, outputs.numpy()
        first, logits, is_time = n, out.numpy(), category in (_OFFSET, _DURATION)
        if table.n_intervals and is_time:
            relations_kernels.add_position_scores(table, events, category, columns, first, logits)
        elif table.n_intervals and category == _PITCH:
            relations_kernels.add_pitch_scores(table, events, self.pitches, columns, first, logits)
        first += n_weights[0]
        if self.tracks is not None:
            if category == _PITCH:
                track_notes_kernels.add_pitch_scores(
                    table, events, self.tracks, columns, first, logits
                )
            first, n_weights = first + n_weights[1], n_weights[1:]
        if table.active_notes_span:
            if is_time:
                active_notes_kernels.add_time_scores(
                    table, events, category, columns, first, logits
                )
            elif category == _PITCH:
                active_notes_kernels.add_pitch_scores(table, events, columns, first, logits)
            first += n_weights[1]
        if table.lookback_span:
            found = self.matches, self.alignments
            lookback_kernels.add_scores(events, *found, category, columns, first, logits)
        return out

    def choose(self, category: int, ids: Tensor) -> None:
        self.events.chosen[:, category] = ids.numpy()
        if self.table.lookback_span:
            found = self.matches, self.alignments
            lookback_kernels.choose(self.events, *found, category, ids.numpy())

    def observe(self, event: Tensor) -> None:
        e = self.events
        if e.n[0] == e.onset.shape[1]:  # forget all events but the last
            for x in (e.ids, e.onset, e.end, e.interval, self.matches.runs, self.alignments.order):
                x[..., : self.n_kept] = x[..., -self.n_kept :]
            e.n[0] = self.n_kept
        relations_kernels.observe(self.table, e, self.pitches, event.numpy())
        if self.tracks is not None:
            track_notes_kernels.observe(self.table, e, self.tracks, event.numpy())
        if self.table.lookback_span:
            lookback_kernels.observe(self.table, e, self.matches, self.alignments, self.n_pitches)
        e.n[0] += 1
        self.matches.n_observed[0] += 1

    def reorder(self, rows: Tensor) -> None:
        index = rows.numpy()
        self._meter = self._meter[rows]
        self.table = self.table._replace(bar=self.table.bar[index])
        self.events, self.pitches = _rows(self.events, index), _rows(self.pitches, index)
        self.matches, self.alignments = _rows(self.matches, index), _rows(self.alignments, index)
        self.tracks = None if self.tracks is None else _rows(self.tracks, index)


def _zeros(*shape: int) -> Floats:
    return np.zeros(shape, np.float32)


def _ints(*shape: int, fill: int = 0) -> Ints:
    return np.full(shape, fill, np.int64)


def _empty_events(space: NoteSpace, table: Table, position: Ints, capacity: int) -> Events:
    n, n_categories = len(position), space.n_categories
    events = Events(
        n=_ints(1),
        ids=_ints(n, n_categories, capacity),
        onset=_ints(n, capacity),
        end=_ints(n, capacity),
        interval=_ints(n, capacity),
        position=position,
        chosen=_ints(n, n_categories),
        input_ids=_ints(n, n_categories + table.n_intervals + 1),
        counts=_zeros(n, len(TIME_CONSTANTS), space.n_pitches),
    )
    events.input_ids[:, :n_categories], events.input_ids[:, -1] = space.sizes, position
    return events


def _no_matches(n: int, span: int, capacity: int) -> Matches:
    return Matches(
        n_observed=_ints(1),
        runs=_ints(n, 2, capacity),
        places=_ints(n, span),
        n_places=_ints(n),
        weights=_zeros(n, span, lookback.N_MATCHES),
        rate_sums=_zeros(n, len(lookback.RATE_SPANS), lookback.N_MATCHES),
        decay=np.exp(-np.arange(span + 1) / lookback.DECAY).astype(np.float32),
        rate_spans=np.array(lookback.RATE_SPANS, np.float32),
    )


def _no_alignments(space: NoteSpace, meter: Tensor, capacity: int) -> Alignments:
    n, n_alignments = len(meter), lag_alignment.N_ALIGNMENTS
    return Alignments(
        order=_ints(n, 2, capacity),
        rank=_ints(n, fill=-1),
        lag=_ints(n, len(lag_alignment.MIN_DISTANCES)),
        bar_lags=lag_alignment.bar_lags(space, meter).numpy(),
        predicted=_ints(n, n_alignments, space.n_categories, fill=-1),
        consistent=_ints(n, n_alignments, space.n_categories, fill=-1),
        accuracy=_zeros(n, len(lag_alignment.ACCURACY_SPANS), 2, n_alignments),
        accuracy_spans=np.array(lag_alignment.ACCURACY_SPANS, np.float32),
        pitch_kernel=lag_alignment.pitch_kernel(torch.arange(space.n_pitches)).numpy(),
    )


def _no_tracks(space: NoteSpace, free: Ints) -> TrackArrays:
    column = space.track_column
    assert column is not None
    return TrackArrays(
        pitch=_ints(*free.shape, fill=space.n_pitches),
        before=_ints(*free.shape, fill=space.n_pitches),
        begins=_ints(*free.shape, fill=-(1 << 20)),
        ends=free,
        column=_ints(1, fill=column),
        tie=_ints(1, fill=space.tie),
        is_derived=_ints(1, fill=space.is_derived(column)),
    )


def _rows(arrays: Arrays, index: Ints) -> Arrays:
    """Of each sequence that the index names."""
    fields = arrays._asdict().items()
    return arrays._replace(**{k: x[index] for k, x in fields if k not in _SHARED})
