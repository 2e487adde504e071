"""A bidirectional LSTM that scores a window of events."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_music.networks.note_space import BarEmbedding, NoteSpace


class LSTMDiscriminator(nn.Module):
    """Events ``[B, T, C + 2]`` -> a logit of each window, ``[B]``; above 0 is "real".

    ``hidden_size`` is the width of both directions together.

    It reads hard one-hot vectors of real and generated music alike, since soft ones would give
    generated music away. Two minibatch standard deviations (Karras et al. 2018) stand beside the
    features of each window, so that mode collapse is visible.
    """

    def __init__(
        self,
        space: NoteSpace,
        *,
        hidden_size: int,
        n_layers: int,
        embedding_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.space = space
        self.padded_in_training = True  # in training windows
        self.embed = nn.Linear(space.width, space.n_categories * embedding_size, bias=False)
        self.embed_bar = BarEmbedding(space, embedding_size)
        self.lstm = nn.LSTM(
            (space.n_categories + 1) * embedding_size,
            (hidden_size + 1) // 2,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        width = 2 * self.lstm.hidden_size
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Sequential(
            nn.Linear(2 * width + space.width + 2, hidden_size),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_size, 1),
        )

    def forward(self, events: Tensor, relaxed: Tensor | None = None) -> Tensor:
        """Score windows of ids; ``relaxed [B, T, V]`` replaces their one-hot vectors, so that a
        gradient passes. None passes through the position in the bar.
        """
        present = self.space.present(events)
        hot = self.space.one_hot(events) if relaxed is None else relaxed * present[..., None]
        return self._score(hot, self._bar(events), present)

    def inputs(self, events: Tensor) -> Tensor:
        """One-hot vectors and the embedding of the bar, ``[B, T, V + E]``, which a gradient
        penalty interpolates.
        """
        return torch.cat([self.space.one_hot(events), self._bar(events)], -1)

    def score(self, inputs: Tensor, present: Tensor) -> Tensor:
        """The logits ``[B]`` of :meth:`inputs`; ``present`` is bool ``[B, T]``."""
        hot, bar = inputs.split([self.space.width, self.embed_bar.beat.embedding_dim], -1)
        return self._score(hot, bar, present)

    def _bar(self, events: Tensor) -> Tensor:
        ids = events.clamp_min(0)
        return self.embed_bar(ids[..., -2], ids[..., -1])

    def _score(self, hot: Tensor, bar: Tensor, present: Tensor) -> Tensor:
        embedded = torch.cat([self.embed(hot), bar], -1)
        hidden = self.norm(self._read(self.dropout(embedded), present))  # [B, T, H]
        count = present.sum(1, keepdim=True)
        mean = hot.sum(1) / count  # [B, V]: the window's histograms
        state = (hidden * present[..., None]).sum(1) / count
        highest = hidden.masked_fill(~present[..., None], -torch.inf).amax(1)
        features = torch.cat([state, highest, mean], -1)
        deviation = torch.stack([_deviation(state), _deviation(mean)])
        features = torch.cat([features, deviation.expand(len(features), -1)], -1)
        return self.head(features)[:, 0]

    def _read(self, embedded: Tensor, present: Tensor) -> Tensor:
        # reading whether there is padding would synchronise with the GPU
        if (self.training and not self.padded_in_training) or present.all():
            return self.lstm(embedded)[0]
        # packed, so that the backward direction begins at the last event, not at padding
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, present.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        hidden, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=embedded.shape[1]
        )
        return hidden


def _deviation(x: Tensor) -> Tensor:
    """Mean standard deviation over the batch, a scalar; 0 for a batch of one."""
    return (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
