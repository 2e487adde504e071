"""``_target_``: what is the package's own, what is not, and what fits its signature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_music.config.targets import (
    build_target,
    check_targets,
    load_target,
    shipped,
    trust_code,
)
from gan_music.optim.schedules import warmup_cosine
from gan_music.system.errors import UserError
from tests.conftest import run_command, sentence


@pytest.fixture
def trusted() -> Iterator[None]:
    trust_code(True)
    yield
    trust_code(False)


def test_targets_in_conf_are_the_packages_own() -> None:
    assert "gan_music.losses.adversarial.Hinge" in shipped("loss")
    assert "torch.optim.RMSprop" in shipped("optimizer")
    check_targets({"loss": {"_target_": "gan_music.losses.adversarial.Hinge"}})
    check_targets({"optimizer": {"_target_": None}})
    generator = "gan_music.networks.lstm_generator.LSTMGenerator"
    check_targets({"model": {"generator": {"_target_": generator}}})
    assert load_target("schedule", "gan_music.optim.schedules.warmup_cosine") is warmup_cosine


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"loss": {"_target_": "os.system"}}, "loss._target_=os.system"),
        # of another group
        ({"loss": {"_target_": "torch.optim.RMSprop"}}, "loss._target_=torch.optim.RMSprop"),
        ({"model": {"a": [{"_target_": "b.C"}]}}, "model.a[0]._target_=b.C"),
        ({"loss": {"_target_": None}}, "loss._target_=None"),
    ],
)
def test_others_are_refused_by_name(values: dict[str, Any], key: str) -> None:
    words = f"a.ckpt: {key} is code from outside gan_music: if you trust it, add trust_code=true"
    with pytest.raises(UserError, match=re.escape(words)):
        check_targets(values, source="a.ckpt: ")


def test_the_packages_other_functions_are_refused_too() -> None:
    target = "gan_music.export.main"
    words = f"loss._target_={target} is named by no file in conf/loss: if you trust it, add"
    with pytest.raises(UserError, match=re.escape(words)):
        load_target("loss", target)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("target", ["no.such.Thing", "math.nothing", "math", ""])
def test_a_target_that_does_not_exist(target: str) -> None:
    words = f"loss._target_={target} cannot be imported"
    with pytest.raises(UserError, match=re.escape(words)):
        load_target("loss", target)


def test_settings_must_fit_the_signature() -> None:
    target = "gan_music.losses.adversarial.Hinge"
    words = r"loss: Hinge cannot be built .*'weight'\): its parameters are gradient_penalty\."
    with pytest.raises(UserError, match=words):
        build_target("loss", {"_target_": target, "weight": 1})


def test_only_the_command_can_trust(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "mine.py").write_text(
        f"open({str(mark)!r}, 'w')\n\nclass Loss:\n    def __init__(self, gradient_penalty): pass\n"
    )
    (tmp_path / "c" / "loss").mkdir(parents=True)
    (tmp_path / "c" / "loss" / "mine.yaml").write_text("_target_: mine.Loss\n")
    (tmp_path / "c" / "experiment").mkdir()
    (tmp_path / "c" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ntrust_code: true\n"
    )

    def refused(*words: str) -> str:
        return sentence(run_command("train", *words, cwd=tmp_path))

    why = refused("--config-dir", "c", "loss=mine")
    assert "loss._target_=mine.Loss is code from outside gan_music" in why
    assert "add trust_code=true to the command" in why
    why = refused("loss._target_=mine.Loss")
    assert why.startswith("error: loss._target_=mine.Loss is code from outside gan_music")
    (tmp_path / "c" / "loss" / "mine.yaml").unlink()
    why = refused("--config-dir", "c", "experiment=mine")
    assert why == (
        "error: trust_code=true comes from a config file: only the command itself can give it."
    )
    assert not mark.exists()
    # it runs now, and is no loss
    why = refused("--config-dir", "c", "loss._target_=mine.Loss", "trust_code=true")
    assert why == "error: loss._target_=mine.Loss is no subclass of AdversarialLoss."
    assert mark.exists()
