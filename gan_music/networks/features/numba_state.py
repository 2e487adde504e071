"""The features of sequences that are decoded step by step, as Numba kernels: for CPUs.

On tensors, the features of one event are some 2,000 small operations, which take longer than the
network's matrix products; as loops over the few entries that are not empty they take a tenth of
that. :class:`~gan_music.networks.features.tensor_state.TensorState` is the same for GPUs, whose
CUDA graphs record it, and the reference that this is tested against.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from gan_music.networks.features import (
    lag_alignment,
    lookback,
    numba_active_notes,
    numba_lookback,
    numba_relations,
)
from gan_music.networks.features.base import StepState
from gan_music.networks.features.feature_set import FeatureSet
from gan_music.networks.features.history import TIME_CONSTANTS
from gan_music.networks.features.numba_events import Events, Floats, Grid, Ints
from gan_music.networks.features.numba_lookback import Alignments, Matches
from gan_music.networks.features.numba_relations import PitchCounts
from gan_music.networks.features.relations import pitch_kernels

_OFFSET, _PITCH, _DURATION = 0, 1, 2
_SLACK = 256  # events for which there is room before the last ones are moved to the front

Arrays = TypeVar("Arrays", bound=NamedTuple)


class NumbaState(StepState):
    """:class:`~gan_music.networks.features.tensor_state.TensorState` in float32 on a CPU.

    All sequences hold the same number of events.
    """

    def __init__(
        self, feature_set: FeatureSet, starts: tuple[Tensor, Tensor], pitch_prior: Tensor | None
    ) -> None:
        space, n = feature_set.space, len(starts[0])
        self.space, self.feature_set = space, feature_set
        self.n_intervals = feature_set.n_intervals
        self.lookback_span = feature_set.lookback_span
        self.active_notes_span = feature_set.active_notes_span
        self.n_pitches = space.sizes[_PITCH]
        self.n_kept = max(self.lookback_span + 1, self.active_notes_span, self.n_intervals + 1)
        capacity = self.n_kept + _SLACK
        position, self._meter = (x.clone() for x in starts)
        self.grid = Grid(
            offset_bins=space.offset_bins.numpy(),
            duration_bins=space.duration_bins.numpy(),
            steps=space.grid,
            n_beats=space.n_beats,
            bar=space.bars[self._meter].numpy(),
        )
        self.events = Events(
            ids=_ints(n, space.n_categories, capacity),
            onset=_ints(n, capacity),
            end=_ints(n, capacity),
            interval=_ints(n, capacity),
            position=position.numpy(),
            chosen=_ints(n, space.n_categories),
            input_ids=_ints(n, space.n_categories + self.n_intervals + 1),
        )
        self.events.input_ids[:, : space.n_categories] = space.sizes
        self.events.input_ids[:, -1] = self.events.position
        if pitch_prior is None:
            pitch_prior = torch.zeros(n, 0, self.n_pitches)
        self.pitches = _pitch_counts(n, self.n_pitches, pitch_prior)
        self.matches, self.alignments = self._lookback(n, capacity)
        self.n = self.n_observed = 0

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
        out = torch.empty(len(self._meter), self.feature_set.n_inputs)
        first = 0
        if self.lookback_span:
            numba_lookback.inputs(self.matches, self.alignments, self.n_observed, out.numpy())
            first = lookback.N_RATES
        if self.active_notes_span:
            numba_active_notes.inputs(
                self.grid,
                self.events,
                self.pitches.counts,
                self.n,
                self.active_notes_span,
                first,
                out.numpy(),
            )
        return out

    def logits(self, category: int, outputs: Tensor) -> Tensor:
        n, *n_weights = self.feature_set.head_sizes(category)
        out = outputs[:, :n].clone(memory_format=torch.contiguous_format)
        columns, logits, first = outputs.numpy(), out.numpy(), n
        if self.n_intervals:
            self._add_relations(category, columns, first, logits)
        first += n_weights[0]
        if self.active_notes_span:
            self._add_active_notes(category, columns, first, logits)
            first += n_weights[1]
        if self.lookback_span:
            numba_lookback.add_scores(
                self.events, self.matches, self.alignments, category, columns, first, logits
            )
        return out

    def choose(self, category: int, ids: Tensor) -> None:
        self.events.chosen[:, category] = ids.numpy()
        if self.lookback_span:
            numba_lookback.choose(self.events, self.matches, self.alignments, category, ids.numpy())

    def observe(self, event: Tensor) -> None:
        if self.n == self.events.onset.shape[1]:
            self._move_to_front()
        numba_relations.observe(
            self.grid, self.events, self.pitches, self.n, event.numpy(), self.n_intervals
        )
        if self.lookback_span:
            numba_lookback.observe(
                self.grid,
                self.events,
                self.matches,
                self.alignments,
                self.n,
                self.lookback_span,
                self.n_pitches,
            )
        self.n, self.n_observed = self.n + 1, self.n_observed + 1

    def reorder(self, rows: Tensor) -> None:
        index = rows.numpy()
        self._meter = self._meter[rows]
        self.grid = self.grid._replace(bar=self.grid.bar[index])
        self.events = Events(*(x[index] for x in self.events))
        self.pitches = _rows(self.pitches, index, shared=("decay", "kernel"))
        self.matches = _rows(self.matches, index, shared=("decay", "rate_spans"))
        shared = ("accuracy_spans", "pitch_kernel")
        self.alignments = _rows(self.alignments, index, shared=shared)

    def _lookback(self, n: int, capacity: int) -> tuple[Matches, Alignments]:
        span, n_categories = self.lookback_span, self.space.n_categories
        n_spans, n_accuracies = len(lookback.RATE_SPANS), len(lag_alignment.ACCURACY_SPANS)
        capacity = capacity if span else 0
        matches = Matches(
            runs=_ints(n, 2, capacity),
            places=_ints(n, span),
            n_places=_ints(n),
            weights=_zeros(n, span, lookback.N_MATCHES),
            rate_sums=_zeros(n, n_spans, lookback.N_MATCHES),
            decay=np.exp(-np.arange(span + 1) / lookback.DECAY).astype(np.float32),
            rate_spans=np.array(lookback.RATE_SPANS, np.float32),
        )
        alignments = Alignments(
            order=_ints(n, 2, capacity),
            rank=_ints(n, fill=-1),
            lag=_ints(n, len(lag_alignment.MIN_DISTANCES)),
            bar_lags=lag_alignment.bar_lags(self.space, self._meter).numpy(),
            predicted=_ints(n, lag_alignment.N_ALIGNMENTS, n_categories, fill=-1),
            consistent=_ints(n, lag_alignment.N_ALIGNMENTS, n_categories, fill=-1),
            accuracy=_zeros(n, n_accuracies, 2, lag_alignment.N_ALIGNMENTS),
            accuracy_spans=np.array(lag_alignment.ACCURACY_SPANS, np.float32),
            pitch_kernel=lag_alignment.pitch_kernel(torch.arange(self.n_pitches)).numpy(),
        )
        return matches, alignments

    def _add_relations(self, category: int, outputs: Floats, first: int, logits: Floats) -> None:
        if category in (_OFFSET, _DURATION):
            numba_relations.add_position_scores(
                self.grid, self.events, category, outputs, first, logits
            )
        elif category == _PITCH:
            numba_relations.add_pitch_scores(
                self.events, self.pitches, self.n, self.n_intervals, outputs, first, logits
            )

    def _add_active_notes(self, category: int, outputs: Floats, first: int, logits: Floats) -> None:
        span = self.active_notes_span
        if category in (_OFFSET, _DURATION):
            numba_active_notes.add_time_scores(
                self.grid, self.events, self.n, span, category, outputs, first, logits
            )
        elif category == _PITCH:
            counts = self.pitches.counts
            numba_active_notes.add_pitch_scores(
                self.grid, self.events, counts, self.n, span, outputs, first, logits
            )

    def _move_to_front(self) -> None:
        """Forget all events but the last ``n_kept``."""
        e = self.events
        for x in (e.ids, e.onset, e.end, e.interval, self.matches.runs, self.alignments.order):
            x[..., : self.n_kept] = x[..., -self.n_kept :]
        self.n = self.n_kept


def _zeros(*shape: int) -> Floats:
    return np.zeros(shape, np.float32)


def _ints(*shape: int, fill: int = 0) -> Ints:
    return np.full(shape, fill, np.int64)


def _pitch_counts(n: int, n_pitches: int, prior: Tensor) -> PitchCounts:
    """Before the first event of ``n`` sequences."""
    register = pitch_kernels(n_pitches)[:, 2 * n_pitches :]
    return PitchCounts(
        counts=_zeros(n, len(TIME_CONSTANTS), n_pitches),
        register=_zeros(n, len(TIME_CONSTANTS), n_pitches),
        decay=np.exp(-1 / np.array(TIME_CONSTANTS)).astype(np.float32),
        kernel=register.contiguous().numpy(),
        prior=prior.float().numpy(),
    )


def _rows(arrays: Arrays, index: Ints, *, shared: tuple[str, ...]) -> Arrays:
    """The rows of all arrays but those that the sequences share."""
    fields = arrays._asdict().items()
    return arrays._replace(**{k: x[index] for k, x in fields if k not in shared})
