"""The interface of generators of events: prior, teacher forcing, incremental decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gan_music.networks.features.style_vector import POSTERIOR_NOISE, STYLE_SIZE, StylePrior
from gan_music.networks.note_space import NoteSpace, Starts


class Decoder(ABC):
    """Incremental decoding of ``B`` sequences side by side, without gradient or dropout.

    Each choice is the argmax of logits / temperature + Gumbel noise, which is a sample of the
    softmax (Gumbel 1954; Maddison et al. 2014).

    Attributes
    ----------
    space : the categories of the events.
    z : global noise of each sequence, ``[B, Z]``.
    temperature : divides the logits.
    """

    space: NoteSpace
    z: Tensor
    temperature: float

    @abstractmethod
    def observe(self, events: Tensor) -> None:
        """Append given events, ids ``[B, T, C + 2]``, in the meter that the decoder began with."""

    @abstractmethod
    def generate(self, gumbel: Tensor) -> Tensor:
        """Append sampled events: Gumbel noise ``[B, T, V]`` -> ids ``[B, T, C + 2]``.

        Two calls give what one call with the noise of both gives.
        """

    @abstractmethod
    def reorder(self, rows: Tensor) -> None:
        """Replace the sequences by those of the rows, int64 ``[n]``, which may drop or repeat."""

    @abstractmethod
    def fix_shapes(self) -> None:
        """Make all later steps the same operations on the same shapes, as a CUDA graph needs."""


class EventGenerator(nn.Module, ABC):
    """Global noise ``z [B, Z]`` and Gumbel noise -> sequences of events, ids ``[B, T, C + 2]``.

    A subclass gives :meth:`logits` (teacher forcing) and :meth:`decoder` (incremental decoding),
    which agree on the same events up to rounding: a gradient through :meth:`logits` is one through
    the decoder's choices.

    Parameters
    ----------
    noise_size : ``Z``, where the prior is a standard normal distribution.
    n_style_components : above 0, ``z`` is a style vector of the sequence
        (:mod:`gan_music.networks.features.style_vector`), and its prior a mixture of so many
        Gaussians.
    """

    def __init__(self, space: NoteSpace, *, noise_size: int, n_style_components: int = 0) -> None:
        super().__init__()
        self.space = space
        self.style_prior = (
            StylePrior(space, n_components=n_style_components) if n_style_components else None
        )
        self.noise_size = STYLE_SIZE if n_style_components else noise_size

    @abstractmethod
    def logits(
        self, events: Tensor, z: Tensor, *, inputs: Tensor | None = None, dropout: bool = True
    ) -> tuple[Tensor, ...]:
        """Logits of each event given the events before it: ids ``[B, T, C + 2]`` -> ``C`` times
        ``[B, T, n]``; undefined for padding.

        ``inputs`` are the events that the network reads, where they differ from the targets, as
        with input noise. ``dropout=False`` turns dropout off in training mode, too.
        """

    @abstractmethod
    def decoder(
        self,
        z: Tensor,
        starts: Starts,
        *,
        temperature: float = 1.0,
        bf16: bool = False,
    ) -> Decoder:
        """A decoder of ``B`` empty sequences that begin at ``starts``.

        ``bf16`` multiplies matrices in bfloat16 on a CPU.
        """

    def prior(
        self, n: int, *, rng: torch.Generator | None = None, like: Tensor | None = None
    ) -> Tensor:
        """Samples of ``z``, ``[n, Z]``. Where sequences are to continue events
        ``like [n, T, C + 2]``, their style vectors are close to these.
        """
        if self.style_prior is None:
            return torch.randn(n, self.noise_size, generator=rng, device=self._device)
        if like is not None:
            return self.style_prior.sample_like(like, rng)
        return self.style_prior.sample(n, rng)

    def posterior(self, events: Tensor, prior_sample: Tensor) -> Tensor:
        """``z [B, Z]`` of known events ``[B, T, C + 2]``: their style vectors, with noise in
        training mode; ``prior_sample`` where ``z`` does not depend on events.
        """
        if self.style_prior is None:
            return prior_sample
        return self.style_prior.encode(events, noise=POSTERIOR_NOISE if self.training else 0.0)

    def gumbel(self, n: int, length: int, rng: torch.Generator | None = None) -> Tensor:
        """Standard Gumbel noise of every choice, ``[n, length, V]``."""
        shape = (n, length, self.space.width)
        # -log of a standard exponential, which is clamped since it can be 0
        exponential = torch.empty(shape, device=self._device).exponential_(generator=rng)
        return exponential.clamp_min_(1e-30).log_().neg_()

    def relaxed(self, events: Tensor, z: Tensor, gumbel: Tensor, *, temperature: float) -> Tensor:
        """Decoded events as one-hot vectors ``[B, T, V]`` that pass a gradient.

        Straight-through Gumbel-softmax (Jang et al. 2017): the forward value is the hard choice,
        the gradient is that of the softmax of (logits + Gumbel noise) / temperature.
        """
        noise = gumbel.split(self.space.sizes, -1)
        hard = self.space.one_hot(events)
        soft = torch.cat(
            [
                torch.softmax((logits.float() + g) / temperature, -1)
                for logits, g in zip(self.logits(events, z, dropout=False), noise, strict=True)
            ],
            -1,
        )
        return hard + soft - soft.detach()

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
