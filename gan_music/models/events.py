"""What models with a generator of events share: averaged weights, samples, a likelihood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gan_music import losses
from gan_music.events import EventCodec
from gan_music.models.base import MusicModel
from gan_music.networks.events import EventSpace
from gan_music.networks.generator import LSTMGenerator
from gan_music.notes import DEFAULT_TEMPO, Piece
from gan_music.primer import Primer
from gan_music.sampling import go_on, sample


def event_space(codec: EventCodec) -> EventSpace:
    """A codec's table, as the networks take it."""
    return EventSpace(
        codec.sizes,
        offset_bins=codec.offset_bins.tolist(),
        duration_bins=codec.duration_bins.tolist(),
        bars=codec.bars.tolist(),
        n_positions=codec.n_positions,
        grid=codec.grid,
    )


def averaged(generator: LSTMGenerator, decay: float) -> AveragedModel:
    """The generator's exponential moving average, whose weights nobody trains."""
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.requires_grad_(False)
    return average


class EventModel(MusicModel):
    """A model that draws events from the averaged weights of an LSTM generator."""

    sampled_from = "averaged.module."

    codec: EventCodec
    averaged: AveragedModel

    @property
    def sampler(self) -> LSTMGenerator:
        """The generator to sample from: averaged weights."""
        module = self.averaged.module
        assert isinstance(module, LSTMGenerator)
        return module

    def sample(
        self,
        *,
        n_pieces: int,
        n_notes: int,
        seed: int,
        temperature: float = 1.0,
        tempo: float = DEFAULT_TEMPO,
        meter: tuple[int, int] | None = None,
    ) -> list[Piece]:
        return sample(
            self.sampler,
            self.codec,
            n_pieces=n_pieces,
            n_notes=n_notes,
            seed=seed,
            temperature=temperature,
            tempo=tempo,
            meter=meter,
        )

    def go_on(
        self,
        primer: Primer,
        *,
        n_pieces: int,
        n_notes: int,
        seed: int,
        temperature: float = 1.0,
        tempo: float = DEFAULT_TEMPO,
    ) -> list[Piece]:
        return go_on(
            self.sampler,
            self.codec,
            primer,
            n_pieces=n_pieces,
            n_notes=n_notes,
            seed=seed,
            temperature=temperature,
            tempo=tempo,
        )

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """The likelihood of held-out windows, nats an event."""
        z = self.sampler.noise(len(batch), torch.Generator(self.device).manual_seed(batch_idx))
        nll = losses.negative_log_likelihood(self.sampler.logits(batch, z), batch)
        self.log("val/nll", nll, batch_size=len(batch))
