"""Learning-rate schedules: the factor of a learning rate on each batch, from batch 0.

Plain functions, not ``LambdaLR``: the base rate changes with the phase of training, and the NaN
guard scales it, so that a scheduler object would hold state beside the batch count.
"""

from __future__ import annotations

import math
from collections.abc import Callable

# (batch of the run, from 0; batches of the run) -> factor
Schedule = Callable[[int, int], float]

_FLOOR = 0.05


def linear_warmup(batch_number: int, warmup: int) -> float:
    """Linear rise to 1 over ``warmup`` batches."""
    return min(1.0, (batch_number + 1) / max(1, warmup))


def cosine_decay(batch_number: int, total: int) -> float:
    """Cosine decay from 1 over ``total`` batches, to a floor of 0.05 and constant after."""
    share = min(1.0, batch_number / max(1, total))
    return max(_FLOOR, 0.5 * (1 + math.cos(math.pi * share)))


def warmup_cosine(batch_number: int, total: int, *, warmup: int) -> float:
    """The smaller of a linear warm-up over ``warmup`` batches and a cosine decay over ``total``."""
    return min(linear_warmup(batch_number, warmup), cosine_decay(batch_number, total))


def warmup_constant(batch_number: int, total: int, *, warmup: int) -> float:
    """A linear warm-up over ``warmup`` batches, then 1."""
    return linear_warmup(batch_number, warmup)


def warmup_linear(batch_number: int, total: int, *, warmup: int) -> float:
    """The smaller of a linear warm-up and a linear decay over ``total``, to a floor of 0.05."""
    decay = max(_FLOOR, 1 - batch_number / max(1, total))
    return min(linear_warmup(batch_number, warmup), decay)


def inverse_sqrt(batch_number: int, total: int, *, warmup: int) -> float:
    """A linear warm-up, then ``sqrt(warmup / batch)`` (Vaswani et al. 2017, eq. 3, scaled to 1)."""
    return min(linear_warmup(batch_number, warmup), math.sqrt(max(1, warmup) / (batch_number + 1)))
