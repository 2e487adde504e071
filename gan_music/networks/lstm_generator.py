"""An LSTM that generates events one by one, each category given those chosen before it."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.event_generator import EventGenerator
from gan_music.networks.features.base import StepState
from gan_music.networks.features.feature_set import FeatureSet, SequenceFeatures
from gan_music.networks.features.history import IntervalEmbedding
from gan_music.networks.features.style_vector import N_PITCH_PRIORS
from gan_music.networks.features.tensor_state import TensorState
from gan_music.networks.layers.chained_heads import ChainedHeads, HeadDecoder
from gan_music.networks.layers.dropout import SequenceDropout
from gan_music.networks.layers.past_attention import AttentionCache, PastAttention
from gan_music.networks.lstm_decoder import LSTMCell, LSTMDecoder, full_precision
from gan_music.networks.note_space import BarEmbedding, NoteSpace, Starts

State = tuple[Tensor, Tensor]

# of the attention, whose width is bounded since decoding reads all of it at each step
_HEADS = 4
_HEAD_SIZE = 32


class LSTMGenerator(EventGenerator):
    """An LSTM over events, with chained heads and hand-made features.

    Its initial state is a function of ``z``. Its input at each step is the last event's embeddings,
    its intervals to the pitches before it, its position in the bar, ``z``, and the inputs of the
    features.

    Parameters
    ----------
    n_intervals, lookback_span, active_notes_span : see
        :class:`~gan_music.networks.features.feature_set.FeatureSet`.
    attention_span : events over which hidden states attend
        (:class:`~gan_music.networks.layers.past_attention.PastAttention`); 0 has no attention.
    n_style_components : with style vectors as ``z``, pitches are scored by them, too.
    recurrent_dropout : share of the LSTM's recurrent weights that are dropped for a batch.
    """

    def __init__(
        self,
        space: NoteSpace,
        *,
        noise_size: int,
        hidden_size: int,
        n_layers: int,
        embedding_size: int,
        dropout: float,
        n_intervals: int = 0,
        attention_span: int = 0,
        n_style_components: int = 0,
        lookback_span: int = 0,
        active_notes_span: int = 0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__(space, noise_size=noise_size, n_style_components=n_style_components)
        self.recurrent_dropout = recurrent_dropout
        self.feature_set = FeatureSet(
            space,
            n_intervals=n_intervals,
            lookback_span=lookback_span,
            active_notes_span=active_notes_span,
            n_pitch_priors=N_PITCH_PRIORS if n_style_components else 0,
        )
        # the last row of each table stands for the event before the first
        self.embed = nn.ModuleList(nn.Embedding(n + 1, embedding_size) for n in space.sizes)
        self.embed_bar = BarEmbedding(space, embedding_size)
        self.embed_intervals = IntervalEmbedding(space, embedding_size, n_intervals=n_intervals)
        event_size = (space.n_categories + (n_intervals > 0)) * embedding_size
        self.start = nn.Linear(self.noise_size, 2 * n_layers * hidden_size)
        self.lstm = nn.LSTM(
            event_size + embedding_size + self.noise_size + self.feature_set.n_inputs,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.attention = (
            PastAttention(
                hidden_size=hidden_size,
                event_size=event_size,
                n_heads=_HEADS,
                head_size=_HEAD_SIZE,
                span=attention_span,
            )
            if attention_span > 0
            else None
        )
        self.dropout = SequenceDropout(dropout)
        self.heads = ChainedHeads(
            self.feature_set, hidden_size=hidden_size, embedding_size=embedding_size
        )

    def logits(
        self, events: Tensor, z: Tensor, *, inputs: Tensor | None = None, dropout: bool = True
    ) -> tuple[Tensor, ...]:
        inputs = events if inputs is None else inputs
        features = self.feature_set.sequence(
            events, inputs=inputs, pitch_prior=self._pitch_prior(z)
        )
        return self.heads(self._hidden(inputs, features, z, dropout=dropout), events, features)

    @torch.no_grad()
    def decoder(
        self,
        z: Tensor,
        starts: Starts,
        *,
        temperature: float = 1.0,
        bf16: bool = False,
    ) -> LSTMDecoder:
        bf16 = bf16 and z.device.type == "cpu"  # a GPU is bound by launches, not by products
        state = _step_state(self.feature_set, starts, self._pitch_prior(z))
        intervals = [cast(Tensor, t.weight) for t in self.embed_intervals.tables]
        tables = [[cast(Tensor, t.weight)] for t in self.embed]
        tables += [intervals] if intervals else []
        with full_precision(z):
            return LSTMDecoder(
                self.space,
                z,
                state=state,
                cell=LSTMCell(
                    self.lstm,
                    tables,
                    self.embed_bar,
                    z=z,
                    meter=state.meter,
                    n_inputs=self.feature_set.n_inputs,
                    state=self.initial_state(z),
                    bf16=bf16,
                ),
                cache=AttentionCache(self.attention, len(z), tables, bf16=bf16)
                if self.attention is not None
                else None,
                heads=HeadDecoder(self.heads, hidden_size=self.lstm.hidden_size, bf16=bf16),
                temperature=temperature,
            )

    def initial_state(self, z: Tensor) -> State:
        """``z [B, Z]`` -> the LSTM's hidden and cell state, ``[layers, B, H]`` each."""
        h, c = self.start(z).chunk(2, -1)
        layers = self.lstm.num_layers
        h = h.view(len(z), layers, -1).transpose(0, 1).contiguous()
        c = c.view(len(z), layers, -1).transpose(0, 1).contiguous()
        return torch.tanh(h), c

    def _pitch_prior(self, z: Tensor) -> Tensor | None:
        """Scores of each pitch by the style vector ``z [B, Z]``, ``[B, E, P]``."""
        return None if self.style_prior is None else self.style_prior.pitch_prior(z)

    def _hidden(
        self, events: Tensor, features: SequenceFeatures, z: Tensor, *, dropout: bool
    ) -> Tensor:
        """The hidden state before each event, ``[B, T, H]``."""
        drop = self.dropout if dropout else nn.Identity()
        space, n, history = self.space, self.space.n_categories, features.history
        nothing = space.nothing.expand(len(events), 1, n)
        previous = torch.cat([nothing, events.clamp_min(0)[:, :-1, :n]], 1)
        parts = [e(previous[..., i]) for i, e in enumerate(self.embed)]
        if self.feature_set.n_intervals:
            parts.append(self.embed_intervals(history.intervals()))
        embedded = torch.cat(parts, -1)
        position = self.embed_bar(history.position, history.meter)
        beside = [z[:, None].expand(-1, events.shape[1], -1)]
        if (numbers := features.inputs()) is not None:
            beside.append(numbers.to(z.dtype))
        inputs = torch.cat([embedded, position, *beside], -1)
        rate = self.recurrent_dropout if dropout and self.training else 0.0
        hidden = self._recurrence(drop(inputs), self.initial_state(z), rate)
        if self.attention is not None:
            # the event of each step; what wraps around to the last is out of its reach
            hidden = self.attention(hidden, drop(embedded.roll(-1, 1)))
        return drop(hidden)

    def _recurrence(self, inputs: Tensor, state: State, rate: float) -> Tensor:
        """The LSTM over whole sequences, ``[B, T, H]``, with a share of the recurrent weights
        dropped (DropConnect, Merity et al. 2018).
        """
        lstm = self.lstm
        if rate == 0:
            return lstm(inputs, state)[0]
        weights = [
            F.dropout(w, rate) if i == 1 else w
            for layer in lstm.all_weights
            for i, w in enumerate(layer)
        ]
        # as nn.LSTM calls it: bias, layers, dropout, training, bidirectional, batch first
        return torch.lstm(
            inputs, state, weights, True, lstm.num_layers, lstm.dropout, True, False, True
        )[0]


def _step_state(feature_set: FeatureSet, starts: Starts, pitch_prior: Tensor | None) -> StepState:
    """The features of a decoder, by its device."""
    if starts.meter.device.type != "cpu" or not feature_set.n_inputs:
        return TensorState(feature_set, starts, pitch_prior)
    # imported here, since Numba takes a second
    from gan_music.networks.features.numba_state import NumbaState

    return NumbaState(feature_set, starts, pitch_prior)
