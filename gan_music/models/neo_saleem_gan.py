"""The paper's GAN (Neo & Saleem 2024): single notes as real numbers, BCE, Adam."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_music.config.model_settings import NeoSaleemConfig
from gan_music.losses import adversarial
from gan_music.models.base import MusicGAN, adam
from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.networks.baselines.neo_saleem import NeoSaleemDiscriminator, NeoSaleemGenerator
from gan_music.representations.note_triples import NoteTriples
from gan_music.system.errors import UserError


class NeoSaleemGAN(MusicGAN):
    """Listing 1's networks under the published loop.

    A batch is a tensor of triples, float ``[B, 3]``: single notes, in any order. On each batch the
    discriminator is updated on the sum of its losses on real and fake notes, then the generator on
    fresh noise. (The published loop does not detach the fakes in the first update; the gradients
    which that leaves in the generator are zeroed before its own: both loops take the same steps.)
    """

    settings: NeoSaleemConfig
    reads = ("note_triples",)

    def __init__(
        self,
        settings: NeoSaleemConfig,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(settings, codec_state=codec_state, config=config)
        self.codec = NoteTriples.from_state(codec_state)
        size, n_layers = settings.hidden_size, settings.n_layers
        self.generator = NeoSaleemGenerator(
            noise_size=settings.noise_size, hidden_size=size, n_layers=n_layers
        )
        self.discriminator = NeoSaleemDiscriminator(hidden_size=size, n_layers=n_layers)

    @property
    def has_temperature(self) -> bool:
        return False

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        return [
            adam(self.generator, "g", lr=s.lr_g, betas=s.betas),
            adam(self.discriminator, "d", lr=s.lr_d, betas=s.betas),
        ]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        opt_g, opt_d = self.both_optimizers()

        with self.toggled_optimizer(opt_d):
            fake = self.generator(self._noise(len(batch))).detach()
            score_real, score_fake = self.discriminator(batch), self.discriminator(fake)
            loss_d = adversarial.discriminator_bce(score_real, score_fake)
            self.backward_loss(opt_d, loss_d=loss_d)
            opt_d.step()

        with self.toggled_optimizer(opt_g):
            fake = self.generator(self._noise(len(batch)))
            loss_g = adversarial.generator_bce(self.discriminator(fake))
            self.backward_loss(opt_g, loss_g=loss_g)
            opt_g.step()

        if self.log_due:
            self.log_train(
                loss_d=loss_d,
                loss_g=loss_g,
                score_real=score_real.sigmoid().mean(),
                score_fake=score_fake.sigmoid().mean(),
                accuracy_d=adversarial.accuracy(score_real, score_fake),
            )

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """What the discriminator makes of held-out notes."""
        score = self.discriminator(batch).sigmoid().mean()
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
        """One noise a note. ``temperature`` does nothing: there is no softmax to divide.

        ``n_clipped`` then counts the values that no MIDI file could hold.
        """
        if meter is not None:
            raise UserError("this model's notes lie in no bars: leave meter out.")
        rng = torch.Generator(self.device).manual_seed(seed)
        self.n_clipped = 0
        pieces = []
        for number in range(n_pieces):
            triples = self.generator(self._noise(n_notes, rng)).float().cpu().numpy()
            decoded = self.codec.decode(
                triples.astype(np.float32), tempo=tempo, name=f"sample {number + 1}"
            )
            self.n_clipped += decoded.n_clipped
            pieces.append(decoded.piece)
        return pieces

    def _noise(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.generator.noise_size, generator=rng, device=self.device)
