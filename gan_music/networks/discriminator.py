"""An LSTM that reads a window of events in both directions and scores it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_music.networks.events import EventSpace


class LSTMDiscriminator(nn.Module):
    """One-hot events ``[B, T, V]`` -> a logit a window ``[B]``; above 0 is "real".

    ``hidden_size`` is the width of both directions together.

    It reads hard one-hot vectors of real and generated music alike, so that softness gives nothing
    away. Two statistics over the whole batch stand beside the window's own features, so that a
    generator that writes one piece over and over is seen (minibatch deviation, Karras et al. 2018).
    """

    def __init__(
        self,
        space: EventSpace,
        *,
        hidden_size: int,
        n_layers: int,
        embedding_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.space = space
        self.embed = nn.Linear(space.width, 3 * embedding_size, bias=False)
        self.embed_position = nn.Embedding(space.grid, embedding_size)
        self.lstm = nn.LSTM(
            4 * embedding_size,
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

    def forward(self, events: Tensor) -> Tensor:
        """Score windows; the position in the beat is read off the hard offsets."""
        n_offsets = self.space.sizes[0]
        offsets = events[..., :n_offsets].detach().argmax(-1)
        position = self.space.offset_bins[offsets].cumsum(-1) % self.space.grid
        embedded = torch.cat([self.embed(events), self.embed_position(position)], -1)
        hidden, _ = self.lstm(self.dropout(embedded))  # [B, T, H]
        hidden = self.norm(hidden)
        mean = events.mean(1)  # [B, V]: the window's histograms
        features = torch.cat([hidden.mean(1), hidden.amax(1), mean], -1)
        deviation = torch.stack([_deviation(hidden.mean(1)), _deviation(mean)])
        features = torch.cat([features, deviation.expand(len(features), -1)], -1)
        return self.head(features)[:, 0]


def _deviation(x: Tensor) -> Tensor:
    """Mean standard deviation over the batch, a scalar; 0 for a batch of one."""
    return (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
