from __future__ import annotations

import pytest

from gan_music.optim.schedules import (
    cosine_decay,
    inverse_sqrt,
    linear_warmup,
    warmup_constant,
    warmup_cosine,
    warmup_linear,
)


def test_a_warm_up_is_linear() -> None:
    assert [linear_warmup(n, 4) for n in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert linear_warmup(0, 0) == 1


def test_a_cosine_decays_to_a_twentieth() -> None:
    shares = [cosine_decay(n, 6) for n in (0, 2, 3, 4, 6, 99)]
    assert shares == pytest.approx([1, 0.75, 0.5, 0.25, 0.05, 0.05])


def test_warm_up_and_decay_take_the_smaller_share() -> None:
    shares = [warmup_cosine(n, warmup=4, total=6) for n in range(6)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 0.5, 0.25, 0.0669873])


def test_further_schedules() -> None:
    assert [warmup_constant(n, 9, warmup=2) for n in range(4)] == [0.5, 1, 1, 1]
    linear = [warmup_linear(n, 4, warmup=2) for n in range(5)]
    assert linear == [0.5, 0.75, 0.5, 0.25, 0.05]
    roots = [inverse_sqrt(n, 99, warmup=4) for n in (0, 3, 15, 63)]
    assert roots == [0.25, 1, 0.5, 0.25]
    assert inverse_sqrt(0, 99, warmup=0) == 1
