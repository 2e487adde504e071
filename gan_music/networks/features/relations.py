"""Scores of a choice by its relation to past events: metrical position, intervals, pitch counts.

A network that reads ids alone must learn each interval anew for every pitch, and for every position
which offset leads to the beat. These scores share what is learned between keys and between
positions in the bar.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_music.networks.features.base import (
    Feature,
    FeatureSequence,
    FeatureState,
    select,
    weighted,
)
from gan_music.networks.features.history import TIME_CONSTANTS, History
from gan_music.networks.note_space import NoteSpace, Starts

# log frequencies of the pitch, of its class and of its register, by time constant
N_FREQUENCIES = 3 * len(TIME_CONSTANTS)
EPSILON = 0.01  # added to frequencies, so that their logarithms are finite
_REGISTER = 4.0  # semitones: standard deviation of the kernel of a register

_OFFSET, _PITCH, _DURATION = 0, 1, 2  # columns of an event


class Relations(Feature, FeatureSequence, FeatureState):
    """Scores, for ``n_intervals`` above 0, of

    - an offset and a duration by the position in the beat and the beat of the bar where they end;
    - a pitch by its interval to each of the last ``n_intervals`` pitches, by the log frequencies of
      the pitch, its class and its register in the decayed pitch counts, and by ``n_pitch_priors``
      scores that hold for the whole sequence.

    A known event is described by the log frequencies of its pitch. All that it needs is in the
    history, so that it is its own sequence and its own state.
    """

    kernels: Tensor

    def __init__(self, space: NoteSpace, *, n_intervals: int, n_pitch_priors: int) -> None:
        super().__init__()
        self.space, self.n_intervals = space, n_intervals
        self.n_inputs, self.n_descriptors = 0, N_FREQUENCIES
        self.n_pitch_weights = N_FREQUENCIES + n_pitch_priors
        n_positions = space.grid + space.n_beats
        n_intervals_weights = n_intervals * (2 * space.n_pitches - 1)
        by_category = (n_positions, n_intervals_weights + self.n_pitch_weights, n_positions)
        self.n_weights = [
            by_category[i] if n_intervals and i < len(by_category) else 0
            for i in range(space.n_categories)
        ]
        self.register_buffer("kernels", pitch_kernels(space.n_pitches), persistent=False)

    def sequence(self, events: Tensor, inputs: Tensor, history: History) -> Relations:
        return self

    def state(self, starts: Starts) -> Relations:
        return self

    def add_scores(
        self, category: int, logits: Tensor, weights: Tensor, history: History
    ) -> Tensor:
        if category == _OFFSET:
            return logits + self._positions(weights, history.position, history.meter, category)
        if category == _PITCH:
            n = self.space.n_pitches
            *of_intervals, of_pitch = weights.split(
                [*[2 * n - 1] * self.n_intervals, self.n_pitch_weights], -1
            )
            for k, of_interval in enumerate(of_intervals):
                scores = self._intervals(of_interval, history.pitches[..., k])
                logits = self.space.add_to_pitches(logits, scores)
            return self.space.add_to_pitches(logits, self._pitches(of_pitch, history))
        assert history.onset is not None
        return logits + self._positions(weights, history.onset, history.meter, category)

    def describe(self, events: Tensor, history: History) -> Tensor:
        found = log_frequencies(history.pitch_history, self.kernels)
        pitch = events[..., _PITCH].clamp(0, self.space.n_pitches - 1)
        return select(found, pitch) / 3  # scaled to about 1

    def _positions(self, weights: Tensor, start: Tensor, meter: Tensor, category: int) -> Tensor:
        """Scores of positions in the beat and of beats -> of each choice, by where it ends."""
        space = self.space
        bins = space.offset_bins if category == _OFFSET else space.duration_bins
        end = (start[..., None] + bins) % space.bars[meter][..., None]
        within, beat = weights.tensor_split([space.grid], -1)
        return within.gather(-1, end % space.grid) + beat.gather(-1, end // space.grid)

    def _intervals(self, weights: Tensor, pitch: Tensor) -> Tensor:
        """Scores of intervals ``[..., 2 P - 1]`` from a pitch -> of each pitch, ``[..., P]``."""
        n = self.space.n_pitches
        start = pitch.where(pitch < n, n // 2)  # before the first: from the middle
        steps = torch.arange(n, device=weights.device) + n - 1
        return weights.gather(-1, steps - start[..., None])

    def _pitches(self, weights: Tensor, history: History) -> Tensor:
        """Weights of log frequencies and of the prior -> scores of each pitch, ``[..., P]``."""
        frequencies = log_frequencies(history.pitch_history, self.kernels)
        of_frequencies, of_prior = weights.tensor_split([N_FREQUENCIES], -1)
        scores = weighted(of_frequencies, frequencies)
        if history.pitch_prior.shape[1]:
            prior = history.pitch_prior.to(weights.dtype)
            scores = scores + torch.einsum("b...e,bep->b...p", of_prior, prior)
        return scores


def pitch_kernels(n_pitches: int) -> Tensor:
    """How much each pitch counts for each other by identity, class and register, ``[P, 3 P]``."""
    pitch = torch.arange(n_pitches)
    apart = pitch[:, None] - pitch
    parts = [apart == 0, apart % 12 == 0, torch.exp(-0.5 * (apart / _REGISTER) ** 2)]
    return torch.cat([p.float() for p in parts], 1)


@torch.no_grad()
def log_frequencies(pitch_history: Tensor, kernels: Tensor) -> Tensor:
    """Decayed counts ``[..., M, P]`` and :func:`pitch_kernels` -> logarithms of the relative
    frequencies of each pitch, its class and its register, ``[..., N_FREQUENCIES, P]``.
    """
    with torch.autocast(pitch_history.device.type, enabled=False):
        share = pitch_history / pitch_history.sum(-1, keepdim=True).clamp_min(1e-3)
        found = torch.log(share @ kernels + EPSILON)  # [..., M, 3 P]
    return found.unflatten(-1, (3, -1)).flatten(-3, -2)
