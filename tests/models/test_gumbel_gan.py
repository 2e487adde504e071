from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader

from gan_music.config.model_settings import GumbelGANConfig
from gan_music.models.gumbel_gan import GumbelGAN
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents
from tests.models.players import fit, make_trainer


def make_model(**changes: Any) -> GumbelGAN:
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
        "betas": (0.5, 0.99),
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
    return GumbelGAN(
        GumbelGANConfig(name="gumbel_gan", **settings), codec_state=NoteEvents(24).state()
    )


def test_both_players_move_on_every_batch(tmp_path: Path) -> None:
    assert fit(make_model(), tmp_path, n_batches=3).moved == ["gd"] * 3


def test_n_critic_lets_the_discriminator_move_more_often(tmp_path: Path) -> None:
    watch = fit(make_model(n_critic=3), tmp_path, n_batches=6)
    assert watch.moved == ["gd", "d", "d", "gd", "d", "d"]


def test_in_the_warm_start_the_discriminator_moves_now_and_then(tmp_path: Path) -> None:
    watch = fit(make_model(warm_start_epochs=1), tmp_path, n_batches=4, epochs=2)
    assert watch.moved == ["gd", "g", "g", "gd", *["gd"] * 4]


def test_batches_are_counted_not_optimizer_steps(tmp_path: Path) -> None:
    model = make_model()
    fit(model, tmp_path, n_batches=5)
    assert model.n_batches == 5
    assert model.trainer.global_step == 10


def test_the_pure_gan_never_looks_at_the_likelihood(tmp_path: Path) -> None:
    model = make_model(likelihood_weight=0)
    fit(model, tmp_path, n_batches=2)
    assert "train/nll" not in model.trainer.callback_metrics


@pytest.mark.parametrize("player", ["g", "d"])
def test_gradients_are_clipped_for_each_player(player: str) -> None:
    model = make_model(clip_norm=0.5)
    opt_g, opt_d = model.configure_optimizers()
    optimizer = opt_g if player == "g" else opt_d
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
    trainer.fit(model, DataLoader(windows, batch_size=1))  # type: ignore[arg-type]
    # half of the first step by the linear rise, then a cosine over four batches, then lr_g
    assert rates[:4] == pytest.approx([0.05, 0.0853553, 0.05, 0.0146447], rel=1e-4)
    assert rates[4:] == [0.01] * 4


def test_samples_do_not_touch_the_global_random_state() -> None:
    model = make_model()
    state = torch.get_rng_state()
    a = model.sample(n_pieces=3, n_notes=12, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    b = model.sample(n_pieces=3, n_notes=12, seed=5)
    assert [p.notes() for p in a] == [p.notes() for p in b]
    assert [len(p) for p in a] == [12, 12, 12]


def test_samples_begin_in_the_meter_that_is_asked_for() -> None:
    model = make_model()
    model.codec.fit([Piece.from_arrays([0], [1], [60], grid=24, meters=[(-60, 6, 8)])])
    for piece in model.sample(n_pieces=5, n_notes=9, seed=0):
        assert piece.meters.tolist() == [[0, 6, 8]]
    for piece in model.sample(n_pieces=5, n_notes=9, seed=0, meter=(3, 4)):
        assert piece.meters.tolist() == [[0, 3, 4]]
