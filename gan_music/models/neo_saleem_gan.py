"""The GAN of Neo & Saleem 2024: single notes as real numbers, BCE, Adam."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from gan_music.config.model_settings import NeoSaleemConfig
from gan_music.data.batch import Batch
from gan_music.decoding.request import SampleRequest
from gan_music.models.base import MusicGAN
from gan_music.music.piece import Piece
from gan_music.networks.baselines.neo_saleem import NeoSaleemDiscriminator, NeoSaleemGenerator
from gan_music.optim.optimizers import adam
from gan_music.representations.note_triples import NoteTriples


class NeoSaleemGAN(MusicGAN):
    """The networks of listing 1, with the published training loop.

    A batch holds single notes, float ``[B, 3]``. On each batch the discriminator is updated on the
    sum of its losses on real and fake notes, then the generator on fresh noise. The published loop
    does not detach the fakes in the first update, but zeroes the gradients that this leaves in the
    generator: both loops take the same steps.
    """

    reads = ("note_triples",)
    has_temperature = False
    has_meter = False
    has_primer = False

    settings: NeoSaleemConfig

    def __init__(
        self, settings: NeoSaleemConfig, *, representation: NoteTriples, **options: Any
    ) -> None:
        super().__init__(settings, representation=representation, **options)
        size, n_layers = settings.hidden_size, settings.n_layers
        self.generator = NeoSaleemGenerator(
            noise_size=settings.noise_size, hidden_size=size, n_layers=n_layers
        )
        self.discriminator = NeoSaleemDiscriminator(hidden_size=size, n_layers=n_layers)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        s = self.settings
        own = partial(adam, betas=s.betas)
        return [
            self.build_optimizer(self.generator, "g", lr=s.lr_g, default=own),
            self.build_optimizer(self.discriminator, "d", lr=s.lr_d, default=own),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        opt_g, opt_d = self.both_optimizers()
        loss, real = self.adversarial_loss, batch.x
        self.set_lr(opt_g, self.settings.lr_g)
        self.set_lr(opt_d, self.settings.lr_d)

        with self.toggled_optimizer(opt_d):
            fake = self.generator(self._noise(len(real))).detach()
            score_real, score_fake = self.discriminator(real), self.discriminator(fake)
            terms_d = self.discriminator_terms(
                score_real, score_fake, critic=self.discriminator, inputs=lambda: (real, fake)
            )
            self.backward_loss(opt_d, **terms_d)
            opt_d.step()

        with self.toggled_optimizer(opt_g):
            fake = self.generator(self._noise(len(real)))
            scores = self.discriminator(real).detach() if loss.pairs else None
            loss_g = loss.generator(self.discriminator(fake), scores)
            self.backward_loss(opt_g, loss_g=loss_g)
            opt_g.step()

        if self.log_due:
            self.log_discriminator(terms_d, score_real, score_fake)
            self.log_train(loss_g=loss_g)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the discriminator's score of held-out notes."""
        self.log_validation_score(self.discriminator(batch.x))

    @torch.no_grad()
    def _sample(self, request: SampleRequest) -> list[Piece]:
        """Each note has its own noise."""
        rng = torch.Generator(self.device).manual_seed(request.seed)
        notes = (self.generator(self._noise(request.length, rng)) for _ in range(request.n_pieces))
        return self.decode((x.float().cpu().numpy() for x in notes), request)

    def _noise(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.generator.noise_size, generator=rng, device=self.device)
