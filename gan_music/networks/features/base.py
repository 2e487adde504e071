"""The interface of hand-made features of past events: for whole sequences and for single steps.

A feature has no trainable weights. It gives a network numbers beside its inputs, adds weighted
scores to the logits of a choice, and describes known events to a critic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from gan_music.networks.features.history import History
from gan_music.networks.note_space import Starts


class FeatureValues(ABC):
    """A feature before one event, or before each event of whole sequences, ``[...]``."""

    def inputs(self, history: History) -> Tensor | None:
        """Numbers beside the network's input, float ``[..., n_inputs]``, or None."""
        return None

    @abstractmethod
    def add_scores(
        self, category: int, logits: Tensor, weights: Tensor, history: History
    ) -> Tensor:
        """Logits of the choices ``[..., n]`` plus this feature's scores of each, whose weights
        ``[..., n_weights[category]]`` a head of the network gives.

        ``history`` holds the offset of the event where the category comes after it.
        """


class FeatureSequence(FeatureValues):
    """A feature before each event of known sequences, ``[B, T]``, as teacher forcing needs it."""

    @abstractmethod
    def describe(self, events: Tensor, history: History) -> Tensor:
        """How each event relates to those before it: ids ``[B, T, C + 2]`` -> float
        ``[B, T, n_descriptors]``; undefined for padding.
        """


class Incremental:
    """What advances by one event of ``B`` sequences at a time."""

    def choose(self, category: int, ids: Tensor) -> None:
        """The next event's category is ``ids [B]``."""

    def observe(self, event: Tensor) -> None:
        """Append an event, ids ``[B, C]``, whether its categories were chosen here or not."""

    def reorder(self, rows: Tensor) -> None:
        """Replace the sequences by those of the rows, int64 ``[n]``."""


class FeatureState(FeatureValues, Incremental):
    """A feature before the next event of ``B`` sequences that are decoded step by step."""


class Feature(nn.Module, ABC):
    """One hand-made feature.

    Attributes
    ----------
    n_inputs : numbers beside each input of the network.
    n_weights : by category, weights of its scores that a head gives.
    n_descriptors : numbers by which it describes a known event.
    """

    n_inputs: int
    n_weights: Sequence[int]
    n_descriptors: int

    @abstractmethod
    def sequence(self, events: Tensor, inputs: Tensor, history: History) -> FeatureSequence:
        """Its values before each of known events, ids ``[B, T, C + 2]``; ``inputs`` are the same
        events as the network reads them.
        """

    @abstractmethod
    def state(self, starts: Starts) -> FeatureState:
        """Its values before the first event of ``B`` sequences that begin there."""


class StepState(Incremental, ABC):
    """All features before the next event of ``B`` sequences: the one state of a decoder that is
    not learned.

    For each event, :meth:`input_ids` and :meth:`inputs` are read; then :meth:`logits` and
    :meth:`choose` are called for each category in turn; then :meth:`observe`.
    """

    @property
    @abstractmethod
    def meter(self) -> Tensor:
        """Ids, ``[B]``."""

    @property
    @abstractmethod
    def position(self) -> Tensor:
        """Of the last event in its bar, ``[B]``."""

    @abstractmethod
    def set_position(self, position: Tensor) -> None:
        """Correct the last event's position in the bar, ``[B]``."""

    @abstractmethod
    def input_ids(self) -> Tensor:
        """The last event's categories, intervals and position in the bar, ``[B, C + I + 1]``."""

    @abstractmethod
    def inputs(self) -> Tensor | None:
        """Numbers beside the network's input, float ``[B, n_inputs]``, or None."""

    @abstractmethod
    def derived(self, category: int) -> Tensor:
        """The next event's category, ids ``[B]``, where it follows from the events before."""

    @abstractmethod
    def logits(self, category: int, outputs: Tensor) -> Tensor:
        """Logits of the next event's category, ``[B, n]``, from a head's outputs, ``[B, W]``."""


def weighted(weights: Tensor, scores: Tensor) -> Tensor:
    """The sum over ``K`` of weights ``[..., K]`` times scores ``[..., K, n]``: ``[..., n]``."""
    return (weights[..., None, :] @ scores.to(weights.dtype))[..., 0, :]


def select(scores: Tensor, ids: Tensor) -> Tensor:
    """Scores ``[B, T, K, n]`` of the choices that were made, ids ``[B, T]``: ``[B, T, K]``."""
    return scores.gather(-1, ids[..., None, None].expand(*scores.shape[:-1], 1))[..., 0]
