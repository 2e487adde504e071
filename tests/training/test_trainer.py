"""Flags of Lightning's trainer, callbacks of the group, and the debug runs."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from gan_music.config.invocation import in_hydras_grammar
from gan_music.config.targets import conf_dir
from gan_music.config.validate import compose_run
from gan_music.system.errors import UserError
from gan_music.training.trainer import build_callbacks, check_flags
from tests.conftest import TINY, Command, run_command, sentence, succeed


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("determinstic", "Lightning's Trainer has no such flag: choose one of deterministic"),
        ("max_epochs", "is set by the run itself: use trainer.max_epochs instead."),
        ("num_nodes", "is set by the run itself: use trainer.n_nodes instead."),
        ("logger", "is set by the run itself: use logger instead."),
        ("fast_dev_run", "is set by the run itself: use debug=fast instead."),
        ("plugins", "is set by the run itself: leave it out."),
    ],
)
def test_flags_that_are_not_free(flag: str, words: str) -> None:
    with pytest.raises(UserError, match=f"trainer.flags.{flag}:? {re.escape(words)}"):
        check_flags({flag: 1})


def test_free_flags() -> None:
    check_flags({"deterministic": True, "limit_train_batches": 3, "profiler": "simple"})


@pytest.mark.parametrize(
    ("typed", "hydras"),
    [
        ("trainer.flags.deterministic=true", "++trainer.flags.deterministic=true"),
        ("logger.csv.flush_logs_every_n_steps=1", "++logger.csv.flush_logs_every_n_steps=1"),
        ("callbacks.mine.x=1", "++callbacks.mine.x=1"),
        ("logger=null", "logger=[]"),
        ("logger=csv", "logger=csv"),
        ("debug=true", "+debug='true'"),
        ("debug=fast", "+debug=fast"),
        ("trainer.max_epochs=1", "trainer.max_epochs=1"),
    ],
)
def test_what_hydra_is_given(typed: str, hydras: str) -> None:
    assert in_hydras_grammar(typed) == hydras
    assert in_hydras_grammar(hydras) == hydras


@pytest.mark.parametrize("option", ["fast", "overfit"])
@pytest.mark.parametrize("experiment", sorted(p.stem for p in conf_dir().glob("experiment/*.yaml")))
def test_debug_runs_go_with_every_experiment(option: str, experiment: str) -> None:
    config = compose_run(f"experiment={experiment}", f"debug={option}", "data.root=music")
    check_flags(config.trainer.flags)
    assert config.debug
    # both phases, or the warm start alone
    warm = getattr(config.model, "warm_start_epochs", 0)
    warm = min(warm, config.trainer.max_warm_start_epochs or warm)
    assert warm < config.trainer.max_epochs or option == "overfit"


def test_a_callback_is_built_of_its_settings(tmp_path: Path) -> None:
    config = compose_run("callbacks=[timer,every_epoch]", "callbacks.timer.duration=00:00:01:00")
    timer, every_epoch = build_callbacks(config.callbacks, tmp_path)
    assert timer.time_remaining() == 60  # type: ignore[attr-defined]
    assert every_epoch.dirpath == str(tmp_path / "checkpoints")  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"callbacks.timer: Timer cannot be built"):
        build_callbacks(compose_run("callbacks=timer", "callbacks.timer.x=1").callbacks, tmp_path)
    with pytest.raises(UserError, match=r"callbacks.timer has no _target_: choose callbacks=timer"):
        build_callbacks(compose_run("callbacks.timer.duration=1").callbacks, tmp_path)


def test_flags_and_callbacks_of_a_run(train: Command, tmp_path: Path) -> None:
    words = ("callbacks=[device_stats,every_epoch]", "trainer.flags.limit_train_batches=3")
    flags = ("trainer.flags.deterministic=true", "trainer.flags.profiler=simple")
    succeed(train(*words, *flags, "hydra.run.dir=run"))
    with (tmp_path / "run" / "scalars.csv").open() as file:
        rows = list(csv.reader(file))
    assert {int(step) for step, name, _ in rows if name == "train/nll"} == set(range(6))
    assert any(name.endswith("on_train_batch_end/cpu_percent") for _, name, _ in rows)
    names = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt", "epoch=0.ckpt", "epoch=1.ckpt"}
    # other flags and callbacks on resume
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    more = ("trainer.max_epochs=3", "trainer.flags.limit_train_batches=1", "callbacks=[]")
    succeed(run_command("train", f"resume={last}", *more, cwd=tmp_path))
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 4
    line = sentence(
        run_command(
            "train", f"resume={last}", "trainer.max_epochs=9", "trainer.flags.profiler=no",
            cwd=tmp_path,
        )
    )  # fmt: skip
    assert "trainer.flags." in line
    assert "profiler" in line


def test_a_timer_ends_training(train: Command, tmp_path: Path) -> None:
    words = ("callbacks=timer", "callbacks.timer.duration=00:00:00:01", "hydra.run.dir=r")
    done = succeed(train("trainer.max_epochs=10000", *words))
    assert json.loads((tmp_path / "r" / "status.json").read_text())["status"] == "done"
    assert 1 <= len(re.findall(r"^epoch \d+/10000", done.stdout, re.MULTILINE)) < 1000


def test_overfitting_brings_the_likelihood_loss_down(tmp_path: Path, midi_folder: Path) -> None:
    words = ("data=midi", f"data.root={midi_folder}", *TINY, "debug=overfit", "hydra.run.dir=run")
    small = ("model.hidden_size=64", "model.warm_start_epochs=100", "trainer.max_epochs=20")
    late = ("collapse.every_n_batches=1000", "trainer.flags.check_val_every_n_epoch=10")
    succeed(run_command("train", *words, *small, *late, cwd=tmp_path))
    with (tmp_path / "run" / "scalars.csv").open() as file:
        losses = [float(value) for _, name, value in csv.reader(file) if name == "train/nll"]
    assert losses[0] > 8
    assert losses[-1] < 1.5  # nats an event
