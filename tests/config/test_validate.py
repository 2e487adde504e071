"""Validated settings: strict types, bounds, and the sentence for each mistake."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from omegaconf import OmegaConf

from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked, compose_run, is_plain
from gan_music.system.errors import UserError


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return dataclasses.asdict(compose_run("data.root=music"))


def changed(values: dict[str, Any], key: str, value: Any) -> TrainConfig:
    config = OmegaConf.create(values)
    OmegaConf.update(config, key, value, force_add=True)
    return checked(TrainConfig, config)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seed", True, "seed=True must be a whole number."),
        ("seed", 1.0, "seed=1.0 must be a whole number."),
        ("seed", "1", "seed=1 must be a whole number."),
        ("seed", -1, "seed=-1 must be at least 0."),
        ("model.lr_g", True, "model.lr_g=True must be a number."),
        ("model.lr_g", 1001, "model.lr_g=1001 must be at most 1000."),
        ("model.lr_g", float("nan"), "model.lr_g=nan must be a finite number."),
        (
            "model.betas",
            [0.5],
            "model.betas=[0.5] must have 2 values, as in model.betas=[0.5,0.99].",
        ),
        ("model.betas", [0.5, 1.0], "model.betas=1.0 must be at most 0.999999."),
        ("model.betas", 0.5, "model.betas=0.5 must be a list, as in model.betas=[0.5,0.99]."),
        ("report", 1, "report=1 must be true or false."),
        ("name", True, "name=True must be a text."),
        ("data.query", {"a": 1}, "data.query={'a': 1} must be a text or a list."),
        ("data.query", True, "data.query=True must be a text or a list."),
        ("data.query", None, "data.query=None must be a text or a list."),
        ("data.query", ["bach", True], "data.query=True must be a text."),
        ("model.dropout", 1.5, "model.dropout=1.5 must be at most 0.99."),
        (
            "trainer.accelerator",
            "abacus",
            "trainer.accelerator=abacus does not exist: choose one of auto, cpu, gpu.",
        ),
        (
            "data.reader",
            "slow",
            "data.reader=slow does not exist: choose one of auto, fast, music21, published.",
        ),
        (
            "data.time_scales",
            [1, 3],
            "data.time_scales=3 does not exist: choose one of 0.25, 0.5, 1.0, 2.0, 4.0.",
        ),
        ("data", 1, "data=1 is a single value, but data is a group of keys."),
        (
            "model.name",
            "vae",
            "model.name=vae is no model: choose one of gumbel_gan, language_model, reinforce_gan, "
            "neo_saleem, crnn_gan, ngram.",
        ),
        ("model", {"a.b": 1}, "model.a.b is a key with a dot in it: write a: {b: ...}."),
        ("seed", "???", "seed has no value: give one, seed=..."),
        ("seed", "${nothing}", "seed cannot be resolved: Interpolation key 'nothing' not found."),
    ],
)
def test_a_mistake_gives_one_sentence(
    values: dict[str, Any], key: str, value: Any, sentence: str
) -> None:
    with pytest.raises(UserError) as error:
        changed(values, key, value)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model.hiden_size", "did you mean model.hidden_size?"),
        ("trainer.hidden_size", "did you mean model.hidden_size?"),
        ("data.n_worker", "did you mean data.n_workers?"),
        ("sede", "did you mean seed?"),
        ("trainer.epochs", "did you mean trainer.max_epochs?"),
        ("data.rot", "did you mean data.root?"),
        ("data.path", "did you mean data.root?"),
        ("samples.n_note", "did you mean samples.n_notes?"),
        ("out", "see --help, or --cfg job for all keys."),
        ("collapse.xyz", "see --help, or --cfg job for all keys."),
    ],
)
def test_the_suggestion_compares_the_last_part_of_a_key(
    values: dict[str, Any], key: str, hint: str
) -> None:
    with pytest.raises(UserError) as error:
        changed(values, key, 1)
    assert str(error.value) == f"the key {key} does not exist: {hint}"


def test_a_key_of_another_model_is_recognised(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"the key model\.lr is another model's"):
        changed(values, "model.lr", 1)


def test_a_missing_key_is_named(values: dict[str, Any]) -> None:
    rest = {k: v for k, v in values.items() if k != "seed"}
    with pytest.raises(UserError, match=r"^seed has no value: give one, seed=\.\.\.$"):
        checked(TrainConfig, OmegaConf.create(rest))


def test_whole_numbers_become_floats_and_numbers_text(values: dict[str, Any]) -> None:
    lr = changed(values, "model.lr_g", 1).model.lr_g
    name = changed(values, "name", 2024).name
    assert (lr, type(lr), name) == (1.0, float, "2024")
    queries: tuple[object, ...] = ("bach", 1850, ["bach", "weber"])
    found = [changed(values, "data.query", q).data.query for q in queries]
    assert found == ["bach", "1850", ["bach", "weber"]]


def test_validated_settings_are_the_composed_values(values: dict[str, Any]) -> None:
    again = dataclasses.asdict(checked(TrainConfig, OmegaConf.create(values)))
    assert again == values
    assert list(again) == list(values)


def test_settings_built_in_python_are_validated() -> None:
    with pytest.raises(ValueError, match="seed"):
        dataclasses.replace(compose_run(), seed=-1)


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": "${b}"}, {"a": "???"}, {"a": (1,)}, [1], {"a": b""}]
)
def test_what_is_not_plain(value: Any) -> None:
    assert not is_plain(value)


def test_plain_values() -> None:
    assert is_plain({"a": {"b": [1, 2.5, "c", None, True]}})


def test_a_renamed_key_is_refused_with_its_new_name() -> None:
    with pytest.raises(UserError) as error:
        compose_run("+model.recall_span=8")
    sentence = "the key model.recall_span is called model.lookback_span now: give that one."
    assert str(error.value) == sentence
