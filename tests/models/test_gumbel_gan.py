from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from gan_music.config.model_settings import GumbelGANConfig
from gan_music.decoding.request import SampleRequest
from gan_music.models.gumbel_gan import GumbelGAN
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents
from tests.models.training import fit, loader, make_trainer


def make_model(options: dict[str, Any] | None = None, **changes: Any) -> GumbelGAN:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "hidden_size": 8,
        "n_layers": 1,
        "embedding_size": 4,
        "noise_size": 4,
        "dropout": 0.0,
        "input_noise": 0.0,
        "n_intervals": 2,
        "n_style_components": 0,
        "lookback_span": 5,
        "active_notes_span": 6,
        "recurrent_dropout": 0.0,
        "attention_span": 0,
        "lr_g": 0.01,
        "lr_d": 0.01,
        "betas": [0.5, 0.99],
        "n_critic": 1,
        "label_smoothing": 0.1,
        "clip_norm": 1.0,
        "temperature": 1.0,
        "likelihood_weight": 0.5,
        "warm_start_epochs": 0,
        "warm_start_lr": 0.01,
        "warm_start_d_every": 3,
        "warmup_batches": 0,
        "ema_decay": 0.9,
    } | changes
    config = GumbelGANConfig(name="gumbel_gan", **settings)
    return GumbelGAN(config, **{"representation": NoteEvents(24)} | (options or {}))


def test_every_batch_updates_both_networks(tmp_path: Path) -> None:
    assert fit(make_model(), tmp_path, n_batches=3).networks == ["gd"] * 3


def test_n_critic_updates_the_discriminator_more_often(tmp_path: Path) -> None:
    updates = fit(make_model(n_critic=3), tmp_path, n_batches=6)
    assert updates.networks == ["gd", "d", "d", "gd", "d", "d"]


def test_the_warm_start_updates_the_discriminator_every_third_batch(tmp_path: Path) -> None:
    updates = fit(make_model(warm_start_epochs=1), tmp_path, n_batches=4, epochs=2)
    assert updates.networks == ["gd", "g", "g", "gd", *["gd"] * 4]


def test_batches_are_counted_not_optimizer_steps(tmp_path: Path) -> None:
    model = make_model()
    fit(model, tmp_path, n_batches=5)
    assert model.n_batches == 5
    assert model.trainer.global_step == 10


def test_a_weight_of_zero_computes_no_likelihood(tmp_path: Path) -> None:
    model = make_model(likelihood_weight=0)
    fit(model, tmp_path, n_batches=2)
    assert "train/nll" not in model.trainer.callback_metrics


@pytest.mark.parametrize("network", ["g", "d"])
def test_each_networks_gradients_are_clipped(network: str) -> None:
    model = make_model(clip_norm=0.5)
    opt_g, opt_d = model.configure_optimizers()
    optimizer = opt_g if network == "g" else opt_d
    parameters = optimizer.param_groups[0]["params"]
    for p in parameters:
        p.grad = torch.ones_like(p)
    model.log_train = lambda **values: None  # type: ignore[method-assign]
    model.on_before_optimizer_step(optimizer)
    norm = torch.stack([p.grad.norm() for p in parameters]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-4)


def test_the_averaged_weights_lag_behind(tmp_path: Path) -> None:
    model = make_model(ema_decay=0.5)
    start = model.generator.start.weight.detach().clone()
    fit(model, tmp_path, n_batches=1)
    # the first update copies
    assert torch.equal(model.sampler.start.weight, model.generator.start.weight)
    fit(model, tmp_path, n_batches=1)
    assert not torch.equal(model.sampler.start.weight, model.generator.start.weight)
    assert not torch.equal(model.sampler.start.weight, start)


def test_the_learning_rate_of_a_warm_start(tmp_path: Path) -> None:
    model = make_model(warm_start_epochs=1, warmup_batches=2, warm_start_lr=0.1, lr_g=0.01)
    rates: list[float] = []

    class Rates(Callback):
        def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
            rates.append(module.optimizers()[0].param_groups[0]["lr"])

    torch.manual_seed(1)
    windows = torch.zeros(4, 6, 5, dtype=torch.int64)
    trainer = make_trainer(tmp_path, 2, callbacks=[Rates()])
    trainer.fit(model, loader(windows, 1))
    # half of the first rate by the warm-up, a cosine decay over four batches, then lr_g
    assert rates[:4] == pytest.approx([0.05, 0.0853553, 0.05, 0.0146447], rel=1e-4)
    assert rates[4:] == [0.01] * 4


def test_samples_do_not_touch_the_global_random_state() -> None:
    model = make_model()
    state = torch.get_rng_state()
    a = model.sample(SampleRequest(n_pieces=3, length=12, seed=5))
    assert torch.equal(torch.get_rng_state(), state)
    b = model.sample(SampleRequest(n_pieces=3, length=12, seed=5))
    assert [p.notes() for p in a] == [p.notes() for p in b]
    assert [len(p) for p in a] == [12, 12, 12]


def test_samples_begin_in_the_meter_of_the_request() -> None:
    model = make_model()
    model.representation.fit([Piece.from_arrays([0], [1], [60], grid=24, meters=[(-60, 6, 8)])])
    for piece in model.sample(SampleRequest(n_pieces=5, length=9, seed=0)):
        assert piece.meters[:, 1:].tolist() == [[6, 8]]
    for piece in model.sample(SampleRequest(n_pieces=5, length=9, seed=0, meter=(3, 4))):
        assert piece.meters[:, 1:].tolist() == [[3, 4]]
