"""An LSTM that writes events one after another, each category given those chosen before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.decoding.cuda_graph import CUDAGraphDecoder
from gan_music.networks.features.active_notes import n_around
from gan_music.networks.features.history import MEMORIES, History, IntervalEmbedding, histories
from gan_music.networks.features.lookback import N_ECHOES, N_KINDS, lookback
from gan_music.networks.features.style_vector import BLUR, N_EXPECTED, STYLE_SIZE, StylePrior
from gan_music.networks.layers.chained_heads import Heads
from gan_music.networks.layers.past_attention import PastAttention
from gan_music.networks.lstm_decoder import LSTMDecoder
from gan_music.networks.note_space import BarEmbedding, NoteSpace

State = tuple[Tensor, Tensor]

# of the attention: its width is bounded, since a sampler reads all of it at each step
_HEADS = 4
_HEAD_SIZE = 32


class LSTMGenerator(nn.Module):
    """Noise -> a sequence of events.

    A global noise ``z`` sets the LSTM's initial state and stands beside every input; local noise
    (Gumbel) makes each choice. Input at a step: the last event's embeddings, its intervals to the
    pitches before it, its position in the bar, and ``z``. With ``attention_span`` above 0, the
    state then looks back over so many events
    (:class:`~gan_music.networks.layers.past_attention.PastAttention`). The heads are chained, and score a
    choice also by where it leads (:class:`~gan_music.networks.layers.chained_heads.Heads`).

    With ``lookback_span`` above 0, a choice is scored also by what followed when the sequence last
    went like this, so many events ago at most, and how much of late was an echo stands beside every
    input (:mod:`gan_music.networks.features.lookback`).

    With ``active_notes_span`` above 0, a choice is scored also by what sounds meanwhile, of so many
    last notes, and the harmony that the last pitch joined stands beside every input
    (:mod:`gan_music.networks.features.active_notes`).

    With ``n_style_components`` above 0, the global noise is the outline of what is to be written
    (:class:`~gan_music.networks.features.style_vector.Outlines`, of so many components) instead of
    ``noise_size`` standard normal numbers; a pitch is then scored also by what it says.

    The same events can be had in two ways. :meth:`rollout` chooses them one by one without
    gradient; :meth:`logits` runs over a whole known sequence at once. Given the rollout's events
    both compute the same logits, so a gradient through the second is one through the choices.
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
        super().__init__()
        self.captured: CUDAGraphDecoder | None = None  # if it is to do the steps of rollouts
        self.bf16 = False  # whether a processor's rollouts multiply in bfloat16
        self.lookback_span, self.active_notes_span = lookback_span, active_notes_span
        self.recurrent_dropout = recurrent_dropout
        self.space = space
        self.style_prior = (
            StylePrior(space, n_components=n_style_components) if n_style_components else None
        )
        self.noise_size = noise_size = STYLE_SIZE if n_style_components else noise_size
        # the last row of each table stands for "nothing yet", before the first event
        self.embed = nn.ModuleList(nn.Embedding(n + 1, embedding_size) for n in space.sizes)
        self.embed_bar = BarEmbedding(space, embedding_size)
        self.n_intervals = n_intervals
        self.embed_intervals = IntervalEmbedding(space, embedding_size, n_intervals=n_intervals)
        # what an event is embedded by: its categories, and its intervals together
        n_parts = space.n_categories + (n_intervals > 0)
        self.start = nn.Linear(noise_size, 2 * n_layers * hidden_size)
        self.lstm = nn.LSTM(
            (n_parts + 1) * embedding_size + noise_size + self.n_told,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.attention = (
            PastAttention(
                hidden_size=hidden_size,
                event_size=n_parts * embedding_size,
                n_heads=_HEADS,
                head_size=_HEAD_SIZE,
                span=attention_span,
            )
            if attention_span > 0
            else None
        )
        self.dropout = SequenceDropout(dropout)
        self.heads = Heads(
            space,
            hidden_size=hidden_size,
            embedding_size=embedding_size,
            n_intervals=n_intervals,
            n_expected=N_EXPECTED if n_style_components else 0,
            n_recalled=N_KINDS if lookback_span else 0,
            hears_sounding=active_notes_span > 0,
        )

    @property
    def n_told(self) -> int:
        """Numbers beside each input that no weight has a part in: echoes, and what sounds."""
        n_echoes = N_ECHOES if self.lookback_span else 0
        return n_echoes + (n_around(len(MEMORIES)) if self.active_notes_span else 0)

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Global noise, ``[n, Z]``: standard normal, or outlines."""
        if self.style_prior is not None:
            return self.style_prior.draw(n, generator)
        device = self.start.weight.device
        return torch.randn(n, self.noise_size, generator=generator, device=device)

    def noise_of(self, events: Tensor, drawn: Tensor) -> Tensor:
        """The global noise ``[B, Z]`` to which known events ``[B, T, C + 2]`` were written: their
        outlines, blurred in training; where the generator has none, what was ``drawn``.
        """
        if self.style_prior is None:
            return drawn
        return self.style_prior.of(events, blur=BLUR if self.training else 0.0)

    def noise_like(self, events: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Global noise, ``[B, Z]``, for what is to go on from events ``[B, T, C + 2]``: outlines
        that suit them, or any.
        """
        if self.style_prior is None:
            return self.noise(len(events), generator)
        return self.style_prior.draw_like(events, generator)

    def expected(self, z: Tensor) -> Tensor | None:
        """What ``z [B, Z]`` says of each pitch, ``[B, E, P]``."""
        return None if self.style_prior is None else self.style_prior.expected(z)

    def gumbel(self, n: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """Local noise, standard Gumbel ``[n, length, V]``."""
        device = self.start.weight.device
        shape = (n, length, self.space.width)
        # the negative logarithm of a standard exponential, which is hardly ever 0 but may be
        exponential = torch.empty(shape, device=device).exponential_(generator=generator)
        return exponential.clamp_min_(1e-30).log_().neg_()

    def initial_state(self, z: Tensor) -> State:
        """``z`` ``[B, Z]`` -> the LSTM's state, twice ``[layers, B, H]``."""
        h, c = self.start(z).chunk(2, -1)
        layers = self.lstm.num_layers
        h = h.view(len(z), layers, -1).transpose(0, 1).contiguous()
        c = c.view(len(z), layers, -1).transpose(0, 1).contiguous()
        return torch.tanh(h), c

    def logits(
        self, events: Tensor, z: Tensor, *, dropout: bool = True, heard: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Logits of every event given those before it: ids ``[B, T, C + 2]`` -> ``C`` times
        ``[B, T, n]``. What they are for padding means nothing.

        ``heard`` are the same events as they were heard, if not as they were
        (:func:`~gan_music.networks.features.history.input_noise`).
        """
        heard = events if heard is None else heard
        context = histories(
            self.space,
            heard,
            n_intervals=self.n_intervals,
            active_notes_span=self.active_notes_span,
            expected=self.expected(z),
        )
        drop = self.dropout if dropout else nn.Identity()
        recalled = (
            lookback(self.space, events, heard, span=self.lookback_span)
            if self.lookback_span
            else None
        )
        echoes, scores = (recalled.echoes, recalled.scores) if recalled else (None, None)
        return self.heads(self._states(heard, context, z, echoes, drop), context, events, scores)

    def _states(
        self, events: Tensor, context: History, z: Tensor, echoes: Tensor | None, drop: nn.Module
    ) -> Tensor:
        """The state before each event, ``[B, T, H]``."""
        space, n = self.space, self.space.n_categories
        nothing = space.nothing.expand(len(events), 1, n)
        previous = torch.cat([nothing, events.clamp_min(0)[:, :-1, :n]], 1)
        parts = [e(previous[..., i]) for i, e in enumerate(self.embed)]
        if self.n_intervals:
            parts.append(self.embed_intervals(context.intervals()))
        embedded = torch.cat(parts, -1)
        place = self.embed_bar(context.position, context.meter)
        beside = [z[:, None].expand(-1, events.shape[1], -1)]
        if echoes is not None:
            beside.append(echoes.to(z.dtype))
        if self.active_notes_span:
            beside.append(context.joined(space).to(z.dtype))
        inputs = torch.cat([embedded, place, *beside], -1)
        rate = self.recurrent_dropout if drop is self.dropout and self.training else 0.0
        hidden = self._recurrence(drop(inputs), self.initial_state(z), rate)
        if self.attention is not None:
            # of a step, the event that came then; nobody looks back on the last
            came = embedded.roll(-1, 1)
            hidden = self.attention(hidden, drop(came))
        return drop(hidden)

    def _recurrence(self, inputs: Tensor, state: State, rate: float) -> Tensor:
        """The LSTM over whole sequences, ``[B, T, H]``, with a share of its recurrent weights
        dropped throughout (Merity et al. 2018).
        """
        lstm = self.lstm
        if rate == 0:
            return lstm(inputs, state)[0]
        weights = [
            F.dropout(w, rate) if i == 1 else w
            for layer in lstm.all_weights
            for i, w in enumerate(layer)
        ]
        # what the module itself calls; bias, layers, dropout, training, directions, batch first
        return torch.lstm(
            inputs, state, weights, True, lstm.num_layers, lstm.dropout, True, False, True
        )[0]

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
        each. Without dropout; see :class:`~gan_music.networks.lstm_decoder.Rollout`.
        """
        return self.write(LSTMDecoder(self, z, starts, temperature=temperature), gumbel)

    def write(self, rollout: LSTMDecoder, gumbel: Tensor) -> Tensor:
        """The next events of a rollout of this generator: ``[B, T, V]`` -> ids ``[B, T, C + 2]``,
        by recorded steps if there are.
        """
        return self.captured.write(rollout, gumbel) if self.captured else rollout.write(gumbel)

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


class SequenceDropout(nn.Module):
    """Drops the same units at all steps of a sequence ``[B, T, H]`` (Gal & Ghahramani 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        return x * x.new_empty(len(x), 1, x.shape[-1]).bernoulli_(keep).div_(keep)
