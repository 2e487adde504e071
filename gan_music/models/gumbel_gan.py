"""The GAN of event sequences: both LSTM networks, a warm start, alternating BCE updates."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from gan_music.config.model_settings import GumbelGANConfig
from gan_music.losses import adversarial, likelihood
from gan_music.models.base import MusicGAN, adam
from gan_music.models.event_model import EventModel, averaged, cosine_decay, note_space
from gan_music.networks.features.history import add_input_noise
from gan_music.networks.lstm_discriminator import LSTMDiscriminator
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.representations.base import PADDING
from gan_music.representations.note_events import NoteEvents


class GumbelGAN(EventModel, MusicGAN):
    """An LSTM generator of event sequences against an LSTM discriminator of windows.

    A batch is a tensor of event ids, int64 ``[B, T, C + 2]``. On each batch the discriminator is
    updated on real windows and on a rollout of the generator, which begins where in the bar they
    begin and is as long (Goodfellow et al. 2014, algorithm 1), then, every ``n_critic`` batches,
    the generator through the straight-through estimator, plus ``likelihood_weight`` times the
    likelihood of the real windows. In the first ``warm_start_epochs`` the generator learns from the
    likelihood alone, while the discriminator
    already learns, every ``warm_start_d_every`` batches, from what the generator writes by then.
    """

    settings: GumbelGANConfig
    n_batches: Tensor

    def __init__(
        self,
        settings: GumbelGANConfig,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            settings, codec_state=codec_state, config=config, clip_norm=settings.clip_norm
        )
        self.codec = NoteEvents.from_state(codec_state)
        space = note_space(self.codec)
        self.generator = LSTMGenerator(
            space,
            noise_size=settings.noise_size,
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
        self.discriminator = LSTMDiscriminator(
            space,
            hidden_size=settings.hidden_size,
            n_layers=1,
            embedding_size=settings.embedding_size,
            dropout=settings.dropout,
        )
        self.averaged = averaged(self.generator, settings.ema_decay)
        # Lightning's global_step counts optimizer steps; schedules here count batches.
        self.register_buffer("n_batches", torch.tensor(0))

    def on_train_start(self) -> None:
        super().on_train_start()
        # where no window is padded, the discriminator need not look
        self.discriminator.padded_in_training = self.padded

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        return [
            adam(self.generator, "g", lr=s.lr_g, betas=s.betas),
            adam(self.discriminator, "d", lr=s.lr_d, betas=s.betas),
        ]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        s = self.settings
        opt_g, opt_d = self.both_optimizers()
        space, is_adversarial = self.generator.space, not self.warm
        number = self.number
        self._schedule(opt_g, number)

        z = self.generator.prior(len(batch))
        # one rollout serves both players
        if is_adversarial or number % s.warm_start_d_every == 0:
            gumbel = self.generator.gumbel(len(batch), batch.shape[1])
            fake = self.decoding.rollout(self.generator, z, gumbel, space.starts(batch))
            fake = fake.where(space.present(batch)[..., None], PADDING)
            with self.toggled_optimizer(opt_d):
                score_real = self.discriminator(batch)
                score_fake = self.discriminator(fake)
                loss_d = adversarial.discriminator_bce(
                    score_real, score_fake, smoothing=s.label_smoothing
                )
                self.backward_loss(opt_d, loss_d=loss_d)
                opt_d.step()
            self.log_train(
                loss_d=loss_d,
                score_real=score_real.sigmoid().mean(),
                score_fake=score_fake.sigmoid().mean(),
                accuracy_d=adversarial.accuracy(score_real, score_fake),
            )
            if not is_adversarial:
                self.log_train(loss_g=adversarial.generator_bce(score_fake))

        if not is_adversarial or number % s.n_critic == 0:
            with self.toggled_optimizer(opt_g):
                terms = {}
                if is_adversarial:
                    relaxed = self.generator.relaxed(fake, z, gumbel, temperature=s.temperature)
                    terms["loss_g"] = adversarial.generator_bce(self.discriminator(fake, relaxed))
                    self.log_train(loss_g=terms["loss_g"])
                weight = s.likelihood_weight if is_adversarial else 1.0
                if weight > 0:
                    inputs = add_input_noise(space, batch, s.input_noise)
                    known = self.generator.posterior(batch, z)
                    logits = self.generator.logits(batch, known, inputs=inputs)
                    nll = likelihood.negative_log_likelihood(logits, batch)
                    terms["nll"] = weight * nll
                    self.log_train(nll=nll)
                self.backward_loss(opt_g, **terms)
                opt_g.step()
            self.averaged.update_parameters(self.generator)
        self.count_batch()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Held-out real windows: their likelihood, and what the discriminator makes of them."""
        super().validation_step(batch, batch_idx)
        score = self.discriminator(batch).sigmoid().mean()
        self.log("val/score_real", score, batch_size=len(batch))

    def _schedule(self, opt_g: LightningOptimizer, count: int) -> None:
        """The generator's learning rate: linear warm-up, cosine over the warm start, then constant.

        It depends on the batch's number alone, never on how many epochs the run will have.
        """
        s = self.settings
        if self.warm:
            total = s.warm_start_epochs * int(self.trainer.num_training_batches)
            lr = s.warm_start_lr * cosine_decay(count, total)
        else:
            lr = s.lr_g
        lr *= min(1.0, (count + 1) / max(1, s.warmup_batches))
        self.set_lr(opt_g, lr)
        self.log_train(temperature=torch.full((), s.temperature, device=self.device))
