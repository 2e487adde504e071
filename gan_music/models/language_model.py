"""A language model of events: the generator trained by maximum likelihood alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from gan_music.config.model_settings import LanguageModelConfig
from gan_music.data.batch import Batch
from gan_music.losses import likelihood
from gan_music.models.event_model import EventModel
from gan_music.networks.features.history import add_input_noise
from gan_music.optim.ema import EMA
from gan_music.optim.optimizers import adamw
from gan_music.optim.schedules import warmup_cosine
from gan_music.representations.note_events import NoteEvents


class LanguageModel(EventModel):
    """An LSTM of events, with or without attention over its past.

    A batch holds event ids, int64 ``[B, T, C + 2]``. The loss is the negative log-likelihood of
    each event given the events before it (teacher forcing), in nats an event. AdamW; the learning
    rate rises linearly over ``warmup_batches`` and decays along a cosine over the run. The
    generator's noise is a style vector of the window; with ``n_style_components=0`` it carries no
    information.
    """

    settings: LanguageModelConfig
    n_batches: Tensor

    def __init__(
        self, settings: LanguageModelConfig, *, representation: NoteEvents, **options: Any
    ) -> None:
        super().__init__(
            settings, representation=representation, clip_norm=settings.clip_norm, **options
        )
        self.automatic_optimization = False  # the learning rate is set on each batch
        self.generator = self.build_generator(noise_size=1)
        self.averaged = EMA(self.generator, settings.ema_decay)
        self.register_buffer("n_batches", torch.tensor(0))

    @property
    def keeps_last(self) -> bool:
        return True

    def configure_optimizers(self) -> Any:
        s = self.settings
        own = partial(adamw, betas=s.betas, weight_decay=s.weight_decay, matrices_only=True)
        return self.build_optimizer(self.generator, "g", lr=s.lr, default=own)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        s, optimizer = self.settings, self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)  # there is one
        total = int(self.trainer.num_training_batches) * (self.trainer.max_epochs or 1)
        share = warmup_cosine(self.batch_number, warmup=s.warmup_batches, total=total)
        self.set_lr(optimizer, s.lr, share)

        nll = self.nll(batch.x)
        self.backward_loss(optimizer, nll=nll)
        optimizer.step()
        self.averaged.update_parameters(self.generator)
        self.count_batch()
        self.log_train(nll=nll)

    def nll(self, events: Tensor) -> Tensor:
        """The training loss of windows ``[B, T, C + 2]``, with input noise, in nats an event."""
        generator = self.generator
        z = generator.posterior(events, generator.prior(len(events)))
        inputs = add_input_noise(generator.space, events, self.settings.input_noise)
        return likelihood.negative_log_likelihood(
            generator.logits(events, z, inputs=inputs), events
        )
