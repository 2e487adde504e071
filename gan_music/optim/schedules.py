"""Learning-rate schedules: the factor of a learning rate on each batch, from batch 0.

Plain functions, not ``LambdaLR``: the base rate changes with the phase of training, and the NaN
guard scales it, so that a scheduler object would hold state beside the batch count.
"""

from __future__ import annotations

import math

_FLOOR = 0.05


def linear_warmup(batch_number: int, warmup: int) -> float:
    """Linear rise to 1 over ``warmup`` batches."""
    return min(1.0, (batch_number + 1) / max(1, warmup))


def cosine_decay(batch_number: int, total: int) -> float:
    """Cosine decay from 1 over ``total`` batches, to a floor of 0.05 and constant after."""
    return max(_FLOOR, 0.5 * (1 + math.cos(math.pi * min(1.0, batch_number / total))))


def warmup_cosine(batch_number: int, *, warmup: int, total: int) -> float:
    """The smaller of a linear warm-up over ``warmup`` batches and a cosine decay over ``total``."""
    return min(linear_warmup(batch_number, warmup), cosine_decay(batch_number, total))
