"""The GAN as a LightningModule: both LSTM networks, manual optimization, alternating updates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gan_music import losses
from gan_music.events import EventCodec
from gan_music.networks.discriminator import LSTMDiscriminator
from gan_music.networks.events import EventSpace
from gan_music.networks.generator import LSTMGenerator

# Raise it whenever an older checkpoint would no longer load, or mean the same.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Training:
    """How the two players are trained; the keys are explained in conf/model."""

    lr_g: float
    lr_d: float
    betas: tuple[float, float]
    n_critic: int
    label_smoothing: float
    clip_norm: float
    temperature: float
    likelihood_weight: float
    warm_start_epochs: int
    warm_start_lr: float
    warm_start_d_every: int
    warmup_batches: int
    ema_decay: float


class SequenceGAN(LightningModule):
    """An LSTM generator of event sequences against an LSTM discriminator of windows.

    A batch is a tensor of event ids, int64 ``[B, T, 3]``. On each batch the discriminator is
    updated on real windows and on a rollout of the generator (Goodfellow et al. 2014, algorithm 1),
    then, every ``n_critic`` batches, the generator through the straight-through estimator, plus
    ``likelihood_weight`` times the likelihood of the real windows. In the first
    ``warm_start_epochs`` the generator learns from the likelihood alone, while the discriminator
    already learns, every ``warm_start_d_every`` batches, from what the generator writes by then.

    Parameters
    ----------
    codec_state : what :meth:`EventCodec.state` gave; kept in checkpoints.
    config : the whole run's settings as plain values; kept in checkpoints, not read here.
    """

    n_batches: Tensor

    def __init__(
        self,
        *,
        codec_state: dict[str, Any],
        hidden_size: int,
        n_layers: int,
        embedding_size: int,
        noise_size: int,
        dropout: float,
        training: Training,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.codec = EventCodec.from_state(codec_state)
        self.config = config or {}
        self.settings = training
        space = EventSpace(self.codec.sizes, self.codec.offset_bins.tolist(), self.codec.grid)
        self.generator = LSTMGenerator(
            space,
            noise_size=noise_size,
            hidden_size=hidden_size,
            n_layers=n_layers,
            embedding_size=embedding_size,
            dropout=dropout,
        )
        self.discriminator = LSTMDiscriminator(
            space,
            hidden_size=hidden_size,
            n_layers=1,
            embedding_size=embedding_size,
            dropout=dropout,
        )
        self.averaged = AveragedModel(
            self.generator, multi_avg_fn=get_ema_multi_avg_fn(training.ema_decay)
        )
        # Lightning's global_step counts optimizer steps; schedules here count batches.
        self.register_buffer("n_batches", torch.tensor(0))
        self._restored_rng: Tensor | None = None

    @property
    def sampler(self) -> LSTMGenerator:
        """The generator to sample from: averaged weights."""
        module = self.averaged.module
        assert isinstance(module, LSTMGenerator)
        return module

    @property
    def warm(self) -> bool:
        """Whether this is the warm start."""
        return self.current_epoch < self.settings.warm_start_epochs

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        return [
            torch.optim.Adam(
                [{"params": network.parameters(), "player": player}], lr=lr, betas=s.betas
            )
            for player, network, lr in (
                ("g", self.generator, s.lr_g),
                ("d", self.discriminator, s.lr_d),
            )
        ]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        s = self.settings
        opt_g, opt_d = self._optimizers()
        space, adversarial = self.generator.space, not self.warm
        number = int(self.n_batches)
        self._schedule(opt_g, number)

        z = self.generator.noise(len(batch))
        # one rollout serves both players
        if adversarial or number % s.warm_start_d_every == 0:
            gumbel = self.generator.gumbel(len(batch), batch.shape[1])
            fake = self.generator.rollout(z, gumbel)
            with self.toggled_optimizer(opt_d):
                score_real = self.discriminator(space.one_hot(batch))
                score_fake = self.discriminator(space.one_hot(fake))
                loss_d = losses.discriminator_bce(
                    score_real, score_fake, smoothing=s.label_smoothing
                )
                opt_d.zero_grad()
                self.manual_backward(loss_d)
                opt_d.step()
            self._log(
                loss_d=loss_d,
                loss_g=losses.generator_bce(score_fake),
                score_real=score_real.sigmoid().mean(),
                score_fake=score_fake.sigmoid().mean(),
                accuracy_d=losses.accuracy(score_real, score_fake),
            )

        if not adversarial or number % s.n_critic == 0:
            with self.toggled_optimizer(opt_g):
                loss = torch.zeros((), device=self.device)
                if adversarial:
                    relaxed = self.generator.relaxed(fake, z, gumbel, temperature=s.temperature)
                    loss = loss + losses.generator_bce(self.discriminator(relaxed))
                weight = s.likelihood_weight if adversarial else 1.0
                if weight > 0:
                    nll = losses.negative_log_likelihood(self.generator.logits(batch, z), batch)
                    loss = loss + weight * nll
                    self._log(nll=nll)
                opt_g.zero_grad()
                self.manual_backward(loss)
                opt_g.step()
            self.averaged.update_parameters(self.generator)
        self.n_batches += 1

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Held-out real windows: their likelihood, and what the discriminator makes of them."""
        z = self.sampler.noise(len(batch), torch.Generator(self.device).manual_seed(batch_idx))
        nll = losses.negative_log_likelihood(self.sampler.logits(batch, z), batch)
        score = self.discriminator(self.sampler.space.one_hot(batch)).sigmoid().mean()
        self.log("val/nll", nll, batch_size=len(batch))
        self.log("val/score_real", score, batch_size=len(batch))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # here gradients are unscaled already; the trainer cannot clip under manual optimization
        (group,) = optimizer.param_groups
        norm = nn.utils.clip_grad_norm_(group["params"], self.settings.clip_norm)
        self._log(**{f"grad_norm_{group['player']}": norm})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["gan_music"] = {
            "schema": SCHEMA_VERSION,
            "config": self.config,
            "codec": self.codec.state(),
            "rng": torch.get_rng_state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._restored_rng = checkpoint["gan_music"]["rng"]

    def on_train_epoch_start(self) -> None:
        # as late as can be: whatever was drawn while the run was set up does not count
        if self._restored_rng is not None:
            torch.set_rng_state(self._restored_rng.cpu())
            self._restored_rng = None

    def _optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        opt_g, opt_d = self.optimizers()  # type: ignore[attr-defined]  # a list, as there are two
        return opt_g, opt_d

    def _schedule(self, opt_g: LightningOptimizer, count: int) -> None:
        """The generator's learning rate: linear warm-up, cosine over the warm start, then constant.

        It depends on the batch's number alone, never on how many epochs the run will have.
        """
        s = self.settings
        if self.warm:
            total = s.warm_start_epochs * int(self.trainer.num_training_batches)
            cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, count / total)))
            lr = s.warm_start_lr * max(0.05, cosine)
        else:
            lr = s.lr_g
        lr *= min(1.0, (count + 1) / max(1, s.warmup_batches))
        for group in opt_g.param_groups:
            group["lr"] = lr
        self._log(lr_g=torch.tensor(lr))

    def _log(self, **values: Tensor) -> None:
        self.log_dict({f"train/{name}": v.detach().float() for name, v in values.items()})
