"""An LSTM that writes events one after another, each category given those chosen before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.events import EventSpace

State = tuple[Tensor, Tensor]


class LSTMGenerator(nn.Module):
    """Noise -> a sequence of events.

    A global noise ``z`` sets the LSTM's initial state and stands beside every input; local noise
    (Gumbel) makes each choice. Input at a step: the last event's three embeddings, its position in
    the beat, and ``z``. Heads are chained: offset, then pitch given the offset, then duration given
    both.

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
    ) -> None:
        super().__init__()
        self.space = space
        self.noise_size = noise_size
        # the last row of each table stands for "nothing yet", before the first event
        self.embed = nn.ModuleList(nn.Embedding(n + 1, embedding_size) for n in space.sizes)
        self.embed_position = nn.Embedding(space.grid, embedding_size)
        self.start = nn.Linear(noise_size, 2 * n_layers * hidden_size)
        self.lstm = nn.LSTM(
            4 * embedding_size + noise_size,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
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
        device = self.embed_position.weight.device
        return torch.randn(n, self.noise_size, generator=generator, device=device)

    def gumbel(self, n: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """Local noise, standard Gumbel ``[n, length, V]``."""
        device = self.embed_position.weight.device
        uniform = torch.rand(n, length, self.space.width, generator=generator, device=device)
        return -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))

    def initial_state(self, z: Tensor) -> State:
        """``z`` ``[B, Z]`` -> the LSTM's state, twice ``[layers, B, H]``."""
        h, c = self.start(z).chunk(2, -1)
        layers = self.lstm.num_layers
        h = h.view(len(z), layers, -1).transpose(0, 1).contiguous()
        c = c.view(len(z), layers, -1).transpose(0, 1).contiguous()
        return torch.tanh(h), c

    def logits(self, events: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Logits of every event given those before it: ids ``[B, T, 3]`` -> three ``[B, T, n]``."""
        nothing = events.new_tensor(self.space.sizes).expand(len(events), 1, 3)
        previous = torch.cat([nothing, events[:, :-1]], 1)
        embedded = [e(previous[..., i]) for i, e in enumerate(self.embed)]
        position = F.pad(self.space.positions(events)[:, :-1], (1, 0))
        hidden, _ = self._run(embedded, position, z, self.initial_state(z))
        told = [hidden]
        logits = []
        for i, head in enumerate(self.heads):
            logits.append(head(torch.cat(told, -1)))
            if i < len(self.chain):
                told.append(self.chain[i](events[..., i]))
        return tuple(logits)

    @torch.no_grad()
    def rollout(self, z: Tensor, gumbel: Tensor, *, temperature: float = 1.0) -> Tensor:
        """Choose events one by one: ``z [B, Z]``, ``gumbel [B, T, V]`` -> ids ``[B, T, 3]``.

        Each choice is the largest of logits / temperature + Gumbel noise, which is a draw from
        their softmax (Gumbel 1954; Maddison et al. 2014).
        """
        n = len(z)
        state = self.initial_state(z)
        previous = [torch.full((n,), size, device=z.device) for size in self.space.sizes]
        position = torch.zeros(n, dtype=torch.int64, device=z.device)
        events = torch.empty(n, gumbel.shape[1], 3, dtype=torch.int64, device=z.device)
        for t in range(gumbel.shape[1]):
            embedded = [e(p[:, None]) for e, p in zip(self.embed, previous, strict=True)]
            hidden, state = self._run(embedded, position[:, None], z, state)
            noise = gumbel[:, t].split(self.space.sizes, -1)
            told = [hidden[:, 0]]
            for i, head in enumerate(self.heads):
                choice = (head(torch.cat(told, -1)) / temperature + noise[i]).argmax(-1)
                previous[i] = events[:, t, i] = choice
                if i < len(self.chain):
                    told.append(self.chain[i](choice))
            position = (position + self.space.offset_bins[previous[0]]) % self.space.grid
        return events

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
                for logits, g in zip(self.logits(events, z), noise, strict=True)
            ],
            -1,
        )
        return hard + soft - soft.detach()

    def _run(
        self, embedded: list[Tensor], position: Tensor, z: Tensor, state: State
    ) -> tuple[Tensor, State]:
        length = position.shape[1]
        beside = z[:, None].expand(-1, length, -1)
        inputs = torch.cat([*embedded, self.embed_position(position), beside], -1)
        hidden, state = self.lstm(self.dropout(inputs), state)
        return self.dropout(hidden), state
