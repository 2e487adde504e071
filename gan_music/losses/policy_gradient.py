"""REINFORCE with the rewards of a step discriminator (Williams 1992)."""

from __future__ import annotations

import torch
from torch import Tensor


def advantages(scores: Tensor, *, discount: float, limit: float) -> Tensor:
    """What each event of generated sequences earns: a critic's logits ``[B, T]`` -> ``[B, T]``.

    The logit after an event less the one before it is what the event adds to the likeness to real
    music; it and those that follow, each ``discount`` times the one before, are summed (de Masson
    d'Autume et al. 2019, eq. 4, with rises for rewards, so that an event is not paid for the past),
    less the batch's mean at that step, which is the baseline, and clipped at ``limit``.
    """
    rises = scores.diff(dim=1, prepend=torch.zeros_like(scores[:, :1]))
    steps = torch.arange(scores.shape[1], device=scores.device)
    later = steps[:, None] - steps  # of a rise (row), to an event (column)
    worth = (discount ** later.clamp_min(0)).where(later >= 0, 0.0).to(rises.dtype)
    returns = rises @ worth
    return (returns - returns.mean(0)).clamp(-limit, limit)


def policy_gradient(log_likelihoods: Tensor, advantages: Tensor) -> Tensor:
    """A scalar whose gradient is that of the expected advantage, both ``[B, T]``, over choices that
    were drawn (REINFORCE, Williams 1992), mean over events.
    """
    return -(advantages.detach() * log_likelihoods).mean()
