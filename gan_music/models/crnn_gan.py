"""C-RNN-GAN (Mogren 2016, arXiv 1611.09904): sequences of notes as real numbers."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.config.model_settings import CRNNGANConfig
from gan_music.data.batch import Batch
from gan_music.decoding.request import SampleRequest
from gan_music.losses import adversarial
from gan_music.models.base import MusicGAN
from gan_music.music.piece import Piece
from gan_music.networks.baselines.crnn import CRNNDiscriminator, CRNNGenerator
from gan_music.optim.optimizers import sgd
from gan_music.representations.note_quadruples import NoteQuadruples

_BATCH = 64  # pieces sampled at a time


class Frozen(NamedTuple):
    """Which networks are not updated on a batch."""

    g: bool
    d: bool


def frozen(loss_g: float, loss_d: float, below: float) -> Frozen:
    """Freezing (section 3) of a network whose loss is less than ``below`` times the other's.

    The paper: D is frozen "whenever its training loss is less than 70% of the training loss of G.
    We do the corresponding thing when G becomes too strong." The released code differs: once a loss
    is below 2, D is never updated again; where D is the stronger, G is not updated either.
    """
    return Frozen(g=loss_g < below * loss_d, d=loss_d < below * loss_g)


class CRNNGAN(MusicGAN):
    """An LSTM that reads noise and its own last note, against a bidirectional LSTM.

    A batch holds windows of notes, float ``[B, T, 4]`` (:class:`NoteQuadruples`). In the first
    ``warm_start_epochs`` the generator is trained to predict each next note of real windows, by
    squared error, on lengths that grow from epoch to epoch. Afterwards the losses of each batch
    decide which networks are updated (:func:`frozen`), by one step of SGD each: the discriminator
    on the BCE of its mean decision, the generator on feature matching.
    """

    reads = ("note_quadruples",)
    takes_loss = False  # freezing compares losses by BCE
    has_temperature = False
    has_meter = False
    has_primer = False

    settings: CRNNGANConfig

    def __init__(
        self, settings: CRNNGANConfig, *, representation: NoteQuadruples, **options: Any
    ) -> None:
        super().__init__(
            settings, representation=representation, clip_norm=settings.clip_norm, **options
        )
        size, n_layers = settings.hidden_size, settings.n_layers
        self.generator = CRNNGenerator(
            noise_size=settings.noise_size, hidden_size=size, n_layers=n_layers
        )
        self.discriminator = CRNNDiscriminator(hidden_size=size, n_layers=n_layers)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        lr, own = self.settings.lr, partial(sgd, weight_decay=self.settings.l2)
        return [
            self.build_optimizer(self.generator, "g", lr=lr, default=own),
            self.build_optimizer(self.discriminator, "d", lr=lr, default=own),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        for optimizer in self.both_optimizers():
            self.set_lr(optimizer, self.settings.lr)
        if self.is_warm_start:
            self._predict_next(batch.x)
        else:
            self._update_both(batch.x)

    def _predict_next(self, real: Tensor) -> None:
        """Pre-training: squared error of the next note, on the beginning of each window."""
        opt_g, _ = self.both_optimizers()
        n_epochs = self.settings.warm_start_epochs
        real = real[:, : length_in_epoch(self.current_epoch, n_epochs, real.shape[1])]
        with self.toggled_optimizer(opt_g):
            noise = self.generator.noise(len(real), real.shape[1])
            loss = F.mse_loss(self.generator.predict(real, noise), real)
            self.backward_loss(opt_g, squared_error=loss)
            opt_g.step()
        if self.log_due:
            self.log_train(squared_error=loss, length=torch.tensor(real.shape[1]))

    def _update_both(self, real: Tensor) -> None:
        """One adversarial batch; both losses are computed before a network is updated."""
        opt_g, opt_d = self.both_optimizers()
        fake = self.generator(self.generator.noise(len(real), real.shape[1]))

        with self.toggled_optimizer(opt_d):
            score_real, features_real = self.discriminator(real)
            score_fake, _ = self.discriminator(fake.detach())
            loss_d = adversarial.averaged_discriminator_bce(score_real, score_fake)
            # -log D(G(z)), as in the released code. The loss that the paper prints for G,
            # log(1 - D(G(z))), is never positive, so that no loss of D could be below 70 % of it.
            loss_g_bce = adversarial.averaged_generator_bce(score_fake.detach())
            frozen_now = frozen(
                # averaged over processes, since all of them must skip the same steps
                self.mean_over_ranks(loss_g_bce).item(),
                self.mean_over_ranks(loss_d.detach()).item(),
                self.settings.freeze_below,
            )
            if not frozen_now.d:
                self.backward_loss(opt_d, loss_d=loss_d)

        if not frozen_now.g:
            # against the discriminator that gave the losses, whose step comes last
            with self.toggled_optimizer(opt_g):
                scores, features = self.discriminator(fake)
                if self.settings.feature_matching:
                    loss_g = adversarial.feature_matching(features_real.detach(), features)
                else:
                    loss_g = adversarial.averaged_generator_bce(scores)
                self.backward_loss(opt_g, loss_g=loss_g)
                opt_g.step()
            if self.log_due and self.settings.feature_matching:
                self.log_train(feature_distance=loss_g)
        if not frozen_now.d:
            opt_d.step()

        if self.log_due:
            p_real, p_fake = (adversarial.decision(s)[0].exp() for s in (score_real, score_fake))
            self.log_train(
                loss_d=loss_d,
                loss_g=loss_g_bce,
                score_real=p_real.mean(),
                score_fake=p_fake.mean(),
                accuracy_d=0.5 * ((p_real > 0.5).float().mean() + (p_fake < 0.5).float().mean()),
                frozen_d=torch.tensor(float(frozen_now.d)),
                frozen_g=torch.tensor(float(frozen_now.g)),
            )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the squared error of the next note and D's decision, on held-out windows."""
        real = batch.x
        rng = torch.Generator(self.device).manual_seed(batch_idx)
        predicted = self.generator.predict(
            real, self.generator.noise(len(real), real.shape[1], rng)
        )
        score = adversarial.decision(self.discriminator(real)[0])[0].exp().mean()
        self.log("val/squared_error", F.mse_loss(predicted, real), batch_size=len(real))
        self.log("val/score_real", score, batch_size=len(real))

    @torch.no_grad()
    def _sample(self, request: SampleRequest) -> list[Piece]:
        """Each note has its own noise."""
        rng = torch.Generator(self.device).manual_seed(request.seed)
        sizes = [
            min(_BATCH, request.n_pieces - first) for first in range(0, request.n_pieces, _BATCH)
        ]
        batches = (self.generator(self.generator.noise(n, request.length, rng)) for n in sizes)
        return self.decode((x for b in batches for x in b.float().cpu().numpy()), request)


def length_in_epoch(epoch: int, n_epochs: int, length: int) -> int:
    """Notes of each window of ``length`` that pre-training reads in an epoch, from 0.

    It grows in equal steps to the whole window, in the last of ``n_epochs``.
    """
    return max(1, length * (epoch + 1) // n_epochs)
