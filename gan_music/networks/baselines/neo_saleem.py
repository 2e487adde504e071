"""The networks of Neo & Saleem (2024, Listing 1), for single notes of three numbers.

Listing 1 gives each LSTM ``x.unsqueeze(1)``, a sequence of length one, so that every note is
generated and scored alone. Its initial states are zeros for 2 layers, whatever ``num_layers`` is;
here they are zeros for all layers (``nn.LSTM``'s default).
"""

from __future__ import annotations

from torch import Tensor, nn

N_FEATURES = 3


class NeoSaleemGenerator(nn.Module):
    """Noise ``[B, Z]`` -> triples of real numbers, ``[B, 3]``."""

    def __init__(self, *, noise_size: int, hidden_size: int, n_layers: int) -> None:
        super().__init__()
        self.noise_size = noise_size
        self.lstm = nn.LSTM(noise_size, hidden_size, n_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, N_FEATURES)

    def forward(self, noise: Tensor) -> Tensor:
        hidden, _ = self.lstm(noise.unsqueeze(1))  # [B, 1, H]
        return self.fc(hidden[:, -1])


class NeoSaleemDiscriminator(nn.Module):
    """Triples ``[B, 3]`` -> logits ``[B]``; the paper's probabilities are their sigmoids."""

    def __init__(self, *, hidden_size: int, n_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_FEATURES, hidden_size, n_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, 1)

    def forward(self, triples: Tensor) -> Tensor:
        hidden, _ = self.lstm(triples.unsqueeze(1))  # [B, 1, H]
        return self.fc(hidden[:, -1])[:, 0]
