"""Checkpoints to share: what they hold, what they sample, what they are refused for."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import gan_music
from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint, sampler_part, save_sampler
from gan_music.config.targets import conf_dir
from gan_music.config.validate import compose_run
from gan_music.decoding.request import SampleRequest
from gan_music.models.base import MusicModel
from gan_music.models.event_model import EventModel
from gan_music.models.ngram import NGramModel
from gan_music.models.reinforce_gan import ReinforceGAN
from gan_music.system.errors import UserError
from gan_music.training.factory import build_model, build_representation, restore_model
from tests.conftest import make_piece

# every model there is, made small where its settings let it
MODELS = sorted(p.stem for p in (conf_dir() / "model").glob("*.yaml"))
SMALL = {"hidden_size": 8, "embedding_size": 4, "noise_size": 3}


def whole(folder: Path, model: str, **changes: int | str) -> tuple[MusicModel, Path]:
    """A model with weights, and the checkpoint that a run would leave of it."""
    folders = ("data.root=/home/me/music", "data.cache_dir=/home/me/cache")
    config = compose_run(f"model={model}", *folders)
    for key, value in (SMALL | changes).items():
        if hasattr(config.model, key):
            setattr(config.model, key, value)
    plain = dataclasses.asdict(config)
    torch.manual_seed(0)
    made = build_model(
        config.model, build_representation(config.representation, config.data.grid), config=plain
    )
    if isinstance(made, NGramModel):
        made.fit_pieces([make_piece(i) for i in range(3)], works=["a"] * 3, window=16)
    if isinstance(made, ReinforceGAN):
        made.n_adversarial += 1  # so that the critic has a say, and says something
        torch.nn.init.normal_(made.discriminator.head[-1].weight)
    content: dict[str, Any] = {"epoch": 4, "state_dict": made.state_dict()}
    made.on_save_checkpoint(content)
    path = folder / "whole.ckpt"
    torch.save(content, path)
    return made, path


def notes(model: MusicModel) -> list[Any]:
    pieces = model.sample(SampleRequest(2, 20, seed=3))
    return [(p.notes(), p.meters.tolist()) for p in pieces]


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_checkpoint_samples_what_the_whole_one_does(name: str, tmp_path: Path) -> None:
    model, path = whole(tmp_path, name)
    small = tmp_path / "small.ckpt"
    save_sampler(sampler_part(load_checkpoint(path), model.sampled_from), small)
    restored = load_checkpoint(small)
    assert restored.sampler_only
    assert restored.epoch == 4
    assert notes(restore_model(restored, small)) == notes(model)
    held = set(restored.state_dict)
    if name != "reinforce_gan":  # whose critic chooses
        assert not any(k.startswith("discriminator.") for k in held)
    # one generator: the averaged one
    if name in ("gumbel_gan", "lstm_lm", "attention_lm", "reinforce_gan"):
        assert not any(k.startswith("generator.") for k in held)


def test_no_folder_of_the_machine_is_in_it(tmp_path: Path) -> None:
    model, path = whole(tmp_path, "reinforce_gan", warm_start_from="/home/me/lm.ckpt")
    small = tmp_path / "small.ckpt"
    save_sampler(sampler_part(load_checkpoint(path), model.sampled_from), small)
    config = load_checkpoint(small).config
    assert config["model"]["warm_start_from"] is None
    assert config["data"]["root"] == "music"
    assert config["data"]["cache_dir"] is None
    assert b"/home/me" not in small.read_bytes()
    assert b"/home/me" in path.read_bytes()


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path) -> None:
    model, path = whole(tmp_path, "neo_saleem")
    a, b = tmp_path / "a.ckpt", tmp_path / "below" / "b.ckpt"
    for out in (a, b):
        save_sampler(sampler_part(load_checkpoint(path), model.sampled_from), out)
    assert a.read_bytes() == b.read_bytes()


def test_half_precision(tmp_path: Path) -> None:
    model, path = whole(tmp_path, "lstm_lm", hidden_size=64)
    full, half = tmp_path / "full.ckpt", tmp_path / "half.ckpt"
    for out, float16 in ((full, False), (half, True)):
        part = sampler_part(load_checkpoint(path), model.sampled_from, float16=float16)
        save_sampler(part, out)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    restored = restore_model(load_checkpoint(half), half)
    for k, v in restored.state_dict().items():
        if k.startswith(model.sampled_from):
            assert v.dtype == torch.float32
            assert torch.allclose(v, model.state_dict()[k], rtol=1e-3, atol=1e-7)


def test_numbers_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    model, path = whole(tmp_path, "neo_saleem")
    checkpoint = load_checkpoint(path)
    next(iter(checkpoint.state_dict.values())).fill_(1e5)
    with pytest.raises(UserError, match="float16=true cannot hold"):
        sampler_part(checkpoint, model.sampled_from, float16=True)


def test_a_weight_that_is_missing_is_noticed(tmp_path: Path) -> None:
    model, path = whole(tmp_path, "lstm_lm")
    part = sampler_part(load_checkpoint(path), model.sampled_from)
    del part.state_dict["averaged.module.start.bias"]
    small = tmp_path / "small.ckpt"
    save_sampler(part, small)
    with pytest.raises(UserError, match="do not fit its own settings"):
        restore_model(load_checkpoint(small), small)


def test_the_packages_own_checkpoint_is_small_and_described() -> None:
    size = PRETRAINED.stat().st_size
    assert size <= 3_000_000
    description = (PRETRAINED.parent / "README.md").read_text()
    stated = re.search(r"([\d,]+) weights, ([\d.]+) MB", description)
    assert stated is not None
    weights = load_checkpoint(PRETRAINED).state_dict
    assert int(stated[1].replace(",", "")) == sum(v.numel() for v in weights.values())
    assert float(stated[2]) == round(size / 1e6, 2)


def test_a_checkpoint_without_settings_or_of_another_program_is_refused(tmp_path: Path) -> None:
    _, path = whole(tmp_path, "gumbel_gan")
    content = torch.load(path, weights_only=True)
    for ours, message in (
        (content["gan_music"] | {"config": None}, "has no settings to read"),
        (None, "was not written by gan_music"),
    ):
        torch.save(content | {"gan_music": ours}, path)
        with pytest.raises(UserError, match=message):
            load_checkpoint(path)


def test_pieces_of_days_are_refused(tmp_path: Path) -> None:
    _, path = whole(tmp_path, "neo_saleem")
    content = torch.load(path, weights_only=True)
    for weights in content["state_dict"].values():
        if weights.is_floating_point():
            weights.fill_(1e4)  # every note lasts as long as one can: 1024 quarter notes
    torch.save(content, path)
    model = gan_music.load(path)
    (piece,) = model.generate(n_pieces=1, n_notes=97)
    assert piece.duration.tolist() == [1024 * piece.grid] * 97
    with pytest.raises(
        UserError, match=r"sample 1 lasts 100,352 quarter notes, .* at most 100,000"
    ):
        model.generate(n_pieces=1, n_notes=98)


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed"])
def test_samples_are_decoded_in_the_precision_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    _, path = whole(tmp_path, "lstm_lm")
    content = torch.load(path, weights_only=False)
    content["gan_music"]["config"]["trainer"]["precision"] = asked
    torch.save(content, path)
    restored = restore_model(load_checkpoint(path), path)
    assert isinstance(restored, EventModel)
    assert restored.decoding.bf16 == (asked == "bf16-mixed")
