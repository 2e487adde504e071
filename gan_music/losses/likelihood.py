"""Likelihood and entropy of events under a generator's logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


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


def entropy(logits: Sequence[Tensor]) -> Tensor:
    """Of the choices that make an event, each given those before it, nats: logits as in
    :func:`negative_log_likelihood` -> a scalar, mean over events.

    Beside REINFORCE it keeps choices open (Williams & Peng 1991).
    """
    log_p = [x.float().log_softmax(-1) for x in logits]
    return -torch.stack([(x.exp() * x).sum(-1) for x in log_p]).sum(0).mean()
