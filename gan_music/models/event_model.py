"""What models with a generator of events share: averaged weights, samples, a likelihood."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gan_music.decoding.event_decoding import EventDecoding
from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.decoding.primer import Primer
from gan_music.decoding.request import SampleRequest
from gan_music.decoding.sample import sample
from gan_music.losses import likelihood
from gan_music.models.base import MusicModel
from gan_music.models.style_prior import fit_style_prior
from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.networks.features.style_vector import style_vector
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import NoteSpace
from gan_music.representations.note_events import NoteEvents


def note_space(codec: NoteEvents) -> NoteSpace:
    """A codec's table, as the networks take it."""
    return NoteSpace(
        codec.sizes,
        offset_bins=codec.offset_bins.tolist(),
        duration_bins=codec.duration_bins.tolist(),
        bars=codec.bars.tolist(),
        n_positions=codec.n_positions,
        grid=codec.grid,
    )


def event_table(codec: NoteEvents) -> dict[str, Any]:
    """What two codecs have in common whose events mean the same."""
    return {k: v for k, v in codec.state().items() if k != "starts"}


def averaged(generator: LSTMGenerator, decay: float) -> AveragedModel:
    """The generator's exponential moving average, whose weights nobody trains."""
    average = _Average(generator, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.requires_grad_(False)
    return average


def cosine_decay(number: int, total: int) -> float:
    """What is left of a learning rate after so many batches of ``total``: from 1 it falls to a
    twentieth along a cosine, and stays there.
    """
    return max(0.05, 0.5 * (1 + math.cos(math.pi * min(1.0, number / total))))


def warmup_cosine(number: int, *, warmup: int, total: int) -> float:
    """The share of a learning rate on a batch: it rises linearly over ``warmup`` batches, up to
    what :func:`fallen` leaves of it.
    """
    return min((number + 1) / max(1, warmup), cosine_decay(number, total))


class _Average(AveragedModel):
    """An average that asks its device only once whether it has begun: to ask is to wait for it."""

    begun = False

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        if not self.begun:
            super().update_parameters(model)
            self.begun = True
            return
        assert self.multi_avg_fn is not None
        ours: list[Tensor] = [*self.module.parameters()]
        theirs: list[Tensor] = [*model.parameters()]
        self.multi_avg_fn(ours, theirs, self.n_averaged)
        for buffer, new in zip(self.module.buffers(), model.buffers(), strict=True):
            buffer.copy_(new)
        self.n_averaged += 1


class EventModel(MusicModel):
    """A model that draws events from the averaged weights of an LSTM generator."""

    sampled_from: ClassVar[tuple[str, ...]] = ("averaged.module.",)

    codec: NoteEvents
    generator: LSTMGenerator
    averaged: AveragedModel
    n_batches: Tensor
    number = 0  # of the batch: ``n_batches``, which is on the device, as the processor knows it
    is_initialised = False
    decoding = EventDecoding()
    padded = True  # whether training windows may have padding: to look for it waits for the device

    def init_from(self, other: EventModel) -> None:
        """Begin with the averaged weights of another model, and with its outlines.

        Raises
        ------
        ValueError
            If they do not fit.
        """
        if event_table(other.codec) != event_table(self.codec):
            raise ValueError("its events are others")
        try:
            for generator in (self.generator, self.sampler):
                generator.load_state_dict(other.sampler.state_dict())
        except RuntimeError as error:
            raise ValueError("its generator is another") from error
        self.is_initialised = True

    @property
    def sampler(self) -> LSTMGenerator:
        """The generator to sample from: averaged weights."""
        module = self.averaged.module
        assert isinstance(module, LSTMGenerator)
        return module

    @property
    def choice(self) -> ParticleFilter | None:
        """Who chooses among what it writes, if anybody does."""
        return None

    def on_fit_start(self) -> None:
        """Learn what outlines the training windows have; a resumed run knows."""
        if self.generator.style_prior is None or self.is_initialised or int(self.n_batches) > 0:
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if data is None:
            raise ValueError(
                "model.n_style_components above 0 needs a data module, to fit outlines to"
            )
        space, n = self.generator.space, len(self.generator.style_prior.weights)
        batches = list(data.unaugmented_batches())
        found = torch.cat([style_vector(space, b.x.to(self.device)) for b in batches])
        mixture = fit_style_prior(found, torch.cat([b.piece for b in batches]), n_components=n)
        for generator in (self.generator, self.sampler):
            assert generator.style_prior is not None
            generator.style_prior.set_mixture(mixture)

    def on_train_start(self) -> None:
        """What the steps would have to ask the device for, asked once."""
        self.number = int(self.n_batches)
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.padded = getattr(data, "has_padding", True)

    def count_batch(self) -> None:
        """One more is done."""
        self.n_batches += 1
        self.number += 1

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
        request = SampleRequest(n_pieces, n_notes, seed, temperature, tempo, meter)
        return self._sample(request)

    def _sample(self, request: SampleRequest) -> list[Piece]:
        return sample(
            self.sampler,
            self.codec,
            request,
            decoding=self.decoding,
            particle_filter=self.choice,
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
        request = SampleRequest(n_pieces, n_notes, seed, temperature, tempo, primer=primer)
        return self._sample(request)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """The likelihood of held-out windows, nats an event."""
        rng = torch.Generator(self.device).manual_seed(batch_idx)
        z = self.sampler.posterior(batch, self.sampler.prior(len(batch), rng=rng))
        nll = likelihood.negative_log_likelihood(self.sampler.logits(batch, z), batch)
        self.log("val/nll", nll, batch_size=len(batch))
