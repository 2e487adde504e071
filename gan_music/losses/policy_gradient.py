"""REINFORCE (Williams 1992) with the rewards of a step discriminator."""

from __future__ import annotations

import torch
from torch import Tensor


def advantages(scores: Tensor, *, discount: float, limit: float) -> Tensor:
    """The advantage of each event of sampled sequences: a critic's logits ``[B, T]`` -> ``[B, T]``.

    The reward of an event is the rise of the critic's logit over it. The return is the discounted
    sum of the rewards from this event on (de Masson d'Autume et al. 2019, eq. 4, whose rewards are
    the logits themselves). The baseline is the batch's mean return at the same step; the advantage
    is clipped to ``limit``.
    """
    rewards = scores.diff(dim=1, prepend=torch.zeros_like(scores[:, :1]))
    steps = torch.arange(scores.shape[1], device=scores.device)
    delay = steps[:, None] - steps  # of a reward (row) after an event (column)
    weights = (discount ** delay.clamp_min(0)).where(delay >= 0, 0.0).to(rewards.dtype)
    returns = rewards @ weights
    return (returns - returns.mean(0)).clamp(-limit, limit)


def policy_gradient(
    log_likelihoods: Tensor, advantages: Tensor, present: Tensor | None = None
) -> Tensor:
    """Mean of -advantage * log-likelihood over the sampled events that are present, ``[B, T]``
    each; None: all. A scalar.

    Its gradient estimates that of the expected advantage, negated.
    """
    products = advantages.detach() * log_likelihoods
    return -(products.mean() if present is None else (products * present).sum() / present.sum())
