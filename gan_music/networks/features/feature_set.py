"""The features of one network: what its inputs, its heads and its critic see of past events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gan_music.networks.features.active_notes import ActiveNotes
from gan_music.networks.features.base import Feature, FeatureSequence, FeatureValues
from gan_music.networks.features.history import History, history_sequence
from gan_music.networks.features.lookback import Lookback
from gan_music.networks.features.relations import Relations
from gan_music.networks.features.track_notes import Tracks
from gan_music.networks.note_space import NoteSpace


class FeatureSet(nn.Module):
    """Relations; lookback and active notes where their spans are above 0; tracks where events have
    one.

    Parameters
    ----------
    n_intervals : intervals from the last pitch to earlier ones; 0 leaves out all relations.
    lookback_span : events back in which matches are searched.
    active_notes_span : last notes that may still sound.
    n_pitch_priors : scores of each pitch that hold for a whole sequence.

    Attributes
    ----------
    head_sizes : by category, how the ``W`` outputs of its head are split: the logits that it gives
        itself, then the weights of each feature's scores.
    n_inputs, n_descriptors : of all features.
    """

    def __init__(
        self,
        space: NoteSpace,
        *,
        n_intervals: int,
        lookback_span: int,
        active_notes_span: int,
        n_pitch_priors: int = 0,
    ) -> None:
        super().__init__()
        self.space, self.n_intervals = space, n_intervals
        self.lookback_span, self.active_notes_span = lookback_span, active_notes_span
        features: list[Feature] = [
            Relations(space, n_intervals=n_intervals, n_pitch_priors=n_pitch_priors)
        ]
        if lookback_span:
            features.append(Lookback(space, span=lookback_span))
        if active_notes_span:
            features.append(ActiveNotes(space, span=active_notes_span))
        if space.track_column is not None:
            features.append(Tracks(space))
        # inputs and descriptors stand in this order
        self.features = nn.ModuleList(features)
        self.n_inputs = sum(f.n_inputs for f in features)
        self.n_descriptors = sum(f.n_descriptors for f in features)
        # a head's weights stand in another: relations, tracks, active notes, lookback
        self._head_order = [0, *reversed(range(1, len(features)))]
        self.head_sizes = [
            [n, *(features[k].n_weights[i] for k in self._head_order)]
            for i, n in enumerate(space.sizes)
        ]

    def __iter__(self) -> Iterator[Feature]:
        return iter(cast("list[Feature]", list(self.features)))

    def sequence(
        self, events: Tensor, *, inputs: Tensor | None = None, pitch_prior: Tensor | None = None
    ) -> SequenceFeatures:
        """Before each of known events, ids ``[B, T, C + 2]``; ``inputs`` are the same events as the
        network reads them, and ``pitch_prior`` is ``[B, E, P]``.
        """
        inputs = events if inputs is None else inputs
        history = history_sequence(
            self.space, events, inputs, n_intervals=self.n_intervals, pitch_prior=pitch_prior
        )
        return SequenceFeatures(self, history, [f.sequence(events, inputs, history) for f in self])

    def logits(
        self, category: int, outputs: Tensor, history: History, values: Sequence[FeatureValues]
    ) -> Tensor:
        """A head's outputs ``[..., W]`` -> logits ``[..., n]``."""
        logits, *weights = outputs.split(self.head_sizes[category], -1)
        for k, w in zip(self._head_order, weights, strict=True):
            if w.shape[-1]:
                logits = values[k].add_scores(category, logits, w, history)
        return logits


class SequenceFeatures:
    """All features before each event of known sequences."""

    def __init__(
        self, feature_set: FeatureSet, history: History, values: Sequence[FeatureSequence]
    ) -> None:
        self.feature_set, self.history, self.values = feature_set, history, values

    def inputs(self) -> Tensor | None:
        """Numbers beside the network's input, ``[B, T, n_inputs]``; None where there are none."""
        return join(self.values, self.history)

    def logits(self, category: int, outputs: Tensor) -> Tensor:
        """A head's outputs ``[B, T, W]`` -> logits ``[B, T, n]``."""
        return self.feature_set.logits(category, outputs, self.history, self.values)

    def describe(self, events: Tensor) -> Tensor:
        """Of the same events, ``[B, T, n_descriptors]``."""
        return torch.cat([v.describe(events, self.history) for v in self.values], -1)


def join(values: Sequence[FeatureValues], history: History) -> Tensor | None:
    """The inputs of all features side by side."""
    found = [x for v in values if (x := v.inputs(history)) is not None]
    return torch.cat(found, -1) if found else None
