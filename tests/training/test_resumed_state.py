"""What a run restores of a checkpoint, beside weights: anything that no run writes is named."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch.optim.lr_scheduler import StepLR

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.models.language_model import LanguageModel
from gan_music.system.errors import UserError
from gan_music.training.callbacks.last_checkpoint import AtomicCheckpointIO
from gan_music.training.resumed_state import check_state
from tests.training.callbacks.test_last_checkpoint import KINDS, assert_same, fit

MODEL = "ModelCheckpoint{'monitor': 'val/selection'}"
STOPPING = "EarlyStopping{'monitor': 'val/selection'}"
SCORE = torch.tensor(0.5)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> dict[str, Any]:
    """What a run writes within an epoch, with the states of callbacks that it did not have."""
    folder = tmp_path_factory.mktemp("run")
    words = ("model=lstm_lm", *KINDS["lstm_lm"], "data.batch_size=40")
    fit(folder, midi_folder, words)
    found: dict[str, Any] = torch.load(folder / "2.ckpt", weights_only=True)
    found["callbacks"][MODEL] = {
        "monitor": "val/selection",
        "best_model_score": SCORE,
        "best_model_path": "r/checkpoints/best.ckpt",
        "current_score": SCORE,
        "dirpath": "r/checkpoints",
        "best_k_models": {"r/checkpoints/best.ckpt": SCORE},
        "kth_best_model_path": "r/checkpoints/best.ckpt",
        "kth_value": SCORE,
        "last_model_path": "",
    }
    found["callbacks"][STOPPING] = {
        "wait_count": 1,
        "stopped_epoch": 0,
        "best_score": SCORE,
        "patience": 3,
        "stopping_reason": 0,
    }
    return found


def check(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Check the content of a file, and return it as it was read."""
    path = folder / "a.ckpt"
    torch.save(content, path)
    checkpoint = load_checkpoint(path, to_train=True)
    check_state(checkpoint, checked(TrainConfig, OmegaConf.create(checkpoint.config)), path)
    assert checkpoint.training is not None
    return checkpoint.training


def put(content: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with another value in this place; tuples on the way become lists."""
    holder = content = copy.deepcopy(content)
    for key in place[:-1]:
        if isinstance(holder[key], tuple):
            holder[key] = list(holder[key])
        holder = holder[key]
    if callable(value):
        value = value(holder[place[-1]])
    holder[place[-1]] = value
    return content


EXP_AVG = ("optimizer_states", 0, "state", 0, "exp_avg")
STEP = ("optimizer_states", 0, "state", 0, "step")
GROUP = ("optimizer_states", 0, "param_groups", 0)
FIT = ("loops", "fit_loop")
BATCHES = (*FIT, "epoch_loop.batch_progress")
RNG = ("gan_music", "rng")
WRONG: list[tuple[str, tuple[Any, ...], Any]] = [
    ("pytorch-lightning_version", ("pytorch-lightning_version",), "1.2.0"),
    ("pytorch-lightning_version", ("pytorch-lightning_version",), "x" * 1000),
    ("global_step", ("global_step",), -1),
    ("gan_music.n_rollbacks", ("gan_music", "n_rollbacks"), -1),
    ("gan_music.n_rollbacks", ("gan_music", "n_rollbacks"), True),
    ("gan_music.replay", ("gan_music", "replay"), {"real": (torch.zeros(1), torch.zeros(1))}),
    ("gan_music.rng", (*RNG, "cpu"), torch.zeros(5055, dtype=torch.uint8)),
    ("gan_music.rng", (*RNG, "cpu"), lambda x: x.float()),
    ("gan_music.rng", (*RNG, "cuda"), [torch.zeros(3, dtype=torch.uint8)]),
    ("gan_music.rng (numpy)", (*RNG, "numpy", 1), lambda x: x + 2**40),
    ("gan_music.rng", (*RNG, "numpy", 2), 10**9),
    ("gan_music.rng (python)", (*RNG, "python", 1), lambda x: x[:-1]),
    ("gan_music.rng", (*RNG, "python", 1, 7), -1),
    ("gan_music.rng", (*RNG, "python", 1, 624), 10**9),
    ("loops", ("loops",), {}),
    ("loops (epoch_progress)", (*FIT, "epoch_progress", "current", "processed"), 7),
    ("loops (epoch_loop.batch_progress)", (*BATCHES, "total", "completed"), 10**6),
    ("loops (epoch_loop.batch_progress.total.ready)", (*BATCHES, "total", "ready"), 2**62),
    ("loops (epoch_loop.batch_progress.is_last_batch)", (*BATCHES, "is_last_batch"), 1),
    ("loops (epoch_loop.batch_progress.total)", (*BATCHES, "total", "reset"), 5),
    ("loops (_batches_that_stepped)", (*FIT, "epoch_loop.state_dict", "_batches_that_stepped"), ""),
    ("loops (state_dict)", (*FIT, "state_dict", "combined_loader"), 5),
    ("loops (state_dict)", (*FIT, "state_dict", "combined_loader"), [{"n_given": 1}] * 2),
    ("loops (combined_loader.n_given)", (*FIT, "state_dict", "combined_loader", 0, "n_given"), 0.5),
    ("callbacks", ("callbacks",), []),
    ("callbacks (EpochLog.seconds)", ("callbacks", "EpochLog", "seconds"), "1"),
    ("callbacks (CollapseAlarm.verdict)", ("callbacks", "CollapseAlarm", "verdict"), "fine"),
    ("callbacks (LastCheckpoint.has_ended)", ("callbacks", "LastCheckpoint", "has_ended"), None),
    ("callbacks (ModelCheckpoint.kth_value)", ("callbacks", MODEL, "kth_value"), 0.5),
    (
        "callbacks (ModelCheckpoint.best_k_models)",
        ("callbacks", MODEL, "best_k_models"),
        {"best.ckpt": 1},
    ),
    ("callbacks (EarlyStopping.wait_count)", ("callbacks", STOPPING, "wait_count"), -1),
    ("callbacks", ("callbacks", STOPPING, "stopping_reason"), 99),
    ("lr_schedulers (their number)", ("lr_schedulers",), [{"last_epoch": 1}]),
    ("optimizer_states (their number)", ("optimizer_states",), []),
    ("optimizer_states (0, state of parameter 0, exp_avg)", EXP_AVG, torch.zeros(1)),
    ("optimizer_states (0, state of parameter 0, exp_avg)", EXP_AVG, lambda x: x * float("nan")),
    ("optimizer_states (0, state of parameter 0, exp_avg)", EXP_AVG, 1.0),
    ("optimizer_states (0, state of parameter 0, step)", STEP, torch.tensor(-1.0)),
    ("optimizer_states (0)", ("optimizer_states", 0, "state", 0, "more"), 1),
    ("optimizer_states (0)", ("optimizer_states", 0, "state", 10**6), {}),
    ("optimizer_states (0, param_groups)", (*GROUP, "params"), [0]),
    ("optimizer_states (0, param_groups, lr)", (*GROUP, "lr"), float("nan")),
    ("optimizer_states (0, param_groups, betas)", (*GROUP, "betas"), (0.9,)),
    ("optimizer_states (0, its next step fails)", (*GROUP, "betas"), (1.0, 1.0)),
    ("optimizer_states (0, param_groups, capturable)", (*GROUP, "capturable"), True),
    ("optimizer_states (0, param_groups, network)", (*GROUP, "network"), "d"),
    ("optimizer_states (0, param_groups)", (*GROUP, "more"), 1),
    ("MixedPrecision", ("MixedPrecision",), {"scale": "1"}),
]


@pytest.mark.parametrize(("entry", "place", "value"), WRONG)
def test_what_no_run_writes_is_named(
    entry: str, place: tuple[Any, ...], value: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        check(put(content, place, value), tmp_path)
    assert str(refused.value) == (
        f"checkpoint {tmp_path / 'a.ckpt'} cannot be resumed: its {entry} is not what a run "
        "writes, so it was edited, or is damaged; resume an earlier checkpoint, or train again."
    )


@pytest.mark.parametrize(
    "place", [("global_step",), ("loops",), ("callbacks",), (*RNG, "numpy"), (*GROUP, "params")]
)
def test_an_entry_that_is_missing_is_named(
    place: tuple[Any, ...], content: dict[str, Any], tmp_path: Path
) -> None:
    holder = content = copy.deepcopy(content)
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    with pytest.raises(UserError, match="cannot be resumed: its "):
        check(content, tmp_path)


def test_what_a_run_writes_is_taken_and_left_as_it_is(
    content: dict[str, Any], tmp_path: Path
) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
    assert_same(check(content, tmp_path), content)
    # a parameter that has had no gradient yet
    fewer = copy.deepcopy(content)
    del fewer["optimizer_states"][0]["state"][0]
    check(fewer, tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index,union-attr]


def test_the_schedulers_of_a_model_from_outside_are_resumed(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = LanguageModel.configure_optimizers

    def with_scheduler(model: LanguageModel) -> tuple[list[Any], list[Any]]:
        optimizer = made(model)
        return [optimizer], [{"scheduler": StepLR(optimizer, 2), "interval": "step"}]

    monkeypatch.setattr(LanguageModel, "configure_optimizers", with_scheduler)
    state = {
        "step_size": 2,
        "gamma": 0.1,
        "base_lrs": [1e-3] * 2,
        "last_epoch": 7,
        "_step_count": 8,
    }
    state |= {"_is_initial": False, "_get_lr_called_within_step": False, "_last_lr": [1e-6] * 2}
    saved = put(content, ("lr_schedulers",), [state])
    for group in saved["optimizer_states"][0]["param_groups"]:
        group["initial_lr"] = 1e-3
    check(saved, tmp_path)
    with pytest.raises(UserError, match=r"its lr_schedulers \(0.last_epoch\) is not"):
        check(put(saved, ("lr_schedulers", 0, "last_epoch"), -1), tmp_path)
    with pytest.raises(UserError, match=r"its lr_schedulers \(their number\) is not"):
        check(put(saved, ("lr_schedulers",), []), tmp_path)


def test_rollouts_are_kept_by_the_batch(tmp_path: Path, midi_folder: Path) -> None:
    words = ("model=reinforce_gan", *KINDS["reinforce_gan"], "model.warm_start_epochs=0")
    fit(tmp_path, midi_folder, (*words, "data.batch_size=40"))
    saved: dict[str, Any] = torch.load(tmp_path / "2.ckpt", weights_only=True)
    check(saved, tmp_path)
    # more than fit into memory, which the run's settings allow
    place = ("gan_music", "config", "model", "rollout_batch")
    with pytest.raises(UserError, match=r"its gan_music.replay \(fake\) is not"):
        check(put(saved, place, 65536), tmp_path)


def test_the_content_that_was_checked_is_the_one_that_is_restored(
    content: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.ckpt"
    torch.save(content | {"epoch": 5}, path)
    io = AtomicCheckpointIO(content)
    assert io.load_checkpoint(path)["epoch"] == 0
    assert io.load_checkpoint(path)["epoch"] == 5
