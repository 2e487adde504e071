"""Adversarial losses of logits ``[B]``, or ``[B, T]`` for a logit at each step.

Binary cross-entropy (BCE) is computed from logits: the loss of a sigmoid followed by BCE
(Goodfellow et al. 2014, eq. 1, with the non-saturating generator loss of section 3), without its
overflow where the sigmoid rounds to 0 or 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_bce(real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """BCE of real logits against 1 - smoothing plus BCE of fake logits against 0, a scalar.

    Only real labels are smoothed (Salimans et al. 2016, section 3.4).
    """
    target = torch.full_like(real, 1.0 - smoothing)
    return F.binary_cross_entropy_with_logits(real, target) + F.binary_cross_entropy_with_logits(
        fake, torch.zeros_like(fake)
    )


def generator_bce(fake: Tensor) -> Tensor:
    """BCE of fake logits against 1, a scalar."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def accuracy(real: Tensor, fake: Tensor) -> Tensor:
    """Share of logits with the right sign, the mean of real and fake ones."""
    return 0.5 * ((real > 0).float().mean() + (fake < 0).float().mean())


def decision(scores: Tensor) -> tuple[Tensor, Tensor]:
    """``log D`` and ``log(1 - D)``, ``[B]`` each, of logits ``[B, T]``.

    D is the mean over steps of the sigmoids (Mogren 2016, section 3).
    """
    steps = scores.new_tensor(scores.shape[1]).log()
    log_d = torch.logsumexp(F.logsigmoid(scores), 1) - steps
    return log_d, torch.logsumexp(F.logsigmoid(-scores), 1) - steps


def averaged_discriminator_bce(real: Tensor, fake: Tensor) -> Tensor:
    """``-log D(x) - log(1 - D(G(z)))`` of logits ``[B, T]`` (Mogren 2016, section 2), a scalar."""
    return -decision(real)[0].mean() - decision(fake)[1].mean()


def averaged_generator_bce(fake: Tensor) -> Tensor:
    """``-log D(G(z))`` of logits ``[B, T]``, a scalar."""
    return -decision(fake)[0].mean()


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of features ``[B, T, K]``, pair by pair, mean over pairs and steps.

    Mogren 2016, section 3, after Salimans et al. 2016, who match the means of the batch instead.
    """
    return (real - fake).square().sum(-1).mean()
