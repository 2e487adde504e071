"""The features of sequences that are decoded step by step, as tensor operations: for GPUs."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_music.networks.features.base import StepState
from gan_music.networks.features.feature_set import FeatureSet, join
from gan_music.networks.features.history import initial_history
from gan_music.networks.features.track_notes import TrackValues, next_track
from gan_music.networks.note_space import Starts


class TensorState(StepState):
    """What :class:`~gan_music.networks.features.feature_set.SequenceFeatures` holds before one
    event, for the next event.
    """

    def __init__(self, feature_set: FeatureSet, starts: Starts, pitch_prior: Tensor | None) -> None:
        self.feature_set, self.space = feature_set, feature_set.space
        self.history = initial_history(
            self.space, starts, n_intervals=feature_set.n_intervals, pitch_prior=pitch_prior
        )
        self.values = [feature.state(starts) for feature in feature_set]
        self.last = self.space.nothing.expand(len(starts.meter), -1)  # ids of the last event

    @property
    def meter(self) -> Tensor:
        return self.history.meter

    @property
    def position(self) -> Tensor:
        return self.history.position

    def set_position(self, position: Tensor) -> None:
        self.history = self.history._replace(position=position)

    def input_ids(self) -> Tensor:
        return torch.cat([self.last, self.history.intervals(), self.position[:, None]], 1)

    def inputs(self) -> Tensor | None:
        return join(self.values, self.history)

    def derived(self, category: int) -> Tensor:
        notes = next(v.notes for v in self.values if isinstance(v, TrackValues))
        if category == self.space.track_column:
            return next_track(notes)
        # every number of steps up to the longest is an offset
        return notes.ends.amin(-1).clamp(0, self.space.sizes[category] - 1)

    def logits(self, category: int, outputs: Tensor) -> Tensor:
        return self.feature_set.logits(category, outputs, self.history, self.values)

    def choose(self, category: int, ids: Tensor) -> None:
        self.history = self.history.choose(self.space, category, ids)
        if category != self.space.order[-1]:
            for values in self.values:
                values.choose(category, ids)

    def observe(self, event: Tensor) -> None:
        self.last = event
        self.history = self.history.observe(self.space, event)
        for values in self.values:
            values.observe(event)

    def reorder(self, rows: Tensor) -> None:
        self.history, self.last = self.history.reorder(rows), self.last[rows]
        for values in self.values:
            values.reorder(rows)
