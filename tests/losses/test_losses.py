from __future__ import annotations

import math

import pytest
import torch

from gan_music.losses import adversarial, likelihood, policy_gradient


def test_discriminator_bce_by_hand() -> None:
    # -ln s(1) - ln(1 - s(-2)), with s the logistic function
    expected = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2))
    loss = adversarial.discriminator_bce(torch.tensor([1.0]), torch.tensor([-2.0]))
    assert loss.item() == pytest.approx(expected)


def test_only_real_labels_are_smoothed() -> None:
    real, fake = torch.tensor([1.0]), torch.tensor([-2.0])
    smooth = adversarial.discriminator_bce(real, fake, smoothing=0.1)
    # target 0.9: 0.9 ln(1 + e^-1) + 0.1 ln(1 + e^1)
    expected = 0.9 * math.log(1 + math.exp(-1)) + 0.1 * math.log(1 + math.exp(1))
    assert smooth.item() == pytest.approx(expected + math.log(1 + math.exp(-2)))


def test_generator_bce_by_hand() -> None:
    loss = adversarial.generator_bce(torch.tensor([0.0, 3.0]))
    assert loss.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(-3))) / 2)


def test_losses_are_finite_where_a_sigmoid_rounds_to_0_or_1() -> None:
    far = torch.tensor([1e4])
    assert adversarial.discriminator_bce(-far, far).item() == pytest.approx(2e4)
    assert adversarial.generator_bce(-far).item() == pytest.approx(1e4)


def test_accuracy_is_the_mean_over_real_and_fake() -> None:
    assert adversarial.accuracy(torch.tensor([1.0, -1.0, 2.0, 3.0]), torch.tensor([-1.0])) == 0.875


def test_negative_log_likelihood_of_uniform_logits() -> None:
    events = torch.tensor([[[0, 1, 2], [3, 0, 1]]])
    logits = [torch.zeros(1, 2, n) for n in (4, 5, 6)]
    expected = math.log(4) + math.log(5) + math.log(6)
    assert likelihood.negative_log_likelihood(logits, events).item() == pytest.approx(expected)


def test_losses_of_averaged_decisions_by_hand() -> None:
    # sigmoids 0.5 and 0.75: their mean is 0.625
    real, fake = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[-math.log(3), -math.log(3)]])
    expected = -math.log(0.625) - math.log(0.75)
    assert adversarial.averaged_discriminator_bce(real, fake).item() == pytest.approx(expected)
    assert adversarial.averaged_generator_bce(fake).item() == pytest.approx(-math.log(0.25))
    far = torch.full((1, 3), 1e4)
    assert adversarial.averaged_discriminator_bce(-far, far).item() == pytest.approx(2e4)


def test_feature_matching_by_hand() -> None:
    real = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])
    fake = torch.tensor([[[0.0, 4.0], [3.0, 0.0]]])
    # (1 + 4) and 9, over two steps
    assert adversarial.feature_matching(real, fake).item() == pytest.approx(7.0)


def test_the_return_is_the_discounted_sum_of_rewards() -> None:
    scores = torch.tensor([[1.0, 3.0, 3.5], [0.0, 0.0, 0.0]])
    # rewards 1, 2, 0.5, discounted by a half; the baseline is half of the return
    found = policy_gradient.advantages(scores, discount=0.5, limit=10.0)
    assert torch.allclose(found[0], torch.tensor([1 + 1 + 0.125, 2.25, 0.5]) / 2)
    assert torch.allclose(found.sum(0), torch.zeros(3))
    assert policy_gradient.advantages(scores, discount=0.5, limit=0.3).abs().max() <= 0.3


def test_the_policy_gradient_is_that_of_the_expected_advantage() -> None:
    scores = torch.tensor([0.3, -1.0, 0.8], requires_grad=True)
    advantages = torch.tensor([1.0, -2.0, 0.5])
    (exact,) = torch.autograd.grad(-(scores.softmax(0) * advantages).sum(), scores)
    # a Monte Carlo estimate with samples of the policy
    drawn = torch.multinomial(scores.detach().softmax(0), 100_000, replacement=True)[None, :, None]
    logits = [scores.expand(1, drawn.shape[1], -1)]
    likelihoods = likelihood.log_likelihoods(logits, drawn)
    (found,) = torch.autograd.grad(
        policy_gradient.policy_gradient(likelihoods, advantages[drawn[..., 0]]), scores
    )
    assert torch.allclose(found, exact, atol=0.02)


def test_entropy_by_hand() -> None:
    uniform, certain = torch.zeros(1, 2, 4), torch.tensor([[[0.0, 200.0, 0.0]] * 2])
    assert likelihood.entropy([uniform]).item() == pytest.approx(math.log(4))
    assert likelihood.entropy([certain]).item() == pytest.approx(0, abs=1e-6)
    assert likelihood.entropy([uniform, uniform, certain]).item() == pytest.approx(2 * math.log(4))
    mixed = torch.tensor([[[0.0, 0.0, -torch.inf], [0.0, 0.0, 0.0]]]).clamp_min(-200)
    assert likelihood.entropy([mixed]).item() == pytest.approx((math.log(2) + math.log(3)) / 2)


def test_log_likelihoods_are_those_of_the_likelihood() -> None:
    logits = [torch.randn(2, 3, n) for n in (4, 5)]
    events = torch.stack([torch.randint(0, n, (2, 3)) for n in (4, 5)], -1)
    events[1, 2] = -1
    found = likelihood.log_likelihoods(logits, events)
    assert found[1, 2] == 0
    total = likelihood.negative_log_likelihood(logits, events)
    assert -found.sum().item() / 5 == pytest.approx(total.item(), rel=1e-5)
