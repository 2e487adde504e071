"""Piano rolls, a GAN of convolutions that writes them, and a loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gan_music.config.fields import Count, LearningRate, Size, settings
from gan_music.data.batch import Batch
from gan_music.decoding.request import SampleRequest
from gan_music.losses.adversarial import AdversarialLoss, discriminator_bce
from gan_music.models.base import MusicGAN
from gan_music.music.piece import DEFAULT_TEMPO, IntArray, Piece
from gan_music.optim.optimizers import adam
from gan_music.representations.base import Decoded, Representation

LOWEST, N_PITCHES = 21, 88  # of a piano
PHRASE = 16  # steps that the networks read and write at once


@settings
class PianoRollSettings:
    """The values in my_conf/representation/piano_roll.yaml."""

    steps_per_quarter: Count


class PianoRoll(Representation):
    """Onsets ``[steps, 88]``, 1 where a note begins; durations are lost."""

    Settings = PianoRollSettings
    unit = "steps"
    row_dtype: ClassVar[np.dtype[Any]] = np.dtype("<f4")
    names = tuple(f"pitch_{LOWEST + i}" for i in range(N_PITCHES))

    def __init__(self, grid: int, *, steps_per_quarter: int = 4) -> None:
        self.grid, self.steps_per_quarter = grid, steps_per_quarter

    def state(self) -> dict[str, Any]:
        return {"grid": self.grid, "steps_per_quarter": self.steps_per_quarter}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        return cls(int(state["grid"]), steps_per_quarter=int(state["steps_per_quarter"]))

    def n_rows(self, pieces: Sequence[Piece]) -> IntArray:
        return np.array([self._steps(p).max(initial=-1) + 1 for p in pieces], dtype=np.int64)

    def encode(self, piece: Piece) -> NDArray[np.float32]:
        roll = np.zeros((int(self.n_rows([piece])[0]), N_PITCHES), np.float32)
        roll[self._steps(piece), np.clip(piece.pitch - LOWEST, 0, N_PITCHES - 1)] = 1
        return roll

    def decode(
        self, x: NDArray[np.float32], *, tempo: float = DEFAULT_TEMPO, name: str = ""
    ) -> Decoded:
        step, pitch = np.nonzero(x > 0.5)
        onset = step * self.grid // self.steps_per_quarter
        duration = np.full(len(step), self.grid // self.steps_per_quarter)
        piece = Piece.from_arrays(
            onset, duration, pitch + LOWEST, grid=self.grid, tempo=tempo, name=name
        )
        return Decoded(piece, 0)

    def augment(self, rows: Tensor, mask: Tensor, transposition: Tensor) -> Tensor:
        moved = [x.roll(int(n), -1) for x, n in zip(rows, transposition, strict=True)]
        return torch.stack(moved) * mask[..., None]

    def _steps(self, piece: Piece) -> IntArray:
        return piece.onset * self.steps_per_quarter // self.grid


@settings
class RollGANSettings:
    """The values in my_conf/model/roll_gan.yaml."""

    noise_size: Size
    width: Size
    lr_g: LearningRate
    lr_d: LearningRate


class RollGAN(MusicGAN):
    """Noise -> phrases of 16 steps by transposed convolutions, against convolutions."""

    Settings = RollGANSettings
    reads = ("PianoRoll",)
    has_temperature = has_meter = has_primer = False

    def __init__(
        self, settings: RollGANSettings, *, representation: PianoRoll, **options: Any
    ) -> None:
        super().__init__(settings, representation=representation, **options)
        width, noise = settings.width, settings.noise_size
        self.generator = nn.Sequential(
            nn.Linear(noise, width * 4 * 22),
            nn.Unflatten(1, (width, 4, 22)),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(width * 4 * 22, 1),
        )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        s, own = self.settings, partial(adam, betas=(0.5, 0.9))
        return [
            self.build_optimizer(self.generator, "g", lr=s.lr_g, default=own),
            self.build_optimizer(self.discriminator, "d", lr=s.lr_d, default=own),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        opt_g, opt_d = self.both_optimizers()
        real = batch.x[:, None, :PHRASE]  # [B, 1, 16, 88]
        fake = self.generator(self._noise(len(real))).sigmoid()
        with self.toggled_optimizer(opt_d):
            score_real, score_fake = self._score(real), self._score(fake.detach())
            terms = self.discriminator_terms(
                score_real, score_fake, critic=self._score, inputs=lambda: (real, fake)
            )
            self.backward_loss(opt_d, **terms)
            opt_d.step()
        with self.toggled_optimizer(opt_g):
            loss_g = self.adversarial_loss.generator(self._score(fake), score_real.detach())
            self.backward_loss(opt_g, loss_g=loss_g)
            opt_g.step()
        self.log_discriminator(terms, score_real, score_fake)
        self.log_train(loss_g=loss_g)

    @torch.no_grad()
    def _sample(self, request: SampleRequest) -> list[Piece]:
        rng = torch.Generator(self.device).manual_seed(request.seed)
        n_phrases = -(-request.length // PHRASE)
        pieces = []
        for _ in range(request.n_pieces):
            roll = self.generator(self._noise(n_phrases, rng)).flatten(0, 2).sigmoid()
            loudest = roll.topk(3, dim=1).values[:, -1:]  # at most three notes at once
            pieces.append(((roll >= loudest) & (roll > 0.01)).float().cpu().numpy())
        return self.decode(pieces, request)

    def _score(self, rolls: Tensor) -> Tensor:
        return self.discriminator(rolls)[:, 0]

    def _noise(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.settings.noise_size, generator=rng, device=self.device)


class Saturating(AdversarialLoss):
    """The generator minimises ``log(1 - D(G(z)))``."""

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return discriminator_bce(real, fake, smoothing=smoothing)

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return F.logsigmoid(-fake).mean()
