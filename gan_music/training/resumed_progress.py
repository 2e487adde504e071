"""The states of the trainer's loops and callbacks compared with what a run writes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loops.fit_loop import _FitLoop

from gan_music.config.schema import TrainConfig
from gan_music.metrics.collapse import WORDS
from gan_music.training.state_checks import (
    WrongError,
    check_bool,
    check_count,
    check_like,
    check_scalar,
    check_seconds,
    check_text,
    optional,
)
from gan_music.training.trainer import build_callbacks

_ORDER = ("completed", "processed", "started", "ready")  # how a count proceeds, from its last stage


def check_loops(loops: dict[str, Any], epoch: int) -> None:
    """Check the progress of the loops of a checkpoint of this epoch."""
    saved, new = loops["fit_loop"], _FitLoop(None).state_dict()  # type: ignore[arg-type]
    for key, value in new.items():
        if key.endswith("state_dict"):
            continue
        if key in saved:  # other versions of Lightning have others
            check_like(saved[key], value, key)
            _check_order(saved[key], key)
    progress = saved["epoch_progress"]["current"]
    if epoch not in (progress["processed"], progress["processed"] - 1):
        raise WrongError("epoch_progress")
    check_like(saved["epoch_loop.batch_progress"], new["epoch_loop.batch_progress"])
    check_like(saved.get("epoch_loop.state_dict", {}), {"_batches_that_stepped": 0})
    rest = saved.get("state_dict", {})
    loaders = rest.get("combined_loader", [])
    if not rest.keys() <= {"combined_loader"} or type(loaders) is not list or len(loaders) > 1:
        raise WrongError("state_dict")
    for loader in loaders:
        check_like(loader, {"n_given": 0}, "combined_loader")


def _check_order(progress: dict[str, Any], where: str) -> None:
    """What is completed was processed before, and so on."""
    stages = [progress[s] for s in _ORDER if isinstance(progress.get(s), int)]
    if stages != sorted(stages):
        raise WrongError(where)
    for value in progress.values():
        if isinstance(value, dict):
            _check_order(value, where)


def _scores(value: Any) -> None:
    for path, score in value.items():
        check_text(path)
        check_scalar(score)


def _variety(value: Any) -> None:
    if value not in (None, "healthy", *WORDS):  # the former is the old word for varied
        raise WrongError


_LATER = ("last_verdict",)  # added while the schema was 6
# class of the callback -> what its state holds
_CALLBACKS: dict[str, dict[str, Callable[[Any], None]]] = {
    "CollapseAlarm": {
        "verdict": _variety,
        "last_verdict": _variety,
        "first_collapse": optional(check_count),
        "n_in_a_row": check_count,
    },
    "EpochLog": {"seconds": check_seconds},
    "LastCheckpoint": {"has_ended": check_bool},
    "ModelCheckpoint": {
        "monitor": optional(check_text),
        "best_model_score": optional(check_scalar),
        "best_model_path": check_text,
        "current_score": optional(check_scalar),
        "dirpath": optional(check_text),
        "best_k_models": _scores,
        "kth_best_model_path": check_text,
        "kth_value": check_scalar,
        "last_model_path": check_text,
    },
    "EarlyStopping": {
        "wait_count": check_count,
        "stopped_epoch": check_count,
        "best_score": check_scalar,
        "patience": check_count,
    },
}


def check_callbacks(states: dict[str, Any], config: TrainConfig, path: Path) -> None:
    """Check the states of the callbacks of a checkpoint, and those that the run itself chooses."""
    for key, state in states.items():
        name = str(key).partition("{")[0]
        for entry, check in _CALLBACKS.get(name, {}).items():
            if entry in _LATER and entry not in state:
                continue
            try:
                check(state[entry])
            except Exception as error:
                raise WrongError(f"{name}.{entry}") from error
        if name == "EarlyStopping":
            EarlyStopping("val/selection").load_state_dict(dict(state))
    for callback in build_callbacks(config.callbacks, path.parent.parent):
        if saved := states.get(callback.state_key):
            try:
                callback.load_state_dict(deepcopy(saved))
            except Exception as error:
                raise WrongError(type(callback).__name__) from error
