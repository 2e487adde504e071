"""Losses, optimizers and schedules that a run chooses in place of a model's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from gan_music.losses.adversarial import (
    BCE,
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Relativistic,
    Wasserstein,
)
from gan_music.models.base import MusicGAN
from gan_music.optim.optimizers import of_class
from gan_music.optim.schedules import warmup_linear
from tests.models import test_gumbel_gan, test_neo_saleem_gan, test_reinforce_gan
from tests.models.training import fit, loader, make_trainer

Make = Callable[..., MusicGAN]
of_every_gan = pytest.mark.parametrize(
    "make",
    [
        test_neo_saleem_gan.make_model,
        test_gumbel_gan.make_model,
        test_reinforce_gan.make_model,
    ],
    ids=["neo_saleem", "gumbel", "reinforce"],
)
LOSSES = [BCE(), Hinge(), LeastSquares(), Relativistic(), Wasserstein(gradient_penalty=10.0)]


def fit_any(model: MusicGAN, folder: Path, *callbacks: Callback) -> dict[str, Any]:
    """The last values that were logged in three batches."""
    if model.reads == ("note_triples",):
        trainer = make_trainer(folder, 1, callbacks=[*callbacks])
        trainer.fit(model, loader(torch.rand(12, 3), 4))
    else:
        fit(model, folder, *callbacks, n_batches=3)  # type: ignore[arg-type]
    return {k.removeprefix("train/"): v for k, v in model.trainer.callback_metrics.items()}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
@of_every_gan
def test_a_gan_trains_by_every_loss(make: Make, loss: AdversarialLoss, tmp_path: Path) -> None:
    model = make({"loss": loss})
    before = [p.detach().clone() for p in model.discriminator.parameters()]
    logged = fit_any(model, tmp_path)
    names = set(loss.logs(torch.ones(2), torch.ones(2)))
    assert names | {"loss_d", "loss_g"} <= set(logged)
    assert ("penalty_d" in logged) == bool(loss.gradient_penalty)
    assert ("score_real" in logged) == isinstance(loss, BCE)
    assert all(torch.as_tensor(v).isfinite().all() for v in logged.values())
    pairs = zip(before, model.discriminator.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


class Rates(Callback):
    """Both networks' learning rates on each batch, and their optimizers."""

    def __init__(self) -> None:
        self.rates: list[tuple[float, ...]] = []
        self.optimizers: set[type] = set()

    def on_train_batch_end(self, trainer: Trainer, *arguments: Any) -> None:
        self.rates.append(tuple(o.param_groups[0]["lr"] for o in trainer.optimizers))
        self.optimizers |= {type(o) for o in trainer.optimizers}


@of_every_gan
def test_a_chosen_optimizer_and_schedule_are_those_of_both_networks(
    make: Make, tmp_path: Path
) -> None:
    rates = Rates()
    schedule = lambda batch, total: warmup_linear(batch, total, warmup=0)  # noqa: E731
    options = {"optimizer": of_class(torch.optim.RMSprop, alpha=0.9), "schedule": schedule}
    fit_any(make(options, lr_g=0.3, lr_d=0.6), tmp_path, rates)
    assert rates.optimizers == {torch.optim.RMSprop}
    # three batches: factors 1, 2/3 and 1/3
    expected = [(0.3, 0.6), (0.2, 0.4), (0.1, 0.2)]
    assert rates.rates == [pytest.approx(pair) for pair in expected]
