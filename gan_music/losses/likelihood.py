"""Likelihood and entropy of events under a generator's logits.

``logits`` are one ``[B, T, n]`` for each category of an event, ``events`` ids ``[B, T, ...]`` whose
first columns are these categories. An event of -1 is padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def negative_log_likelihood(logits: Sequence[Tensor], events: Tensor) -> Tensor:
    """Nats an event: cross-entropy summed over categories, mean over events without padding."""
    return torch.stack(
        [
            F.cross_entropy(x.flatten(0, 1), events[..., i].flatten(), ignore_index=-1)
            for i, x in enumerate(logits)
        ]
    ).sum()


def log_likelihoods(logits: Sequence[Tensor], events: Tensor) -> Tensor:
    """Log-likelihood of each event in nats, ``[B, T]``; 0 for padding."""
    return -torch.stack(
        [
            F.cross_entropy(x.float().mT, events[..., i], ignore_index=-1, reduction="none")
            for i, x in enumerate(logits)
        ]
    ).sum(0)


def entropy(logits: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
    """Entropy in nats of each category given the events before and the categories chosen already,
    summed over categories, mean over the events that are present, ``[B, T]``; None: all. A scalar.

    An entropy bonus keeps a policy from becoming deterministic (Williams & Peng 1991).
    """
    log_p = [x.float().log_softmax(-1) for x in logits]
    total = -torch.stack([(x.exp() * x).sum(-1) for x in log_p]).sum(0)
    return total.mean() if present is None else (total * present).sum() / present.sum()
