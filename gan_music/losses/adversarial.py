"""Adversarial losses of logits ``[B]``, or ``[B, T]`` for a logit at each step.

The generator's losses are those that are minimised; all are means over the logits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Critic = Callable[[Tensor], Tensor]  # float inputs [B, ..., F] -> logits [B] or [B, T]


class AdversarialLoss:
    """The interface of ``conf/loss``, and what all losses share.

    Parameters
    ----------
    gradient_penalty : weight of :func:`gradient_penalty` in the discriminator's loss; 0: none.
    """

    pairs = False  # whether each real logit is compared with the fake one in its place
    has_labels = False  # whether label smoothing has a meaning
    scale = "logit"  # what :meth:`mean` is called in logs

    def __init__(self, *, gradient_penalty: float = 0.0) -> None:
        self.gradient_penalty = gradient_penalty

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        """The discriminator's loss, a scalar; real labels are 1 - ``smoothing``, if any."""
        raise NotImplementedError

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """The generator's loss, a scalar; ``real`` logits are needed where ``pairs``."""
        raise NotImplementedError

    def penalty(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """The penalty on real and fake inputs of the discriminator, ``[B, ...]``, weighted."""
        return self.gradient_penalty * gradient_penalty(critic, real, fake)

    def mean(self, logits: Tensor) -> Tensor:
        """The mean logit, or of a loss of probabilities the mean probability, a scalar."""
        return logits.mean()

    def logs(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """What is logged of the logits of an update, each a scalar."""
        means = {f"{self.scale}_real": self.mean(real), f"{self.scale}_fake": self.mean(fake)}
        return means | {"accuracy_d": accuracy(real, fake)}


class BCE(AdversarialLoss):
    """Binary cross-entropy (BCE), and the non-saturating loss of the generator.

    Goodfellow et al. 2014, eq. 1 and section 3: ``-log D(x) - log(1 - D(G(z)))`` and
    ``-log D(G(z))``, where D is the sigmoid of a logit. Computed from logits, without overflow
    where the sigmoid rounds to 0 or 1. Only real labels are smoothed (Salimans et al. 2016, section
    3.4).
    """

    has_labels = True
    scale = "score"

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return discriminator_bce(real, fake, smoothing=smoothing)

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return generator_bce(fake)

    def mean(self, logits: Tensor) -> Tensor:
        return logits.sigmoid().mean()


class Hinge(AdversarialLoss):
    """``max(0, 1 - D(x)) + max(0, 1 + D(G(z)))`` and ``-D(G(z))``, where D is a logit.

    Lim & Ye 2017, "Geometric GAN", section 3; Miyato et al. 2018, eq. 17.
    """

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class LeastSquares(AdversarialLoss):
    """``((D(x) - 1)^2 + D(G(z))^2) / 2`` and ``(D(G(z)) - 1)^2 / 2``, where D is a logit.

    Mao et al. 2017, eq. 9: labels 1 for real music and 0 for generated music.
    """

    has_labels = True

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return 0.5 * ((real - (1 - smoothing)).square().mean() + fake.square().mean())

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 0.5 * (fake - 1).square().mean()

    def logs(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The boundary between the labels is 1/2."""
        return super().logs(real, fake) | {"accuracy_d": accuracy(real - 0.5, fake - 0.5)}


class Relativistic(AdversarialLoss):
    """``-log sigmoid(D(x) - D(G(z)))`` and ``-log sigmoid(D(G(z)) - D(x))``, where D is a logit.

    Jolicoeur-Martineau 2018, eq. 2 and 3 (RSGAN), on pairs of a real and a generated sequence.
    """

    pairs = True

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return F.softplus(fake - real).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        if real is None:
            raise ValueError("real=None, but this loss compares pairs")
        return F.softplus(real - fake).mean()

    def logs(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Accuracy is the share of pairs whose real sequence has the higher logit."""
        return super().logs(real, fake) | {"accuracy_d": (real > fake).float().mean()}


class Wasserstein(AdversarialLoss):
    """``D(G(z)) - D(x)`` and ``-D(G(z))``, where D is a logit.

    Arjovsky et al. 2017, eq. 2; with ``gradient_penalty=10`` Gulrajani et al. 2017 (WGAN-GP).
    """

    def discriminator(self, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()

    def logs(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The estimated distance instead of an accuracy, as logits have no threshold."""
        logs = super().logs(real, fake)
        del logs["accuracy_d"]
        return logs | {"wasserstein_distance": real.mean() - fake.mean()}


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """``(|grad D(x)| - 1)^2`` at random points between real and fake inputs, a scalar.

    Gulrajani et al. 2017, eq. 3. The gradient's norm is that of a sequence; of logits ``[B, T]``, D
    is the mean over steps. cuDNN's LSTM has no second derivative, so that the critic is evaluated
    here by PyTorch's own kernels, which are slower on a GPU.
    """
    shape = (len(real), *[1] * (real.dim() - 1))
    share = torch.rand(shape, device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):
        logits = critic(between)
        # of the sum, since a logit depends on its own sequence (but for statistics of the batch)
        total = logits.flatten(1).mean(1).sum() if logits.dim() > 1 else logits.sum()
        (gradient,) = torch.autograd.grad(total, between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


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
