"""A Gumbel-softmax GAN of events: likelihood pre-training, then alternating BCE updates."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from gan_music.config.model_settings import GumbelGANConfig
from gan_music.data.batch import Batch
from gan_music.losses import likelihood
from gan_music.models.base import MusicGAN
from gan_music.models.event_model import EventModel
from gan_music.networks.features.history import add_input_noise
from gan_music.networks.lstm_discriminator import LSTMDiscriminator
from gan_music.optim.ema import EMA
from gan_music.optim.optimizers import adam
from gan_music.optim.schedules import cosine_decay, linear_warmup
from gan_music.representations.base import PADDING
from gan_music.representations.note_events import NoteEvents


class GumbelGAN(EventModel, MusicGAN):
    """An LSTM generator of events against an LSTM discriminator of windows.

    A batch holds event ids, int64 ``[B, T, C + 2]``. On each batch the discriminator is updated on
    the real windows and on a rollout of the same length that begins at the same positions in the
    bar (Goodfellow et al. 2014, algorithm 1); every ``n_critic`` batches the generator is updated
    through the straight-through estimator, with ``likelihood_weight`` times the negative
    log-likelihood of the real windows. In the first ``warm_start_epochs`` the generator is trained
    by likelihood alone, and the discriminator every ``warm_start_d_every`` batches.
    """

    settings: GumbelGANConfig
    n_batches: Tensor

    def __init__(
        self, settings: GumbelGANConfig, *, representation: NoteEvents, **options: Any
    ) -> None:
        super().__init__(
            settings, representation=representation, clip_norm=settings.clip_norm, **options
        )
        self.generator = self.build_generator(noise_size=settings.noise_size)
        self.discriminator = LSTMDiscriminator(
            self.generator.space,
            hidden_size=settings.hidden_size,
            n_layers=1,
            embedding_size=settings.embedding_size,
            dropout=settings.dropout,
        )
        self.averaged = EMA(self.generator, settings.ema_decay)
        # Lightning's global_step counts optimizer steps; the schedules need batches
        self.register_buffer("n_batches", torch.tensor(0))

    def on_train_start(self) -> None:
        super().on_train_start()
        has_end = self.generator.space.has_end
        self.discriminator.padded_in_training = self.has_padding or has_end

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        own = partial(adam, betas=s.betas)
        return [
            self.build_optimizer(self.generator, "g", lr=s.lr_g, default=own),
            self.build_optimizer(self.discriminator, "d", lr=s.lr_d, default=own),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        s, generator, real = self.settings, self.generator, batch.x
        opt_g, opt_d = self.both_optimizers()
        is_adversarial = not self.is_warm_start
        self._schedule(opt_g, opt_d)

        z = generator.prior(len(real))
        # one rollout serves the updates of both networks
        if is_adversarial or self.batch_number % s.warm_start_d_every == 0:
            gumbel = generator.gumbel(len(real), real.shape[1])
            starts = generator.space.starts(real)
            fake = self.decoding.rollout(generator, z, gumbel, starts)
            fake = fake.where(batch.mask[..., None], PADDING)
            score_real, score_fake = self._update_d(opt_d, real, fake)
            if not is_adversarial:
                self.log_train(loss_g=self.adversarial_loss.generator(score_fake, score_real))

        if not is_adversarial or self.batch_number % s.n_critic == 0:
            with self.toggled_optimizer(opt_g):
                terms = {}
                if is_adversarial:
                    relaxed = generator.relaxed(fake, z, gumbel, temperature=s.temperature)
                    terms["loss_g"] = self.adversarial_loss.generator(
                        self.discriminator(fake, relaxed),
                        self.discriminator(real).detach() if self.adversarial_loss.pairs else None,
                    )
                    self.log_train(loss_g=terms["loss_g"])
                weight = s.likelihood_weight if is_adversarial else 1.0
                if weight > 0:
                    inputs = add_input_noise(generator.space, real, s.input_noise)
                    logits = generator.logits(real, generator.posterior(real, z), inputs=inputs)
                    nll = likelihood.negative_log_likelihood(logits, real)
                    terms["nll"] = weight * nll
                    self.log_train(nll=nll)
                self.backward_loss(opt_g, **terms)
                opt_g.step()
            self.averaged.update_parameters(generator)
        self.count_batch()

    def _update_d(
        self, opt_d: LightningOptimizer, real: Tensor, fake: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update the discriminator, and return its logits of the windows and of the rollout."""
        d = self.discriminator
        with self.toggled_optimizer(opt_d):
            score_real, score_fake = d(real), d(fake)
            terms = self.discriminator_terms(
                score_real,
                score_fake,
                critic=lambda x: d.score(x, d.space.present(real)),
                inputs=lambda: (d.inputs(real), d.inputs(fake)),
                smoothing=self.settings.label_smoothing,
            )
            self.backward_loss(opt_d, **terms)
            opt_d.step()
        self.log_discriminator(terms, score_real, score_fake)
        return score_real.detach(), score_fake.detach()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the likelihood of held-out windows and the discriminator's score of them."""
        super().validation_step(batch, batch_idx)
        self.log_validation_score(self.discriminator(batch.x))

    def _schedule(self, opt_g: LightningOptimizer, opt_d: LightningOptimizer) -> None:
        """The generator's learning rate: linear warm-up, cosine decay in the warm start, constant
        afterwards. It does not depend on the number of epochs of the run.
        """
        s = self.settings
        if self.is_warm_start:
            total = s.warm_start_epochs * int(self.trainer.num_training_batches)
            lr, decay = s.warm_start_lr, cosine_decay(self.batch_number, total)
        else:
            lr, decay = s.lr_g, 1.0
        self.set_lr(opt_g, lr, decay, linear_warmup(self.batch_number, s.warmup_batches))
        self.set_lr(opt_d, s.lr_d)
        self.log_train(temperature=torch.full((), s.temperature, device=self.device))
