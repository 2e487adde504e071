"""Losses of both players, as free functions of logits ``[B]`` or, for each step, ``[B, T]``.

Binary cross-entropy is taken from logits, which is the same loss as a sigmoid followed by BCE
(Goodfellow et al. 2014, eq. 1, with the non-saturating generator loss of section 3) and safe where
the sigmoid has run into 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """Share of windows whose logit has the right sign, both kinds weighing the same."""
    return 0.5 * ((real > 0).float().mean() + (fake < 0).float().mean())


def negative_log_likelihood(logits: Sequence[Tensor], events: Tensor) -> Tensor:
    """Nats an event: the summed cross-entropies of its categories; mean over all events.

    ``logits`` are one ``[B, T, n]`` a category, ``events`` ids ``[B, T, ...]`` whose first columns
    they are for; an event of -1 is padding and does not count.
    """
    return torch.stack(
        [
            F.cross_entropy(x.flatten(0, 1), events[..., i].flatten(), ignore_index=-1)
            for i, x in enumerate(logits)
        ]
    ).sum()


def log_likelihoods(logits: Sequence[Tensor], events: Tensor) -> Tensor:
    """Of each event, nats: logits and ids as in :func:`negative_log_likelihood` -> ``[B, T]``; 0
    for padding.
    """
    return -torch.stack(
        [
            F.cross_entropy(x.float().mT, events[..., i], ignore_index=-1, reduction="none")
            for i, x in enumerate(logits)
        ]
    ).sum(0)


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


def entropy(logits: Sequence[Tensor]) -> Tensor:
    """Of the choices that make an event, each given those before it, nats: logits as in
    :func:`negative_log_likelihood` -> a scalar, mean over events.

    Beside REINFORCE it keeps choices open (Williams & Peng 1991).
    """
    log_p = [x.float().log_softmax(-1) for x in logits]
    return -torch.stack([(x.exp() * x).sum(-1) for x in log_p]).sum(0).mean()


def decision(scores: Tensor) -> tuple[Tensor, Tensor]:
    """``log D`` and ``log(1 - D)``, ``[B]`` each, of a logit for every step, ``[B, T]``.

    D is the mean of the steps' sigmoids (Mogren 2016, section 3).
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
    """Squared distance of features ``[B, T, K]`` of pairs of sequences, mean over pairs and steps.

    Mogren 2016, section 3, after Salimans et al. 2016, who match the batch's means instead.
    """
    return (real - fake).square().sum(-1).mean()
