"""C-RNN-GAN (Mogren 2016, arXiv 1611.09904), from its paper: sequences of real-valued tones."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.config.model_settings import CRNNGANConfig
from gan_music.losses import adversarial
from gan_music.models.base import MusicGAN
from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.networks.baselines.crnn import CRNNDiscriminator, CRNNGenerator
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.system.errors import UserError

_BATCH = 64  # pieces sampled side by side


class Frozen(NamedTuple):
    """Which players are not updated on a batch."""

    g: bool
    d: bool


def frozen(loss_g: float, loss_d: float, below: float) -> Frozen:
    """Freezing (section 3): a player whose loss is less than ``below`` times the other's stops.

    The paper's words: D stops "whenever its training loss is less than 70% of the training loss of
    G. We do the corresponding thing when G becomes too strong." Its released code does otherwise:
    there, as soon as one loss is below 2, D is never updated, and where D is the stronger, G is
    not updated either.
    """
    return Frozen(g=loss_g < below * loss_d, d=loss_d < below * loss_g)


class CRNNGAN(MusicGAN):
    """An LSTM that is fed noise and its own last tone, against a bidirectional LSTM.

    A batch is a tensor of tones, float ``[B, T, 4]`` (:class:`NoteQuadruples`). In the first
    ``warm_start_epochs`` the generator alone learns, by squared error, to predict each next tone of
    real sequences, whose length grows epoch by epoch to the whole window. Then, on each batch, both
    players' losses decide who is updated (:func:`frozen`), and those who are take one step of plain
    gradient descent: the discriminator on its averaged decision, the generator on the distance of
    the discriminator's features of its tones from those of real ones.
    """

    settings: CRNNGANConfig
    reads = ("note_quadruples",)

    def __init__(
        self,
        settings: CRNNGANConfig,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            settings, codec_state=codec_state, config=config, clip_norm=settings.clip_norm
        )
        self.codec = NoteQuadruples.from_state(codec_state)
        size, n_layers = settings.hidden_size, settings.n_layers
        self.generator = CRNNGenerator(
            noise_size=settings.noise_size, hidden_size=size, n_layers=n_layers
        )
        self.discriminator = CRNNDiscriminator(hidden_size=size, n_layers=n_layers)

    @property
    def has_temperature(self) -> bool:
        return False

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.SGD(
                [{"params": network.parameters(), "player": player}],
                lr=self.settings.lr,
                weight_decay=self.settings.l2,
            )
            for network, player in ((self.generator, "g"), (self.discriminator, "d"))
        ]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        if self.phase:
            self._predict_next(batch)
        else:
            self._play(batch)

    def _predict_next(self, batch: Tensor) -> None:
        """The warm start: squared error of the next tone, on the beginning of each window."""
        opt_g, _ = self.both_optimizers()
        real = batch[
            :, : length_in_epoch(self.current_epoch, self.settings.warm_start_epochs, batch)
        ]
        with self.toggled_optimizer(opt_g):
            noise = self.generator.noise(len(real), real.shape[1])
            loss = F.mse_loss(self.generator.predict(real, noise), real)
            self.backward_loss(opt_g, squared_error=loss)
            opt_g.step()
        if self.log_due:
            self.log_train(squared_error=loss, length=torch.tensor(real.shape[1]))

    def _play(self, batch: Tensor) -> None:
        """One adversarial batch. Both losses are taken before either player moves."""
        opt_g, opt_d = self.both_optimizers()
        fake = self.generator(self.generator.noise(len(batch), batch.shape[1]))

        with self.toggled_optimizer(opt_d):
            score_real, features_real = self.discriminator(batch)
            score_fake, _ = self.discriminator(fake.detach())
            loss_d = adversarial.averaged_discriminator_bce(score_real, score_fake)
            # What is compared is -log D(G(z)). The paper prints the generator's loss as
            # log(1 - D(G(z))), which is never positive, so that no loss of D could lie below 70 %
            # of it; its released code has -log D(G(z)), too.
            loss_g_bce = adversarial.averaged_generator_bce(score_fake.detach())
            rest = frozen(
                # the same in each process, since a step is all processes'
                self.over_processes(loss_g_bce).item(),
                self.over_processes(loss_d.detach()).item(),
                self.settings.freeze_below,
            )
            if not rest.d:
                self.backward_loss(opt_d, loss_d=loss_d)

        if not rest.g:
            # against the discriminator that gave the losses: it moves last
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
        if not rest.d:
            opt_d.step()

        if self.log_due:
            (log_real, _), (log_fake, _) = map(adversarial.decision, (score_real, score_fake))
            self.log_train(
                loss_d=loss_d,
                loss_g=loss_g_bce,
                score_real=log_real.exp().mean(),
                score_fake=log_fake.exp().mean(),
                # the decision is right where it lies on the right side of a half
                accuracy_d=0.5
                * ((log_real.exp() > 0.5).float().mean() + (log_fake.exp() < 0.5).float().mean()),
                frozen_d=torch.tensor(float(rest.d)),
                frozen_g=torch.tensor(float(rest.g)),
            )

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Held-out real windows: the squared error of the next tone, and what D makes of them."""
        rng = torch.Generator(self.device).manual_seed(batch_idx)
        predicted = self.generator.predict(
            batch, self.generator.noise(len(batch), batch.shape[1], rng)
        )
        score = adversarial.decision(self.discriminator(batch)[0])[0].exp().mean()
        self.log("val/squared_error", F.mse_loss(predicted, batch), batch_size=len(batch))
        self.log("val/score_real", score, batch_size=len(batch))

    @torch.no_grad()
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
        """One noise a tone. ``temperature`` does nothing: there is no softmax to divide.

        ``n_clipped`` then counts the values that no MIDI file could hold.
        """
        if meter is not None:
            raise UserError("this model's tones lie in no bars: leave meter out.")
        rng = torch.Generator(self.device).manual_seed(seed)
        self.n_clipped = 0
        pieces: list[Piece] = []
        for first in range(0, n_pieces, _BATCH):
            noise = self.generator.noise(min(_BATCH, n_pieces - first), n_notes, rng)
            for tones in self.generator(noise).float().cpu().numpy():
                name = f"sample {len(pieces) + 1}"
                piece, n_clipped = self.codec.decode(tones, tempo=tempo, name=name)
                self.n_clipped += n_clipped
                pieces.append(piece)
        return pieces


def length_in_epoch(epoch: int, n_epochs: int, batch: Tensor) -> int:
    """Tones of each window that a warm start of ``n_epochs`` shows in an epoch, from 0.

    It grows in equal steps to the whole window, in the last epoch.
    """
    return max(1, batch.shape[1] * (epoch + 1) // n_epochs)
