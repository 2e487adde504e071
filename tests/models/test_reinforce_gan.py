from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from gan_music.config.model_settings import ReinforceGANConfig
from gan_music.decoding.request import SampleRequest
from gan_music.models.reinforce_gan import ReinforceGAN
from gan_music.representations.note_events import NoteEvents
from tests.models.training import fit


def make_model(options: dict[str, Any] | None = None, **changes: Any) -> ReinforceGAN:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "hidden_size": 8,
        "n_layers": 1,
        "embedding_size": 4,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
        "input_noise": 0.0,
        "n_intervals": 2,
        "n_style_components": 0,
        "lookback_span": 5,
        "active_notes_span": 6,
        "attention_span": 6,
        "lr": 0.01,
        "betas": [0.9, 0.99],
        "weight_decay": 0.0,
        "warmup_batches": 0,
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "warm_start_from": None,
        "warm_start_epochs": 0,
        "critic_pretrain_batches": 0,
        "lr_g": 0.01,
        "lr_d": 0.01,
        "d_hidden_size": 8,
        "d_embedding_size": 4,
        "d_dropout": 0.1,
        "d_weight_decay": 0.0,
        "conditional_critic": True,
        "label_smoothing": 0.0,
        "rollout_batch": 6,
        "rollout_reuse": 1,
        "adversarial_weight": 1.0,
        "likelihood_weight": 1.0,
        "discount": 0.9,
        "advantage_limit": 2.0,
        "n_particles": 3,
        "resample_every": 4,
    } | changes
    return ReinforceGAN(
        ReinforceGANConfig(name="reinforce_gan", **settings),
        **{"representation": NoteEvents(24)} | (options or {}),
    )


def test_warm_start_then_critic_pre_training_then_both_networks(tmp_path: Path) -> None:
    model = make_model(warm_start_epochs=1, critic_pretrain_batches=2)
    assert fit(model, tmp_path, n_batches=4, epochs=2).networks == [
        *["g"] * 4,
        "d",
        "d",
        "gd",
        "gd",
    ]
    assert (int(model.n_batches), int(model.n_adversarial)) == (8, 4)


class Rates(Callback):
    """The generator's learning rate on each batch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: object) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_the_adversarial_learning_rate_decays_to_the_end_of_the_run(tmp_path: Path) -> None:
    model, rates = make_model(critic_pretrain_batches=2, lr_g=1.0, warmup_batches=2), Rates()
    fit(model, tmp_path, rates, n_batches=6, epochs=2)
    # ten adversarial batches, the first with half the rate
    expected = [0.5, *(0.5 * (1 + math.cos(math.pi * n / 10)) for n in range(1, 10))]
    assert rates.seen[2:] == pytest.approx([max(0.05, rate) for rate in expected])
    assert model.keeps_last
    assert not make_model(likelihood_weight=0.0).keeps_last


def test_without_a_warm_start_it_is_a_gan_from_the_first_batch(tmp_path: Path) -> None:
    model = make_model(likelihood_weight=0.0)
    assert fit(model, tmp_path, n_batches=3).networks == ["gd"] * 3
    assert "train/nll" not in model.trainer.callback_metrics


def test_the_entropy_bonus_raises_entropy(tmp_path: Path) -> None:
    still = {"adversarial_weight": 0.0, "likelihood_weight": 0.0}
    entropies = []
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        model = make_model(**still, entropy_weight=weight)
        with torch.no_grad():
            for head in model.generator.heads.parameters():
                head.mul_(3)  # lower entropy than that of new weights
        fit(model, tmp_path / str(weight), n_batches=8)
        entropies.append(float(model.trainer.callback_metrics["train/entropy"]))
    assert entropies[1] > entropies[0] + 0.1


def test_the_critic_reads_style_vectors_of_real_windows_and_of_rollouts(tmp_path: Path) -> None:
    read = []
    model = make_model(replay_size=12, n_style_components=2)
    model.is_initialised = True  # without a data module to fit the prior to
    critic, style_prior = model.discriminator, model.generator.style_prior
    assert style_prior is not None
    plain = critic.forward

    def forward(events: Tensor, features: Any) -> Tensor:
        if critic.training:
            read.append((events, features.style_vector))
        return plain(events, features)

    critic.forward = forward  # type: ignore[method-assign]
    fit(model, tmp_path, n_batches=3)
    (real, of_real), (fake, of_fake) = read[::2][-1], read[1::2][-1]
    assert torch.equal(of_real, style_prior.encode(real, noise=0.0))
    kept = model.replay_fake.last(12)
    for events, z in zip(fake, of_fake, strict=True):
        where = (kept.events == events).flatten(1).all(1)
        assert torch.equal(kept.z[where][0], z)
    assert not torch.allclose(of_fake, style_prior.encode(fake, noise=0.0), atol=0.1)


class Rollouts(Callback):
    """The rollout that each batch used."""

    def __init__(self) -> None:
        self.rollouts: list[Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        self.rollouts.append(module._latest.events)


def test_rollouts_are_reused(tmp_path: Path) -> None:
    callback = Rollouts()
    fit(make_model(rollout_reuse=2), tmp_path, callback, n_batches=4)
    fakes = callback.rollouts
    assert [fakes[i] is fakes[i + 1] for i in range(3)] == [True, False, True]
    assert fakes[0].shape == (6, 10, 5)


def test_the_critic_is_updated_on_the_replay_buffers(tmp_path: Path) -> None:
    callback, batches = Rollouts(), []
    model = make_model(replay_size=9, replay_batch=5)
    critic = model.discriminator
    plain = critic.forward

    def forward(events: Tensor, features: Any) -> Tensor:
        if critic.training:
            batches.append(events)
            anew = critic.features(events, torch.zeros(len(events), 0))
            assert torch.equal(features.numbers, anew.numbers)
        return plain(events, features)

    critic.forward = forward  # type: ignore[method-assign]
    fit(model, tmp_path, callback, n_batches=6)
    # the last nine of each
    rollouts = torch.cat(callback.rollouts)
    assert torch.equal(model.replay_fake.last(99).events, rollouts[-9:])
    assert len(model.replay_real.sequences) == 9
    # replay_batch sequences of both kinds, not only the latest
    assert [len(b) for b in batches] == [5] * 12

    def share(events: Tensor, among: Tensor) -> float:
        return float((events[:, None] == among).all(-1).all(-1).any(1).float().mean())

    reals, fakes = batches[::2], batches[1::2]
    for number, (real, fake) in enumerate(zip(reals, fakes, strict=True)):
        until = rollouts[: 6 * (number + 1)]
        assert share(fake, until[-9:]) == 1
        assert share(real, rollouts) == 0
    assert min(share(f, k) for f, k in zip(fakes, callback.rollouts, strict=True)) < 1


def test_an_update_draws_no_more_than_the_buffers_hold(tmp_path: Path) -> None:
    model, sizes = make_model(replay_size=7, replay_batch=5000), []
    plain = model.discriminator.forward

    def forward(events: Tensor, features: Any) -> Tensor:
        sizes.append(len(events))
        return plain(events, features)

    model.discriminator.forward = forward  # type: ignore[method-assign]
    fit(model, tmp_path, Rollouts(), n_batches=2)
    assert max(sizes) == 7


def test_rollouts_are_reused_more_in_critic_pre_training(tmp_path: Path) -> None:
    callback = Rollouts()
    model = make_model(critic_pretrain_reuse=3, critic_pretrain_batches=4)
    fit(model, tmp_path, callback, n_batches=6)
    fakes = callback.rollouts
    same = [fakes[i] is fakes[i + 1] for i in range(5)]
    assert same == [True, True, False, False, False]


def test_events_that_the_critic_scores_high_become_likelier(tmp_path: Path) -> None:
    """A fixed critic that prefers high pitches: the generator learns to sample them."""
    model = make_model(likelihood_weight=0.0, lr_d=0.0, lr_g=0.03, rollout_batch=64, discount=0.5)
    critic = model.discriminator

    def forward(events: Tensor, features: Any) -> Tensor:
        # the product makes the result depend on a weight, so that it has a gradient
        return (events[..., 1] > 50).float().cumsum(1) + 0 * critic.merge.bias.sum()

    critic.forward = forward  # type: ignore[method-assign]
    before = high_share(model)
    fit(model, tmp_path, n_batches=40)
    assert high_share(model) > before + 0.3


def high_share(model: ReinforceGAN) -> float:
    bare = copy.copy(model.settings)
    model.settings = ReinforceGANConfig(**{**vars(bare), "n_particles": 1})
    pieces = model.sample(SampleRequest(n_pieces=16, length=10, seed=3))
    model.settings = bare
    pitch = torch.cat([torch.from_numpy(p.pitch) for p in pieces])
    return float((pitch > 50 + 21).float().mean())


def test_samples_are_filtered_once_the_critic_is_trained(tmp_path: Path) -> None:
    model = make_model()
    assert model.particle_filter is None
    fit(model, tmp_path, n_batches=2)
    assert model.particle_filter is not None
    state = torch.get_rng_state()
    a = model.sample(SampleRequest(n_pieces=3, length=12, seed=5))
    assert torch.equal(torch.get_rng_state(), state)
    assert [p.notes() for p in a] == [
        p.notes() for p in model.sample(SampleRequest(n_pieces=3, length=12, seed=5))
    ]
    assert [len(p) for p in a] == [12, 12, 12]
    model.settings.n_particles = 1
    assert model.particle_filter is None
