"""Every optimizer, by its learning algorithm.

Each parameter group has a key ``network``: ``g`` for a generator's weights, ``d`` for a
discriminator's. Gradient clipping, error messages and logged keys (``train/lr_g``) go by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import nn


class OptimizerBuilder(Protocol):
    """Builds the optimizer of a network, which is called ``g`` or ``d``."""

    def __call__(self, network: nn.Module, name: str, *, lr: float) -> torch.optim.Optimizer: ...


def of_class(made: Callable[..., torch.optim.Optimizer], **values: Any) -> OptimizerBuilder:
    """Builds optimizers of a class with these arguments, as ``conf/optimizer`` chooses them."""

    def build(network: nn.Module, name: str, *, lr: float) -> torch.optim.Optimizer:
        return made([{"params": network.parameters(), "network": name}], lr=lr, **values)

    return build


def adam(
    module: nn.Module, network: str, *, lr: float, betas: Sequence[float]
) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015)."""
    groups = [{"params": module.parameters(), "network": network}]
    return torch.optim.Adam(groups, lr=lr, betas=(betas[0], betas[1]))


def adamw(
    module: nn.Module,
    network: str,
    *,
    lr: float,
    betas: Sequence[float],
    weight_decay: float,
    matrices_only: bool = False,
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); ``matrices_only`` exempts biases and norms from decay."""
    parameters = list(module.parameters())
    groups = [{"params": parameters, "weight_decay": weight_decay, "network": network}]
    if matrices_only:
        groups[0]["params"] = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        groups.append({"params": others, "weight_decay": 0.0, "network": network})
    return torch.optim.AdamW(groups, lr=lr, betas=(betas[0], betas[1]))


def sgd(
    module: nn.Module, network: str, *, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Stochastic gradient descent without momentum."""
    groups = [{"params": module.parameters(), "network": network}]
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay)
