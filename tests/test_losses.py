from __future__ import annotations

import math

import pytest
import torch

from gan_music import losses


def test_discriminator_bce_of_undecided_logits_is_two_ln_two() -> None:
    zero = torch.zeros(4)
    assert losses.discriminator_bce(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_discriminator_bce_by_hand() -> None:
    # -ln s(1) - ln(1 - s(-2)), with s the logistic function
    expected = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2))
    loss = losses.discriminator_bce(torch.tensor([1.0]), torch.tensor([-2.0]))
    assert loss.item() == pytest.approx(expected)


def test_only_real_labels_are_smoothed() -> None:
    real, fake = torch.tensor([1.0]), torch.tensor([-2.0])
    smooth = losses.discriminator_bce(real, fake, smoothing=0.1)
    # target 0.9: 0.9 ln(1 + e^-1) + 0.1 ln(1 + e^1)
    expected = 0.9 * math.log(1 + math.exp(-1)) + 0.1 * math.log(1 + math.exp(1))
    assert smooth.item() == pytest.approx(expected + math.log(1 + math.exp(-2)))


def test_generator_bce_by_hand() -> None:
    loss = losses.generator_bce(torch.tensor([0.0, 3.0]))
    assert loss.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(-3))) / 2)


def test_losses_are_finite_where_a_sigmoid_would_be_0_or_1() -> None:
    far = torch.tensor([1e4])
    assert losses.discriminator_bce(-far, far).item() == pytest.approx(2e4)
    assert losses.generator_bce(-far).item() == pytest.approx(1e4)


def test_accuracy_weighs_both_kinds_the_same() -> None:
    assert losses.accuracy(torch.tensor([1.0, -1.0, 2.0, 3.0]), torch.tensor([-1.0])) == 0.875


def test_negative_log_likelihood_of_uniform_logits() -> None:
    events = torch.tensor([[[0, 1, 2], [3, 0, 1]]])
    logits = [torch.zeros(1, 2, n) for n in (4, 5, 6)]
    expected = math.log(4) + math.log(5) + math.log(6)
    assert losses.negative_log_likelihood(logits, events).item() == pytest.approx(expected)
