"""NaN and infinity in every trained model: what the error names, and what a rollback restores."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.utils.data import DataLoader

from gan_music.losses import adversarial, likelihood, policy_gradient
from gan_music.models import crnn_gan
from gan_music.models.base import MusicModel
from gan_music.models.nan_guard import NaNGuard, NonFiniteError
from tests.models import (
    test_crnn_gan,
    test_gumbel_gan,
    test_language_model,
    test_neo_saleem_gan,
    test_ngram,
    test_reinforce_gan,
)
from tests.models.training import loader, make_trainer, random_events

NAN, INF = float("nan"), float("inf")
Make = Callable[[], MusicModel]


def gumbel_gan(**changes: Any) -> MusicModel:
    return test_gumbel_gan.make_model(**changes)


def warm(**changes: Any) -> MusicModel:
    return gumbel_gan(warm_start_epochs=1, warm_start_d_every=2, **changes)


def neo_saleem() -> MusicModel:
    return test_neo_saleem_gan.make_model(hidden_size=8, noise_size=4)


def crnn() -> MusicModel:
    return test_crnn_gan.make_model(freeze_below=0.0)


def warm_crnn() -> MusicModel:
    return test_crnn_gan.make_model(warm_start_epochs=2)


def batches(model: MusicModel, n: int) -> DataLoader[Any]:
    """``n`` batches of four."""
    if isinstance(model, crnn_gan.CRNNGAN):
        data = test_crnn_gan.real_windows(n)
    elif isinstance(model, test_neo_saleem_gan.NeoSaleemGAN):
        data = torch.arange(12.0 * n).reshape(4 * n, 3) % 7
    else:
        data = random_events(model, 4 * n)  # type: ignore[arg-type]
    return loader(data, 4)


def fit(model: MusicModel, folder: Path, n: int, *, epochs: int = 1, **settings: Any) -> Trainer:
    trainer = make_trainer(folder, epochs, **settings)
    torch.manual_seed(4)
    trainer.fit(model, batches(model, n))
    return trainer


def poison(monkeypatch: pytest.MonkeyPatch, name: str, *calls: int, by: float = NAN) -> None:
    """Multiply a loss by ``by`` on these of its calls, from 1."""
    place: Any = next(
        m for m in (adversarial, likelihood, policy_gradient, crnn_gan.F) if hasattr(m, name)
    )
    real, count = getattr(place, name), iter(range(1, 1000))

    def wrong(*arguments: Any, **more: Any) -> Tensor:
        loss: Tensor = real(*arguments, **more)
        return loss * by if next(count) in calls else loss

    monkeypatch.setattr(place, name, wrong)


TERMS = {
    "discriminator_bce": "loss_d",
    "averaged_discriminator_bce": "loss_d",
    "generator_bce": "loss_g",
    "feature_matching": "loss_g",
    "policy_gradient": "loss_g",
    "negative_log_likelihood": "nll",
    "mse_loss": "squared_error",
}
WRONG = [
    (gumbel_gan, "discriminator_bce", "discriminator", NAN),
    (gumbel_gan, "generator_bce", "generator", INF),
    (warm, "negative_log_likelihood", "generator", NAN),
    (test_language_model.make_model, "negative_log_likelihood", "generator", INF),
    (test_reinforce_gan.make_model, "discriminator_bce", "discriminator", NAN),
    (test_reinforce_gan.make_model, "policy_gradient", "generator", INF),
    (neo_saleem, "discriminator_bce", "discriminator", INF),
    (neo_saleem, "generator_bce", "generator", NAN),
    (crnn, "averaged_discriminator_bce", "discriminator", NAN),
    (crnn, "feature_matching", "generator", INF),
    (warm_crnn, "mse_loss", "generator", NAN),
]


class Trace(Callback):
    """Weights and learning rates at the start, and after each batch."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []
        self.rates: list[list[float]] = []

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self.weights.append({n: p.detach().clone() for n, p in module.named_parameters()})
        self.rates.append([o.param_groups[0]["lr"] for o in trainer.optimizers])

    def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        self.on_train_start(trainer, module)


@pytest.mark.parametrize(("make", "loss", "network", "value"), WRONG)
def test_a_run_rolls_back_then_stops_with_batch_network_and_term(
    make: Make,
    loss: str,
    network: str,
    value: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, trace = make(), Trace()
    model.guard = NaNGuard(max_rollbacks=1)
    poison(monkeypatch, loss, 2, 5, by=value)
    words = (
        f"epoch 2, batch 5: {TERMS[loss]} in the loss of the {network} is not finite .*; the learn"
    )
    with pytest.raises(NonFiniteError, match=words):
        fit(model, tmp_path, 3, epochs=2, callbacks=[trace])
    assert all(p.isfinite().all() for p in model.parameters())
    # the other network may have been updated
    start, *steps, end = (
        torch.cat([p.detach().flatten() for n, p in weights.items() if n.startswith(network)])
        for weights in (*trace.weights, dict(model.named_parameters()))
    )
    moved = [not torch.equal(a, b) for a, b in pairwise([start, *steps, end])]
    assert moved == [True, True, True, True, False]
    assert torch.equal(steps[1], start)  # rolled back on the second batch


def test_a_run_without_rollbacks_stops_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    last = tmp_path / "checkpoints" / "last.ckpt"
    for words in ("; start a new run with", f"; .* or resume={last} trainer.max_rollbacks=5"):
        poison(monkeypatch, "generator_bce", 1)
        with pytest.raises(NonFiniteError, match="^epoch 1, batch 1: loss_g in .*" + words):
            fit(neo_saleem(), tmp_path, 1)
        last.touch()


@pytest.mark.parametrize("make", [warm, test_language_model.make_model, neo_saleem])
def test_a_rollback_halves_learning_rates_whatever_the_schedule(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, trace = Trace(), Trace()
    fit(make(), tmp_path, 3, callbacks=[usual])
    model = make()
    model.guard = NaNGuard(max_rollbacks=1)
    loss = "generator_bce" if make is neo_saleem else "negative_log_likelihood"
    poison(monkeypatch, loss, 1)
    fit(model, tmp_path, 3, callbacks=[trace])
    assert trace.rates[2:] == [[rate / 2 for rate in rates] for rates in usual.rates[2:]]


def test_a_gradient_alone_that_is_not_finite_is_named(tmp_path: Path) -> None:
    model = test_language_model.make_model()
    model.generator.start.weight.register_hook(lambda gradient: gradient * NAN)
    with pytest.raises(NonFiniteError, match=r"batch 1: the gradient of the generator is not fini"):
        fit(model, tmp_path, 1)


def test_counts_that_are_not_finite_are_named(tmp_path: Path) -> None:
    model = test_ngram.fitted(test_ngram.make_pieces(3))
    model.on_fit_start = lambda: None  # type: ignore[method-assign]  # it is fitted
    model.chain.by_category[0].strengths *= NAN
    windows = model._windows(test_ngram.make_pieces(3), 16)
    trainer = Trainer(accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False)
    with pytest.raises(NonFiniteError, match="nll of the n-gram model is not finite"):
        trainer.fit(model, loader(windows, len(windows)))


def test_rollbacks_are_counted_over_a_resume_and_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = neo_saleem()
    model.guard = NaNGuard(max_rollbacks=2)
    poison(monkeypatch, "discriminator_bce", 2, 7)
    trainer = fit(model, tmp_path, 2, epochs=2)
    assert model.guard.lr_factor == 0.5
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    resumed = neo_saleem()
    resumed.guard = NaNGuard(max_rollbacks=2)
    poison(monkeypatch, "discriminator_bce", 1, 3)
    trainer = Trainer(accelerator="cpu", max_epochs=4, logger=False, enable_checkpointing=False)
    with pytest.raises(
        NonFiniteError,
        match=r"epoch 4, batch 7: .*; the learning rates are 0.25 times the original ones",
    ):
        trainer.fit(resumed, batches(resumed, 2), ckpt_path=tmp_path / "last.ckpt")
    assert [o.param_groups[0]["lr"] for o in trainer.optimizers] == [0.001 / 4] * 2


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_float16_loss_scaling_is_not_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(scale: float) -> MixedPrecision:
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        return MixedPrecision("16-mixed", "cpu", scaler)

    with torch.backends.mkldnn.flags(enabled=False):  # which has no float16 LSTM
        # so large a scale makes every gradient infinite until the scaler has lowered it
        model, plugin = neo_saleem(), half(2.0**120)
        before = [p.detach().clone() for p in model.parameters()]
        fit(model, tmp_path, 20, epochs=4, plugins=[plugin])
        assert plugin.scaler is not None
        assert plugin.scaler.get_scale() < 2.0**120
        assert all(p.isfinite().all() for p in model.parameters())
        assert not all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
        # a loss that is not finite whatever the scale is rejected
        with monkeypatch.context() as patched:
            poison(patched, "generator_bce", 3)
            with pytest.raises(
                NonFiniteError, match="batch 3: loss_g in the loss of the generator"
            ):
                fit(neo_saleem(), tmp_path, 4, plugins=[half(1024.0)])
        model = neo_saleem()
        model.generator.fc.weight.register_hook(lambda gradient: gradient * INF)
        with pytest.raises(NonFiniteError, match="the gradient of the generator is not finite"):
            fit(model, tmp_path, 8, plugins=[half(8.0)])


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    model = neo_saleem()
    trainer = fit(model, tmp_path, 1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    kept = (tmp_path / "last.ckpt").read_bytes()
    with torch.no_grad():
        model.generator.fc.bias[0] = INF
    with pytest.raises(
        NonFiniteError, match=r"generator\.fc\.bias is not finite, so no checkpoint"
    ):
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert (tmp_path / "last.ckpt").read_bytes() == kept
