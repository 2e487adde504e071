"""The networks of C-RNN-GAN (Mogren 2016, section 3): sequences of tones of ``F`` real numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_FEATURES = 4

State = tuple[Tensor, Tensor]


class CRNNGenerator(nn.Module):
    """An LSTM that maps noise and the previous tone to a tone at each step, with linear outputs.

    The tone before the first is 0, the mean of standardised tones.
    """

    def __init__(self, *, noise_size: int, hidden_size: int, n_layers: int) -> None:
        super().__init__()
        self.noise_size = noise_size
        self.lstm = nn.LSTM(noise_size + N_FEATURES, hidden_size, n_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, N_FEATURES)

    def noise(self, n: int, length: int, rng: torch.Generator | None = None) -> Tensor:
        """Uniform noise in 0 to 1, ``[n, length, Z]``."""
        return torch.rand(n, length, self.noise_size, generator=rng, device=self.fc.weight.device)

    def forward(self, noise: Tensor) -> Tensor:
        """Noise ``[B, T, Z]`` -> tones ``[B, T, F]``, each of which is fed to the next step."""
        tone = noise.new_zeros(len(noise), 1, N_FEATURES)
        state: State | None = None
        tones = []
        for step in noise.split(1, dim=1):
            hidden, state = self.lstm(torch.cat([step, tone], -1), state)  # [B, 1, H]
            tone = self.fc(hidden)
            tones.append(tone)
        return torch.cat(tones, 1)

    def predict(self, tones: Tensor, noise: Tensor) -> Tensor:
        """Teacher forcing: the output at each step ``t`` given the real tones before ``t``, both
        ``[B, T, F]``.
        """
        before = torch.cat([torch.zeros_like(tones[:, :1]), tones[:, :-1]], 1)
        return self.fc(self.lstm(torch.cat([noise, before], -1))[0])


class CRNNDiscriminator(nn.Module):
    """A bidirectional LSTM with a logit for every step."""

    def __init__(self, *, hidden_size: int, n_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_FEATURES, hidden_size, n_layers, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden_size, 1)

    def forward(self, tones: Tensor) -> tuple[Tensor, Tensor]:
        """Tones ``[B, T, F]`` -> logits ``[B, T]``, and hidden states ``[B, T, 2H]`` for feature matching."""
        features = self.lstm(tones)[0]
        return self.fc(features)[..., 0], features
