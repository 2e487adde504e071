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


REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 1.5])


@pytest.mark.parametrize(
    ("loss", "expected_d", "expected_g"),
    [
        # (0 + 0.5) / 2 + (0 + 2.5) / 2; -(-2 + 1.5) / 2
        (adversarial.Hinge(), 1.5, 0.25),
        # ((1 + 0.25) / 2 + (4 + 2.25) / 2) / 2; (9 + 0.25) / 2 / 2
        (adversarial.LeastSquares(), 1.875, 2.3125),
        # fakes minus reals are -4 and 1
        (
            adversarial.Relativistic(),
            (math.log1p(math.exp(-4)) + math.log1p(math.exp(1))) / 2,
            (math.log1p(math.exp(4)) + math.log1p(math.exp(-1))) / 2,
        ),
        (adversarial.Wasserstein(), -0.25 - 1.25, 0.25),
        (
            adversarial.BCE(),
            (math.log1p(math.exp(-2)) + math.log1p(math.exp(-0.5))) / 2
            + (math.log1p(math.exp(-2)) + math.log1p(math.exp(1.5))) / 2,
            (math.log1p(math.exp(2)) + math.log1p(math.exp(-1.5))) / 2,
        ),
    ],
)
def test_losses_by_hand(
    loss: adversarial.AdversarialLoss, expected_d: float, expected_g: float
) -> None:
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(expected_d)
    assert loss.generator(FAKE, REAL).item() == pytest.approx(expected_g)


def test_labels_are_smoothed_where_a_loss_has_labels() -> None:
    loss = adversarial.LeastSquares()
    # ((2 - 0.9)^2 + (0.5 - 0.9)^2) / 2 = 0.685
    smooth = loss.discriminator(REAL, FAKE, smoothing=0.1)
    assert smooth.item() == pytest.approx((0.685 + 3.125) / 2)
    assert [x.has_labels for x in (adversarial.BCE, adversarial.Hinge)] == [True, False]


def test_each_loss_logs_what_its_logits_mean() -> None:
    def logged(loss: adversarial.AdversarialLoss) -> dict[str, float]:
        return {k: round(v.item(), 4) for k, v in loss.logs(REAL, FAKE).items()}

    means = {"logit_real": 1.25, "logit_fake": -0.25}
    assert logged(adversarial.Hinge()) == means | {"accuracy_d": 0.75}
    # the boundary is 0.5: of the reals, 0.5 is on it
    assert logged(adversarial.LeastSquares()) == means | {"accuracy_d": 0.5}
    assert logged(adversarial.Relativistic()) == means | {"accuracy_d": 0.5}
    assert logged(adversarial.Wasserstein()) == means | {"wasserstein_distance": 1.5}
    scores = {"score_real": 0.7516, "score_fake": 0.4684, "accuracy_d": 0.75}
    assert logged(adversarial.BCE()) == scores


def test_the_gradient_penalty_of_a_linear_critic_by_hand() -> None:
    weights = torch.tensor([[3.0, 0.0], [0.0, 4.0]])  # of two steps with two features: norm 5
    real, fake = torch.rand(6, 2, 2), torch.rand(6, 2, 2)
    penalty = adversarial.Wasserstein(gradient_penalty=10).penalty
    assert penalty(lambda x: (x * weights).sum((1, 2)), real, fake).item() == pytest.approx(160)
    # logits at each step: the gradient of their mean has norm 2.5
    assert penalty(lambda x: (x * weights).sum(2), real, fake).item() == pytest.approx(22.5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_gradient_penalty_trains_an_lstm(bidirectional: bool) -> None:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(3, 4, batch_first=True, bidirectional=bidirectional).double()
    real, fake = torch.rand(2, 5, 3).double(), torch.rand(2, 5, 3).double()

    def penalty() -> torch.Tensor:
        torch.manual_seed(1)  # the same points between real and fake
        return adversarial.gradient_penalty(lambda x: lstm(x)[0].sum(-1), real, fake)

    penalty().backward()
    weight, step = lstm.weight_hh_l0, 1e-5
    weight.data[1, 2] += step
    above = penalty()
    weight.data[1, 2] -= 2 * step
    below = penalty()
    slope = (above - below).item() / (2 * step)
    assert weight.grad is not None
    assert weight.grad[1, 2].item() == pytest.approx(slope, rel=1e-5)


def test_pairs_need_real_logits() -> None:
    with pytest.raises(ValueError, match="compares pairs"):
        adversarial.Relativistic().generator(FAKE)
