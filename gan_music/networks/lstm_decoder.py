"""Incremental decoding of :class:`~gan_music.networks.lstm_generator.LSTMGenerator`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_music.networks.event_generator import Decoder
from gan_music.networks.features.base import StepState
from gan_music.networks.layers.bf16_linear import InferenceLinear
from gan_music.networks.layers.chained_heads import HeadDecoder
from gan_music.networks.layers.fused_embeddings import FusedEmbeddings
from gan_music.networks.layers.past_attention import AttentionCache
from gan_music.networks.note_space import BarEmbedding, NoteSpace


class LSTMDecoder(Decoder):
    """An LSTM's decoder, put together of the parts of one step.

    Embeddings are multiplied by their weights once, here. A step is left with one matrix product a
    layer, one for the first layers of all heads, and one for the output of each.

    Parameters
    ----------
    state : the features of the events so far.
    cell, cache, heads : LSTM, KV cache if it has attention, and heads.
    """

    def __init__(
        self,
        space: NoteSpace,
        z: Tensor,
        *,
        state: StepState,
        cell: LSTMCell,
        cache: AttentionCache | None,
        heads: HeadDecoder,
        temperature: float,
    ) -> None:
        self.space, self.z, self.temperature = space, z, temperature
        self.state, self.cell, self.cache, self.heads = state, cell, cache, heads

    @torch.no_grad()
    def observe(self, events: Tensor) -> None:
        n = self.space.n_categories
        with full_precision(events):
            for t in range(events.shape[1]):
                self._hidden()
                self._append(events[:, t, :n])
                # in a bar of the sequence's meter, or of one that this meter stands for
                self.state.set_position(events[:, t, n])

    @torch.no_grad()
    def generate(self, gumbel: Tensor) -> Tensor:
        n = self.space.n_categories
        shape = (*gumbel.shape[:2], n + 2)
        events = torch.empty(shape, dtype=torch.int64, device=gumbel.device)
        events[..., n + 1] = self.state.meter[:, None]
        with full_precision(gumbel):
            for t in range(gumbel.shape[1]):
                noise = gumbel[:, t].split(self.space.sizes, -1)
                event = self.heads.choose(self._hidden(), noise, self.state, self.temperature)
                self._append(event)
                events[:, t, :n] = event
                events[:, t, n] = self.state.position
        return events

    def reorder(self, rows: Tensor) -> None:
        self.z = self.z[rows]
        self.state.reorder(rows)
        self.cell.reorder(rows)
        if self.cache is not None:
            self.cache.reorder(rows)

    def fix_shapes(self) -> None:
        if self.cache is not None:
            self.cache.fix_shapes()

    def _hidden(self) -> Tensor:
        """The hidden state before the next event, ``[B, H]``."""
        hidden = self.cell.step(self.state.input_ids(), self.state.inputs())
        return hidden if self.cache is None else self.cache.attend(hidden)

    def _append(self, event: Tensor) -> None:
        """Append an event, ids ``[B, C]``."""
        self.state.observe(event)
        if self.cache is not None:
            self.cache.append(self.state.input_ids()[:, :-1])


class LSTMCell:
    """All layers of an LSTM for one step, from ids.

    The gates stand in the order input, forget, output, cell, so that one sigmoid serves three.

    Parameters
    ----------
    tables : that an event is embedded by, as ``FusedEmbeddings`` takes them.
    z, meter : noise and meter of each sequence, ``[B, Z]`` and ``[B]``.
    state : initial hidden and cell state, ``[layers, B, H]`` each.
    """

    def __init__(
        self,
        lstm: nn.LSTM,
        tables: Sequence[Sequence[Tensor]],
        bar: BarEmbedding,
        *,
        z: Tensor,
        meter: Tensor,
        n_inputs: int,
        state: tuple[Tensor, Tensor],
        bf16: bool,
    ) -> None:
        below, recurrent, bias = _layer_weights(lstm, 0)
        n_embedded = len(below) - z.shape[1] - n_inputs
        embedded, of_z, of_inputs = below.split([n_embedded, z.shape[1], n_inputs])
        self.embeddings = FusedEmbeddings([*tables, [bar.positions()]], embedded)
        # z and meter of a sequence do not change: [B, 4H]
        of_bar = embedded[-bar.within.embedding_dim :]
        self.constant = z @ of_z + bias + bar.meter(meter) @ of_bar
        self.recurrent = InferenceLinear(recurrent, bf16=bf16)
        self.inputs = InferenceLinear(of_inputs, bf16=bf16)
        self.upper = [
            (InferenceLinear(below, bias, bf16=bf16), InferenceLinear(recurrent, bf16=bf16))
            for below, recurrent, bias in (
                _layer_weights(lstm, layer) for layer in range(1, lstm.num_layers)
            )
        ]
        hidden, cell = state
        self.hidden, self.cell = list(hidden), list(cell)

    def step(self, ids: Tensor, inputs: Tensor | None) -> Tensor:
        """Ids of the last event, its intervals and position, ``[B, C + I + 1]``, and the numbers
        beside them, ``[B, n_inputs]`` -> the hidden state, ``[B, H]``.
        """
        gates = self.embeddings(ids).add_(self.constant)
        gates = self.recurrent.add_to(gates, self.hidden[0])
        if inputs is not None:
            gates = self.inputs.add_to(gates, inputs)
        self._update(0, gates)
        for layer, (below, recurrent) in enumerate(self.upper, 1):
            gates = below(self.hidden[layer - 1])
            self._update(layer, recurrent.add_to(gates, self.hidden[layer]))
        return self.hidden[-1]

    def reorder(self, rows: Tensor) -> None:
        """Replace the sequences by those of the rows, int64 ``[n]``."""
        self.constant = self.constant[rows]
        self.hidden = [x[rows] for x in self.hidden]
        self.cell = [x[rows] for x in self.cell]

    def _update(self, layer: int, gates: Tensor) -> None:
        size = self.cell[layer].shape[1]
        i, f, o = gates[:, : 3 * size].sigmoid_().chunk(3, 1)
        cell = torch.addcmul(f * self.cell[layer], i, gates[:, 3 * size :].tanh_())
        self.cell[layer] = cell
        self.hidden[layer] = o * cell.tanh()


def full_precision(like: Tensor) -> torch.autocast:
    """No autocast on the tensor's device: a step is bound by memory and by the number of its
    operations, and choices must be those of the weights.
    """
    return torch.autocast(like.device.type, enabled=False)


def _layer_weights(lstm: nn.LSTM, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of the input and of the hidden state, ``[in, 4H]`` each, and the bias."""
    order = (0, 1, 3, 2)  # nn.LSTM has the output gate last
    found = []
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        gates = getattr(lstm, f"{name}_l{layer}").split(lstm.hidden_size)
        found.append(torch.cat([gates[i] for i in order]))
    below, recurrent, *biases = found
    return below.T, recurrent.T, biases[0] + biases[1]
