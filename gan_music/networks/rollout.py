"""The generator one event at a time: what it chooses, and what it remembers meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.attention import Memory, SummedRows

if TYPE_CHECKING:
    from gan_music.networks.generator import LSTMGenerator


class Rollout:
    """Sequences that a generator writes side by side, from ``z [B, Z]``; without gradient.

    ``starts`` are the position in the bar where each begins, and its meter, ``[B]`` each. Each
    choice is the largest of logits / temperature + Gumbel noise, which is a draw from their softmax
    (Gumbel 1954; Maddison et al. 2014).

    An embedding that only goes into a matrix is a row of their product: the products are made once,
    and a step is left with one matrix a layer, one for the heads' first layers, and their outputs.
    """

    @torch.no_grad()
    def __init__(
        self,
        generator: LSTMGenerator,
        z: Tensor,
        starts: tuple[Tensor, Tensor],
        *,
        temperature: float = 1.0,
    ) -> None:
        self.space, self.temperature = generator.space, temperature
        self.position, self.meter = starts
        with self._full_precision(z):
            self.cell, self.heads = _Cell(generator, z, self.meter), _Heads(generator)
            self.memory: Memory | None = None
            if generator.attention is not None:
                rows = [cast(Tensor, e.weight) for e in generator.embed]
                self.memory = Memory(generator.attention, len(z), rows)
        # before the first event stands "nothing yet"
        self.chosen = torch.tensor(self.space.sizes, device=z.device).expand(len(z), -1)

    @torch.no_grad()
    def write(self, gumbel: Tensor) -> Tensor:
        """The next events: ``gumbel [B, T, V]`` -> ids ``[B, T, C + 2]``.

        Two calls write what one with the noise of both would.
        """
        n = self.space.n_categories
        shape = (*gumbel.shape[:2], n + 2)
        events = torch.empty(shape, dtype=torch.int64, device=gumbel.device)
        events[..., n + 1] = self.meter[:, None]
        with self._full_precision(gumbel):
            for t in range(gumbel.shape[1]):
                hidden = self.cell.step(torch.cat([self.chosen, self.position[:, None]], 1))
                if self.memory is not None:
                    hidden = self.memory.read(hidden)
                self.chosen = self.heads.choose(hidden, gumbel[:, t], self.temperature)
                if self.memory is not None:
                    self.memory.write(self.chosen)
                self.position = self.space.advance(self.position, self.chosen[:, 0], self.meter)
                events[:, t, :n] = self.chosen
                events[:, t, n] = self.position
        return events

    @staticmethod
    def _full_precision(x: Tensor) -> torch.autocast:
        # a step is bound by memory and calls, and what is chosen must be what the weights say
        return torch.autocast(x.device.type, enabled=False)


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
