"""Dropout of recurrent networks."""

from __future__ import annotations

from torch import Tensor, nn


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
