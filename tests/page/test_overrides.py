"""Differences from the defaults, and the command that repeats a run."""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from gan_music.config.validate import compose_run
from gan_music.page import overrides as page_overrides


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("seed=3", "model.hidden_size=64"),
        ("model=neo_saleem", "data=midi", "data.root=music"),
        ("model=attention_lm",),
        ("model=lstm_lm", "model.attention_span=7"),
        ("experiment=crnn_gan", "data.root=a"),
        ("model=ngram", "data.query=[bach,palestrina]", "trainer.patience=2"),
        ("data.time_scales=[0.5,1.0]", "data.movement=null", "report=false"),
        ("logger=[csv,wandb]", "logger.wandb.offline=true", "logger.csv.prefix=a"),
        ("logger=null", "callbacks=[timer,every_epoch]", "callbacks.timer.duration=00:01:00:00"),
        ("trainer.flags.deterministic=true", "optimizer=sgd", "loss=hinge"),
    ],
)
def test_the_command_gives_the_same_settings(overrides: tuple[str, ...]) -> None:
    config = dataclasses.asdict(compose_run(*overrides))
    words = shlex.split(page_overrides.command(config))
    assert words[:3] == ["python", "-m", "gan_music.train"]
    assert dataclasses.asdict(compose_run(*words[3:])) == config


@pytest.mark.parametrize(
    "root",
    [
        *("a b", "it's", "back\\slash", "end\\", "\\'", "a,b=c"),
        *("${x}", "[1]", "true", "12", "1e3", "é"),
    ],
)
def test_any_text_survives_the_command(root: str) -> None:
    config = dataclasses.asdict(compose_run("data=midi", "data.root=x"))
    config["data"]["root"] = root
    words = shlex.split(page_overrides.command(config))
    assert compose_run(*words[3:]).data.root == root


def test_differences_from_the_defaults() -> None:
    config = dataclasses.asdict(compose_run("model=lstm_lm", "seed=5", "name=mine"))
    assert page_overrides.differences(config) == (["model=lstm_lm"], {"seed": (5, 0)})


def test_settings_of_another_version() -> None:
    config = dataclasses.asdict(compose_run())
    config["model"]["gone"] = 1
    config["collapse"].pop("patience")
    assert page_overrides.differences(config) == ([], {"model.gone": (1, None)})


def test_code_from_outside_needs_trust() -> None:
    config = dataclasses.asdict(compose_run("+metrics.range={_target_: my.range, unit: 2}"))
    words = shlex.split(page_overrides.command(config))
    assert words[3:] == [
        "metrics.range._target_=my.range",
        "metrics.range.unit=2",
        "trust_code=true",
    ]


def test_a_run_older_than_a_group() -> None:
    config = dataclasses.asdict(compose_run())
    for group in ("logger", "callbacks", "metrics", "readers"):
        config.pop(group)
    assert page_overrides.differences(config) == ([], {})


def test_settings_that_vary_over_runs() -> None:
    configs = [
        {"name": "a", "seed": 1, "model": {"size": 2}},
        {"name": "b", "seed": 1, "model": {"size": 3, "rate": 0.1}},
    ]
    assert page_overrides.varying(configs) == ["model.size", "model.rate"]
