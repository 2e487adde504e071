"""The generator one event at a time: what it chooses, and what it remembers meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.features.tensor_state import TensorState
from gan_music.networks.layers.past_attention import AttentionCache, Product, SummedRows

if TYPE_CHECKING:
    from gan_music.networks.features.numba_state import NumbaState
    from gan_music.networks.lstm_generator import LSTMGenerator


class LSTMDecoder:
    """Sequences that a generator writes side by side, from ``z [B, Z]``; without gradient.

    ``starts`` are the position in the bar where each begins, and its meter, ``[B]`` each. Each
    choice is the largest of logits / temperature + Gumbel noise, which is a draw from their softmax
    (Gumbel 1954; Maddison et al. 2014).

    Products of embeddings and the matrices that they go into are made once
    (:class:`~gan_music.networks.layers.past_attention.SummedRows`): a step is left with one matrix a layer, one
    for the heads' first layers, and their outputs.
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
        self.z = z
        self.past = _past(generator, z, starts)
        with self._full_precision(z):
            # a GPU's steps are bound by calls, not by products
            bf16 = generator.bf16 and z.device.type == "cpu"
            self.cell = _Cell(generator, z, self.past.meter, bf16=bf16)
            self.heads = _Heads(generator, bf16=bf16)
            self.memory: AttentionCache | None = None
            if generator.attention is not None:
                self.memory = AttentionCache(
                    generator.attention, len(z), _tables(generator), bf16=bf16
                )

    @torch.no_grad()
    def hear(self, events: Tensor) -> None:
        """Events that came, though nobody chose them: ids ``[B, T, C + 2]``, in the meter of
        ``starts``. What is written next follows them.
        """
        n = self.space.n_categories
        with self._full_precision(events):
            for t in range(events.shape[1]):
                self._state()
                self._remember(events[:, t, :n])
                # in a bar of the meter, or of the one that it stands for
                self.past.place(events[:, t, n])

    @torch.no_grad()
    def write(self, gumbel: Tensor) -> Tensor:
        """The next events: ``gumbel [B, T, V]`` -> ids ``[B, T, C + 2]``.

        Two calls write what one with the noise of both would.
        """
        n = self.space.n_categories
        shape = (*gumbel.shape[:2], n + 2)
        events = torch.empty(shape, dtype=torch.int64, device=gumbel.device)
        events[..., n + 1] = self.past.meter[:, None]
        with self._full_precision(gumbel):
            for t in range(gumbel.shape[1]):
                hidden = self._state()
                chosen = self.heads.choose(hidden, gumbel[:, t], self.past, self.temperature)
                self._remember(chosen)
                events[:, t, :n] = chosen
                events[:, t, n] = self.past.position
        return events

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``: some may be dropped, some come twice."""
        self.z = self.z[rows]
        for part in (self.past, self.cell, self.memory):
            if part is not None:
                part.keep(rows)

    def settle(self) -> None:
        """From now on each step is the same operations on tensors of the same shapes: until it is
        full, the attention has left out what was not written yet.
        """
        if self.memory is not None:
            self.memory.n_filled = self.memory.span

    def _state(self) -> Tensor:
        """The state before the next event, ``[B, H]``."""
        hidden = self.cell.step(self.past.known(), self.past.told())
        return hidden if self.memory is None else self.memory.read(hidden)

    def _remember(self, chosen: Tensor) -> None:
        """The next event is this one: ids ``[B, C]``."""
        self.past.after(chosen)
        if self.memory is not None:
            self.memory.write(self.past.event())

    @staticmethod
    def _full_precision(x: Tensor) -> torch.autocast:
        # a step is bound by memory and calls, and what is chosen must be what the weights say
        return torch.autocast(x.device.type, enabled=False)


def _past(
    generator: LSTMGenerator, z: Tensor, starts: tuple[Tensor, Tensor]
) -> TensorState | NumbaState:
    if z.device.type != "cpu" or generator.captured or not generator.n_told:
        return TensorState(generator, z, starts)
    # compiled, or read from its cache, when it is first asked for
    from gan_music.networks.features.numba_state import NumbaState

    return NumbaState(generator, z, starts)


def _tables(generator: LSTMGenerator) -> list[list[Tensor]]:
    """What an event is embedded by: a table a category, and those of its intervals together."""
    intervals = [cast(Tensor, t.weight) for t in generator.embed_intervals.tables]
    groups = [[cast(Tensor, t.weight)] for t in generator.embed]
    return [*groups, intervals] if intervals else groups


class _Cell:
    """The generator's LSTM one step at a time, from ids.

    The gates stand as input, forget, output, cell: one sigmoid serves the first three.
    """

    def __init__(self, generator: LSTMGenerator, z: Tensor, meter: Tensor, *, bf16: bool) -> None:
        lstm = generator.lstm
        bar = generator.embed_bar

        def weights(layer: int) -> tuple[Tensor, Tensor, Tensor]:
            """From below and from the last step, ``[in, 4H]`` each, and the bias."""
            size = lstm.hidden_size
            order = (0, 1, 3, 2)  # nn.LSTM has the output gate last
            found = []
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                gates = getattr(lstm, f"{name}_l{layer}").split(size)
                found.append(torch.cat([gates[i] for i in order]))
            below, recurrent, *biases = found
            return below.T, recurrent.T, biases[0] + biases[1]

        below, recurrent, bias = weights(0)
        tables = [*_tables(generator), [bar.positions()]]
        n_ids = len(below) - generator.noise_size - generator.n_told
        inputs, beside, told = below.split([n_ids, generator.noise_size, generator.n_told])
        self.inputs = SummedRows(tables, inputs)
        # one noise and one meter throughout: [B, 4H]
        place = inputs[-bar.within.embedding_dim :]
        self.fixed = z @ beside + bias + bar.meter(meter) @ place
        self.recurrent = Product(recurrent, bf16=bf16)
        self.told = Product(told, bf16=bf16)
        self.upper = [
            (Product(below, bias, bf16=bf16), Product(recurrent, bf16=bf16))
            for below, recurrent, bias in map(weights, range(1, lstm.num_layers))
        ]
        hidden, cell = generator.initial_state(z)
        self.hidden, self.cell = list(hidden), list(cell)

    def step(self, ids: Tensor, told: Tensor | None) -> Tensor:
        """Last ids, intervals and place in the bar, ``[B, C + I + 1]``, and what stands beside
        them, ``[B, n_told]`` -> ``[B, H]``.
        """
        gates = self.inputs(ids).add_(self.fixed)
        gates = self.recurrent.added_to(gates, self.hidden[0])
        if told is not None:
            gates = self.told.added_to(gates, told)
        self._update(0, gates)
        for layer, (below, recurrent) in enumerate(self.upper, 1):
            gates = below(self.hidden[layer - 1])
            self._update(layer, recurrent.added_to(gates, self.hidden[layer]))
        return self.hidden[-1]

    def keep(self, rows: Tensor) -> None:
        self.fixed = self.fixed[rows]
        self.hidden = [x[rows] for x in self.hidden]
        self.cell = [x[rows] for x in self.cell]

    def _update(self, layer: int, gates: Tensor) -> None:
        size = self.cell[layer].shape[1]
        i, f, o = gates[:, : 3 * size].sigmoid_().chunk(3, 1)
        cell = torch.addcmul(f * self.cell[layer], i, gates[:, 3 * size :].tanh_())
        self.cell[layer] = cell
        self.hidden[layer] = o * cell.tanh()


class _Heads:
    """The generator's chained heads for one step, from the hidden state to choices."""

    def __init__(self, generator: LSTMGenerator, *, bf16: bool) -> None:
        self.space, modules = generator.space, generator.heads
        hidden_size = generator.lstm.hidden_size
        first = [cast(nn.Linear, f) for f in modules.first]
        chain = [cast(nn.Embedding, c) for c in modules.chain]
        self.first = Product(
            torch.cat([layer.weight[:, :hidden_size] for layer in first]).T,
            torch.cat([layer.bias for layer in first]),
            bf16=bf16,
        )
        # what each head but the first is told of the choices before its own
        self.told = []
        for i, layer in enumerate(first[1:], 1):
            tables = [[c.weight] for c in chain[:i]]
            self.told.append(SummedRows(tables, layer.weight[:, hidden_size:].T))
        layers = [cast(nn.Linear, o) for o in modules.out]
        self.out = [Product(o.weight.T, o.bias, bf16=bf16) for o in layers]

    def choose(
        self, hidden: Tensor, gumbel: Tensor, past: TensorState | NumbaState, temperature: float
    ) -> Tensor:
        """``hidden [B, H]``, ``gumbel [B, V]`` -> the ids that are chosen, ``[B, C]``."""
        sizes = self.space.sizes
        parts = self.first(hidden).chunk(len(sizes), -1)
        noise = gumbel.split(sizes, -1)
        chosen = hidden.new_empty((len(hidden), len(sizes)), dtype=torch.int64)
        for i, x in enumerate(parts):
            if i > 0:
                x = x + self.told[i - 1](chosen[:, :i])
            logits = past.logits(i, self.out[i](F.gelu(x)))
            chosen[:, i] = (logits / temperature + noise[i]).argmax(-1)
            past.chose(i, chosen[:, i])
        return chosen
