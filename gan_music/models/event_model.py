"""Base of models with a generator of events: EMA weights, style prior, samples, likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from gan_music.config.targets import TARGET, build_target
from gan_music.data.batch import Batch
from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.decoding.request import SampleRequest
from gan_music.decoding.sample import batches
from gan_music.losses import likelihood
from gan_music.models.base import MusicModel
from gan_music.models.style_prior import fit_style_prior
from gan_music.music.piece import Piece
from gan_music.networks.event_generator import EventGenerator
from gan_music.networks.features.style_vector import style_vector
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import NoteSpace
from gan_music.optim.ema import EMA
from gan_music.representations.note_events import NoteEvents
from gan_music.system.errors import UserError


def note_space(representation: NoteEvents) -> NoteSpace:
    """The categories of a representation, as networks take them."""
    return NoteSpace(
        representation.sizes,
        names=representation.names,
        n_pitches=representation.n_pitches,
        derived=representation.derived,
        offset_bins=representation.offset_bins.tolist(),
        duration_bins=representation.duration_bins.tolist(),
        bars=representation.bars.tolist(),
        n_positions=representation.n_positions,
        grid=representation.grid,
    )


def lstm_generator(settings: Any, space: NoteSpace, *, noise_size: int) -> LSTMGenerator:
    """The generator of the settings that all models of events have."""
    return LSTMGenerator(
        space,
        noise_size=noise_size,
        hidden_size=settings.hidden_size,
        n_layers=settings.n_layers,
        embedding_size=settings.embedding_size,
        dropout=settings.dropout,
        n_intervals=settings.n_intervals,
        attention_span=settings.attention_span,
        n_style_components=settings.n_style_components,
        lookback_span=settings.lookback_span,
        active_notes_span=settings.active_notes_span,
        recurrent_dropout=settings.recurrent_dropout,
    )


class EventModel(MusicModel):
    """A model that samples events with the EMA weights of its generator."""

    reads: ClassVar[tuple[str, ...]] = ("note_events", "voices")
    sampled_from: ClassVar[tuple[str, ...]] = ("averaged.module.",)

    representation: NoteEvents
    generator: EventGenerator
    averaged: EMA
    n_batches: torch.Tensor  # saved in checkpoints
    batch_number = 0  # ``n_batches`` on the CPU: reading that would synchronise with the GPU
    is_initialised = False  # by another model's weights
    has_padding = True  # whether training windows may have padding: looking would synchronise

    def build_generator(self, *, noise_size: int) -> EventGenerator:
        """The generator of the settings: an LSTM, or what ``model.generator`` names."""
        space, other = note_space(self.representation), self.settings.generator
        if other is not None:
            made = build_target("model.generator", other, space, noise_size=noise_size)
            if not isinstance(made, EventGenerator):
                name = other[TARGET]
                raise UserError(f"model.generator.{TARGET}={name} makes no EventGenerator.")
            return made
        return lstm_generator(self.settings, space, noise_size=noise_size)

    def init_from(self, other: EventModel) -> None:
        """Copy the EMA weights of another model, its style prior included.

        Raises
        ------
        ValueError
            If they do not fit.
        """
        if other.representation.table() != self.representation.table():
            raise ValueError("its events are others")
        try:
            for generator in (self.generator, self.sampler):
                generator.load_state_dict(other.sampler.state_dict())
        except RuntimeError as error:
            raise ValueError("its generator is another") from error
        self.is_initialised = True

    @property
    def sampler(self) -> EventGenerator:
        """The generator with EMA weights, which samples are drawn with."""
        module = self.averaged.module
        assert isinstance(module, EventGenerator)
        return module

    @property
    def particle_filter(self) -> ParticleFilter | None:
        """The particle filter of samples, if any."""
        return None

    def on_fit_start(self) -> None:
        """Fit the style prior to the training windows, in a run that begins at random weights."""
        if self.generator.style_prior is None or self.is_initialised or int(self.n_batches) > 0:
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if data is None:
            raise ValueError(
                "model.n_style_components above 0 needs a data module, to fit a style prior"
            )
        space, n = self.generator.space, len(self.generator.style_prior.weights)
        batches: list[Batch] = list(data.unaugmented_batches())
        vectors = torch.cat([style_vector(space, b.x.to(self.device)) for b in batches])
        pieces = torch.cat([b.piece for b in batches])
        mixture = fit_style_prior(vectors, pieces, n_components=n)
        for generator in (self.generator, self.sampler):
            assert generator.style_prior is not None
            generator.style_prior.set_mixture(mixture)

    def on_train_start(self) -> None:
        self.batch_number = int(self.n_batches)
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.has_padding = getattr(data, "has_padding", True)

    def count_batch(self) -> None:
        """Count one more training batch, on the device and on the CPU."""
        self.n_batches += 1
        self.batch_number += 1

    def _sample(self, request: SampleRequest) -> list[Piece]:
        return [piece for batch in self._batches(request) for piece in batch]

    def _batches(self, request: SampleRequest) -> Iterator[list[Piece]]:
        return batches(
            self.sampler,
            self.representation,
            request,
            decoding=self.decoding,
            particle_filter=self.particle_filter,
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the likelihood of held-out windows, in nats an event."""
        rng = torch.Generator(self.device).manual_seed(batch_idx)
        z = self.sampler.posterior(batch.x, self.sampler.prior(len(batch.x), rng=rng))
        nll = likelihood.negative_log_likelihood(self.sampler.logits(batch.x, z), batch.x)
        self.log("val/nll", nll, batch_size=len(batch.x))
