"""An LSTM that writes events one after another, each category given those chosen before it."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.attention import Memory, PastAttention, SummedRows
from gan_music.networks.events import BarEmbedding, EventSpace

State = tuple[Tensor, Tensor]

# of the attention: its width is bounded, since a sampler reads all of it at each step
_HEADS = 4
_HEAD_SIZE = 32


class LSTMGenerator(nn.Module):
    """Noise -> a sequence of events.

    A global noise ``z`` sets the LSTM's initial state and stands beside every input; local noise
    (Gumbel) makes each choice. Input at a step: the last event's embeddings, its position in the
    bar, and ``z``. With ``attention_span`` above 0, the state then looks back over so many events
    (:class:`~gan_music.networks.attention.PastAttention`). Heads are chained: offset, then pitch
    given the offset, then duration given both (then velocity given all).

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
        super().__init__()
        self.space = space
        self.noise_size = noise_size
        # the last row of each table stands for "nothing yet", before the first event
        self.embed = nn.ModuleList(nn.Embedding(n + 1, embedding_size) for n in space.sizes)
        self.embed_bar = BarEmbedding(space, embedding_size)
        self.start = nn.Linear(noise_size, 2 * n_layers * hidden_size)
        self.lstm = nn.LSTM(
            (space.n_categories + 1) * embedding_size + noise_size,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.attention = (
            PastAttention(
                hidden_size=hidden_size,
                event_size=space.n_categories * embedding_size,
                n_heads=_HEADS,
                head_size=_HEAD_SIZE,
                span=attention_span,
            )
            if attention_span > 0
            else None
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
        device = self.start.weight.device
        return torch.randn(n, self.noise_size, generator=generator, device=device)

    def gumbel(self, n: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """Local noise, standard Gumbel ``[n, length, V]``."""
        device = self.start.weight.device
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
        """Logits of every event given those before it: ids ``[B, T, C + 2]`` -> ``C`` times
        ``[B, T, n]``. What they are for padding means nothing.
        """
        drop = self.dropout if dropout else nn.Identity()
        space, n = self.space, self.space.n_categories
        start, meter = space.starts(events)
        known = events.clamp_min(0)[:, :-1]
        nothing = events.new_tensor(space.sizes).expand(len(events), 1, n)
        previous = torch.cat([nothing, known[..., :n]], 1)
        embedded = [e(previous[..., i]) for i, e in enumerate(self.embed)]
        position = torch.cat([start[:, None], known[..., -2]], 1)
        meters = torch.cat([meter[:, None], known[..., -1]], 1)
        beside = z[:, None].expand(-1, events.shape[1], -1)
        inputs = torch.cat([*embedded, self.embed_bar(position, meters), beside], -1)
        hidden, _ = self.lstm(drop(inputs), self.initial_state(z))
        if self.attention is not None:
            ids = events.clamp_min(0)
            came = torch.cat([e(ids[..., i]) for i, e in enumerate(self.embed)], -1)
            hidden = self.attention(hidden, drop(came))
        hidden = drop(hidden)
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
        each. Each choice is the largest of logits / temperature + Gumbel noise, which is a draw
        from their softmax (Gumbel 1954; Maddison et al. 2014). Without dropout.

        An embedding that only goes into a matrix is a row of their product: the products are made
        once, and a step is left with one matrix a layer, one for the heads' first layers, and
        their outputs.
        """
        position, meter = starts
        cell, heads = _Cell(self, z, meter), _Heads(self)
        memory = None
        if self.attention is not None:
            rows = [cast(Tensor, e.weight) for e in self.embed]
            memory = Memory(self.attention, len(z), rows)
        # before the first event stands "nothing yet"
        chosen = torch.tensor(self.space.sizes, device=z.device).expand(len(z), -1)
        n_categories = self.space.n_categories
        shape = (*gumbel.shape[:2], n_categories + 2)
        events = torch.empty(shape, dtype=torch.int64, device=z.device)
        events[..., -1] = meter[:, None]
        for t in range(gumbel.shape[1]):
            hidden = cell.step(torch.cat([chosen, position[:, None]], 1))
            if memory is not None:
                hidden = memory.read(hidden)
            chosen = heads.choose(hidden, gumbel[:, t], temperature)
            if memory is not None:
                memory.write(chosen)
            position = self.space.advance(position, chosen[:, 0], meter)
            events[:, t, :n_categories] = chosen
            events[:, t, n_categories] = position
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
    """The generator's LSTM one step at a time, from ids.

    The gates stand as input, forget, output, cell: one sigmoid serves the first three.
    """

    def __init__(self, generator: LSTMGenerator, z: Tensor, meter: Tensor) -> None:
        lstm = generator.lstm
        bar = generator.embed_bar

        def weights(layer: int) -> tuple[Tensor, Tensor, Tensor]:
            """From below and from the last step, ``[in, 4H]`` each, and the bias."""
            size = lstm.hidden_size
            order = [0, 1, 3, 2]  # nn.LSTM has the output gate last
            below, recurrent, *biases = (
                getattr(lstm, f"{name}_l{layer}").unflatten(0, (4, size))[order].flatten(0, 1)
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            return below.T.contiguous(), recurrent.T.contiguous(), biases[0] + biases[1]

        below, recurrent, bias = weights(0)
        rows = [cast(Tensor, e.weight) for e in generator.embed] + [bar.positions()]
        *parts, beside = below.split([*(r.shape[1] for r in rows), generator.noise_size])
        self.inputs = SummedRows([r @ w for r, w in zip(rows, parts, strict=True)])
        # one noise and one meter throughout: [B, 4H]
        self.fixed = z @ beside + bias + bar.meter(meter) @ parts[-1]
        self.recurrent = recurrent
        self.upper = [weights(i) for i in range(1, lstm.num_layers)]
        hidden, cell = generator.initial_state(z)
        self.hidden, self.cell = list(hidden), list(cell)

    def step(self, ids: Tensor) -> Tensor:
        """The last events' ids and their position in the bar, ``[B, C + 1]`` -> ``[B, H]``."""
        gates = self.inputs(ids).add_(self.fixed).addmm_(self.hidden[0], self.recurrent)
        self._update(0, gates)
        for layer, (below, recurrent, bias) in enumerate(self.upper, 1):
            gates = torch.addmm(bias, self.hidden[layer - 1], below)
            self._update(layer, gates.addmm_(self.hidden[layer], recurrent))
        return self.hidden[-1]

    def _update(self, layer: int, gates: Tensor) -> None:
        size = self.cell[layer].shape[1]
        i, f, o = gates[:, : 3 * size].sigmoid_().chunk(3, 1)
        cell = torch.addcmul(f * self.cell[layer], i, gates[:, 3 * size :].tanh_())
        self.cell[layer] = cell
        self.hidden[layer] = o * cell.tanh()


class _Heads:
    """The generator's chained heads for one step, from the hidden state to choices."""

    def __init__(self, generator: LSTMGenerator) -> None:
        self.sizes = generator.space.sizes
        hidden_size = generator.lstm.hidden_size
        heads = [cast(nn.Sequential, h) for h in generator.heads]
        first = [cast(nn.Linear, h[0]) for h in heads]
        chain = [cast(nn.Embedding, c) for c in generator.chain]
        self.weight = torch.cat([layer.weight[:, :hidden_size] for layer in first]).T.contiguous()
        self.bias = torch.cat([layer.bias for layer in first])
        # what each head but the first is told of the choices before its own
        self.told = []
        for i, layer in enumerate(first[1:], 1):
            widths = [hidden_size, *(c.embedding_dim for c in chain[:i])]
            _, *parts = layer.weight.split(widths, 1)
            self.told.append(
                SummedRows([c.weight @ w.T for c, w in zip(chain[:i], parts, strict=True)])
            )
        self.out = [cast(nn.Linear, h[2]) for h in heads]

    def choose(self, hidden: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
        """``hidden [B, H]``, ``gumbel [B, V]`` -> the ids that are chosen, ``[B, C]``."""
        parts = torch.addmm(self.bias, hidden, self.weight).chunk(len(self.sizes), -1)
        noise = gumbel.split(self.sizes, -1)
        chosen = hidden.new_empty((len(hidden), len(self.sizes)), dtype=torch.int64)
        for i, x in enumerate(parts):
            if i > 0:
                x = x + self.told[i - 1](chosen[:, :i])
            logits = self.out[i](F.gelu(x))
            chosen[:, i] = (logits / temperature + noise[i]).argmax(-1)
        return chosen
