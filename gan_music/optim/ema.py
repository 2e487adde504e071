"""Exponential moving average (EMA) of a network's weights.

Not Lightning's ``EMAWeightAveraging``: it averages the whole module, the discriminator included,
and swaps weights for validation, whereas samples are drawn from the average at any batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class EMA(AveragedModel):
    """An average of ``model``, in ``module``; the first update copies the weights.

    The same figures as torch's own, which synchronises with the GPU at each update to know whether
    it is the first one.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.requires_grad_(False)
        self._has_weights = False

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        if not self._has_weights:
            super().update_parameters(model)
            self._has_weights = True
            return
        assert self.multi_avg_fn is not None
        averages: list[Tensor] = [*self.module.parameters()]
        self.multi_avg_fn(averages, [*model.parameters()], self.n_averaged)
        for buffer, new in zip(self.module.buffers(), model.buffers(), strict=True):
            buffer.copy_(new)
        self.n_averaged += 1
