"""An LSTM that writes events one after another, each category given those chosen before it."""

from __future__ import annotations

from typing import cast

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

    def logits(self, events: Tensor, z: Tensor, *, dropout: bool = True) -> tuple[Tensor, ...]:
        """Logits of every event given those before it: ids ``[B, T, 3]`` -> three ``[B, T, n]``."""
        drop = self.dropout if dropout else nn.Identity()
        nothing = events.new_tensor(self.space.sizes).expand(len(events), 1, 3)
        previous = torch.cat([nothing, events[:, :-1]], 1)
        embedded = [e(previous[..., i]) for i, e in enumerate(self.embed)]
        position = F.pad(self.space.positions(events)[:, :-1], (1, 0))
        beside = z[:, None].expand(-1, events.shape[1], -1)
        inputs = torch.cat([*embedded, self.embed_position(position), beside], -1)
        hidden, _ = self.lstm(drop(inputs), self.initial_state(z))
        hidden = drop(hidden)
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
        their softmax (Gumbel 1954; Maddison et al. 2014). Without dropout.

        An embedding that only goes into a matrix is a row of their product: the products are made
        once, and a step is left with one matrix a layer, one for the heads' first layers, and
        their outputs.
        """
        cell, heads = _Cell(self, z), _Heads(self)
        chosen = [torch.full((len(z),), n, device=z.device) for n in self.space.sizes]
        position = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        events = torch.empty(*gumbel.shape[:2], 3, dtype=torch.int64, device=z.device)
        for t in range(gumbel.shape[1]):
            hidden = cell.step(chosen, position)
            chosen = heads.choose(hidden, gumbel[:, t], temperature)
            events[:, t] = torch.stack(chosen, -1)
            position = (position + self.space.offset_bins[chosen[0]]) % self.space.grid
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
                for logits, g in zip(self.logits(events, z, dropout=False), noise, strict=True)
            ],
            -1,
        )
        return hard + soft - soft.detach()


class _Cell:
    """The generator's LSTM one step at a time, from ids; the gates in ``nn.LSTM``'s order."""

    def __init__(self, generator: LSTMGenerator, z: Tensor) -> None:
        lstm = generator.lstm
        embeddings = [cast(nn.Embedding, e) for e in generator.embed]
        embeddings.append(generator.embed_position)
        widths = [e.embedding_dim for e in embeddings]
        weight = cast(Tensor, lstm.weight_ih_l0)
        *parts, beside = weight.split([*widths, generator.noise_size], 1)
        self.tables = [e.weight @ w.T for e, w in zip(embeddings, parts, strict=True)]
        self.fixed = z @ beside.T + lstm.bias_ih_l0 + lstm.bias_hh_l0  # [B, 4H]
        self.recurrent = [getattr(lstm, f"weight_hh_l{i}").T for i in range(lstm.num_layers)]
        self.upward = [
            (
                getattr(lstm, f"weight_ih_l{i}").T,
                getattr(lstm, f"bias_ih_l{i}") + getattr(lstm, f"bias_hh_l{i}"),
            )
            for i in range(1, lstm.num_layers)
        ]
        hidden, cell = generator.initial_state(z)
        self.hidden, self.cell = list(hidden), list(cell)

    def step(self, chosen: list[Tensor], position: Tensor) -> Tensor:
        """The last events' ids and the position after them, ``[B]`` each -> ``[B, H]``."""
        gates = self.fixed
        for table, ids in zip(self.tables, [*chosen, position], strict=True):
            gates = gates + table[ids]
        for layer, weight in enumerate(self.recurrent):
            if layer > 0:
                upward, bias = self.upward[layer - 1]
                gates = torch.addmm(bias, self.hidden[layer - 1], upward)
            gates = gates + self.hidden[layer] @ weight
            i, f, g, o = gates.chunk(4, -1)
            cell = f.sigmoid() * self.cell[layer] + i.sigmoid() * g.tanh()
            self.cell[layer] = cell
            self.hidden[layer] = o.sigmoid() * cell.tanh()
        return self.hidden[-1]


class _Heads:
    """The generator's chained heads for one step, from the hidden state to choices."""

    def __init__(self, generator: LSTMGenerator) -> None:
        self.sizes = generator.space.sizes
        hidden_size = generator.lstm.hidden_size
        heads = [cast(nn.Sequential, h) for h in generator.heads]
        first = [cast(nn.Linear, h[0]) for h in heads]
        chain = [cast(nn.Embedding, c) for c in generator.chain]
        self.weight = torch.cat([layer.weight[:, :hidden_size] for layer in first]).T
        self.bias = torch.cat([layer.bias for layer in first])
        # told[i][j]: what head i is told of each choice of category j
        self.told: list[list[Tensor]] = []
        for i, layer in enumerate(first):
            widths = [hidden_size, *(c.embedding_dim for c in chain[:i])]
            _, *parts = layer.weight.split(widths, 1)
            self.told.append([c.weight @ w.T for c, w in zip(chain, parts, strict=False)])
        self.out = [h[2] for h in heads]

    def choose(self, hidden: Tensor, gumbel: Tensor, temperature: float) -> list[Tensor]:
        """``hidden [B, H]``, ``gumbel [B, V]`` -> ids of offset, pitch, duration, ``[B]`` each."""
        parts = torch.addmm(self.bias, hidden, self.weight).chunk(len(self.sizes), -1)
        noise = gumbel.split(self.sizes, -1)
        chosen: list[Tensor] = []
        for i, x in enumerate(parts):
            for table, ids in zip(self.told[i], chosen, strict=True):
                x = x + table[ids]
            logits = self.out[i](F.gelu(x))
            chosen.append((logits / temperature + noise[i]).argmax(-1))
        return chosen
