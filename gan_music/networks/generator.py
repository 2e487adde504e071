"""An LSTM that writes events one after another, each category given those chosen before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_music.networks.events import EventSpace
from gan_music.networks.reader import EventReader
from gan_music.networks.rollout import Rollout


class LSTMGenerator(EventReader):
    """Noise -> a sequence of events.

    A global noise ``z`` is what the reader is told beside the events; local noise (Gumbel) makes
    each choice. Heads are chained: offset, then pitch given the offset, then duration given both
    (then velocity given all).

    The same events can be had in two ways. :meth:`rollout` chooses them one by one without
    gradient; :meth:`logits` runs over a whole known sequence at once. Given the rollout's events
    both compute the same logits, so a gradient through the second is one through the choices.
    """

    def __init__(
        self,
        space: EventSpace,
        *,
        noise_size: int,
        hidden_size: int,
        n_layers: int,
        embedding_size: int,
        dropout: float,
        attention_span: int = 0,
    ) -> None:
        super().__init__(
            space,
            noise_size=noise_size,
            hidden_size=hidden_size,
            n_layers=n_layers,
            embedding_size=embedding_size,
            dropout=dropout,
            attention_span=attention_span,
        )
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(hidden_size + i * embedding_size, hidden_size),
                nn.GELU(),
                nn.Linear(hidden_size, n),
            )
            for i, n in enumerate(space.sizes)
        )
        # what a head is told of the choices before its own
        self.chain = nn.ModuleList(nn.Embedding(n, embedding_size) for n in space.sizes[:-1])

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Global noise, standard normal ``[n, Z]``."""
        device = self.start.weight.device
        return torch.randn(n, self.noise_size, generator=generator, device=device)

    def gumbel(self, n: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """Local noise, standard Gumbel ``[n, length, V]``."""
        device = self.start.weight.device
        shape = (n, length, self.space.width)
        # the negative logarithm of a standard exponential, which is hardly ever 0 but may be
        exponential = torch.empty(shape, device=device).exponential_(generator=generator)
        return exponential.clamp_min_(1e-30).log_().neg_()

    def logits(self, events: Tensor, z: Tensor, *, dropout: bool = True) -> tuple[Tensor, ...]:
        """Logits of every event given those before it: ids ``[B, T, C + 2]`` -> ``C`` times
        ``[B, T, n]``. What they are for padding means nothing.
        """
        hidden = self.before(events, z, dropout=dropout)
        told = [hidden]
        logits = []
        for i, head in enumerate(self.heads):
            logits.append(head(torch.cat(told, -1)))
            if i < len(self.chain):
                told.append(self.chain[i](events[..., i].clamp_min(0)))
        return tuple(logits)

    @torch.no_grad()
    def rollout(
        self,
        z: Tensor,
        gumbel: Tensor,
        starts: tuple[Tensor, Tensor],
        *,
        temperature: float = 1.0,
    ) -> Tensor:
        """Choose events one by one: ``z [B, Z]``, ``gumbel [B, T, V]`` -> ids ``[B, T, C + 2]``.

        ``starts`` are the position in the bar where each sequence begins, and its meter, ``[B]``
        each. Without dropout; see :class:`~gan_music.networks.rollout.Rollout`.
        """
        return Rollout(self, z, starts, temperature=temperature).write(gumbel)

    def relaxed(self, events: Tensor, z: Tensor, gumbel: Tensor, *, temperature: float) -> Tensor:
        """A rollout's events as one-hot vectors ``[B, T, V]`` that a gradient passes through.

        Straight-through Gumbel-softmax (Jang et al. 2017): forward the hard choice, backward the
        softmax of (logits + Gumbel noise) / temperature.
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
