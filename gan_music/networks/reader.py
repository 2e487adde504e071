"""An LSTM that reads events one after another, with attention over its own past."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_music.networks.attention import PastAttention
from gan_music.networks.events import BarEmbedding, EventSpace

State = tuple[Tensor, Tensor]

# of the attention: its width is bounded, since a sampler reads all of it at each step
_HEADS = 4
_HEAD_SIZE = 32


class EventReader(nn.Module):
    """Events -> a state before each of them, and after the last.

    A vector ``z`` sets the LSTM's initial state and stands beside every input. Input at a step: the
    last event's embeddings, its position in the bar, and ``z``. With ``attention_span`` above 0,
    the state then looks back over so many events
    (:class:`~gan_music.networks.attention.PastAttention`).
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

    def initial_state(self, z: Tensor) -> State:
        """``z`` ``[B, Z]`` -> the LSTM's state, twice ``[layers, B, H]``."""
        h, c = self.start(z).chunk(2, -1)
        layers = self.lstm.num_layers
        h = h.view(len(z), layers, -1).transpose(0, 1).contiguous()
        c = c.view(len(z), layers, -1).transpose(0, 1).contiguous()
        return torch.tanh(h), c

    def before(self, events: Tensor, z: Tensor, *, dropout: bool = True) -> Tensor:
        """The state before each event: ids ``[B, T, C + 2]``, ``z [B, Z]`` -> ``[B, T, H]``."""
        return self._states(events[:, :-1], events, z, dropout=dropout)

    def after(self, events: Tensor, z: Tensor, *, dropout: bool = True) -> Tensor:
        """The state after each event, of which padding has none worth the name: ``[B, T, H]``."""
        return self._states(events, events, z, dropout=dropout)[:, 1:]

    def _states(self, heard: Tensor, events: Tensor, z: Tensor, *, dropout: bool) -> Tensor:
        """States before the first event and after each that was heard, ``[B, heard + 1, H]``."""
        drop = self.dropout if dropout else nn.Identity()
        space, n = self.space, self.space.n_categories
        start, meter = space.starts(events)
        heard = heard.clamp_min(0)
        nothing = events.new_tensor(space.sizes).expand(len(events), 1, n)
        previous = torch.cat([nothing, heard[..., :n]], 1)
        embedded = torch.cat([e(previous[..., i]) for i, e in enumerate(self.embed)], -1)
        position = torch.cat([start[:, None], heard[..., -2]], 1)
        meters = torch.cat([meter[:, None], heard[..., -1]], 1)
        beside = z[:, None].expand(-1, previous.shape[1], -1)
        inputs = torch.cat([embedded, self.embed_bar(position, meters), beside], -1)
        hidden, _ = self.lstm(drop(inputs), self.initial_state(z))
        if self.attention is not None:
            # of a step, the event that came then; nobody looks back on the last
            came = embedded.roll(-1, 1)
            hidden = self.attention(hidden, drop(came))
        return drop(hidden)
