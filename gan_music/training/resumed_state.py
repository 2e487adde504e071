"""What a run restores beside weights, checked before anything of it is: optimizers, trainer, random
states, callbacks.

``trainer.fit`` takes all of this from a checkpoint as it is. Each entry is compared with what a run
writes: the loops with those of a new trainer, the optimizers with new ones after a step whose
gradients are zero. What no comparison shows is tried on a model that is thrown away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loops.fit_loop import _FitLoop
from torch import Tensor

from gan_music.checkpoints.checkpoint import Checkpoint
from gan_music.config.representation_settings import REPRESENTATIONS
from gan_music.config.schema import TrainConfig
from gan_music.metrics.collapse import VERDICTS
from gan_music.models.base import MusicModel
from gan_music.models.random_state import random_state, restore_random_state
from gan_music.system.errors import UserError
from gan_music.training.factory import (
    build_model,
    build_representation,
    check_weights,
    label,
    restore_model,
    training_options,
)
from gan_music.training.trainer import build_callbacks

_MOST = 10**12  # of a count
_LARGEST = 1e38  # of other numbers
_VERSION = re.compile(r"[2-9]\.\d{1,3}(\.\d{1,3})?([.\w+-]{0,40})")  # of Lightning
_ORDER = ("completed", "processed", "started", "ready")  # how a count proceeds, from its last stage
_NUMPY, _PYTHON = 624, 625  # words of a Mersenne Twister; Python's has its position behind them
_CUDA = 16  # bytes


class _WrongError(ValueError):
    """An entry is not what a run writes."""


def check_state(checkpoint: Checkpoint, config: TrainConfig, path: Path) -> None:
    """Check all that ``trainer.fit`` restores of a checkpoint, which was loaded to be trained on.

    Parameters
    ----------
    config : the settings that the run goes on with.

    Raises
    ------
    UserError
        Naming the entry that no run writes.
    """
    content = checkpoint.training
    assert content is not None
    options = training_options(config)
    model = restore_model(checkpoint, path)
    model.optimizer_builder = options.get("optimizer")
    for entry, check in (
        ("pytorch-lightning_version", lambda: _check_version(content)),
        ("gan_music.config", lambda: _check_settings(checkpoint, config)),
        ("gan_music.rng", lambda: _check_random_state(content["gan_music"]["rng"])),
        ("gan_music.n_rollbacks", lambda: _count(content["gan_music"]["n_rollbacks"], 10_000)),
        ("gan_music.replay", lambda: _check_replay(content, model, config)),
        ("loops", lambda: _check_loops(content["loops"], checkpoint.epoch)),
        ("global_step", lambda: _count(content["global_step"])),
        ("callbacks", lambda: _check_callbacks(content["callbacks"], config, path)),
        ("lr_schedulers", lambda: _like(content["lr_schedulers"], [])),
        ("optimizer_states", lambda: _check_optimizers(content["optimizer_states"], model)),
        ("MixedPrecision", lambda: _check_scaler(content.get("MixedPrecision"))),
    ):
        try:
            check()
        except UserError:
            raise
        except Exception as error:  # what is tried may raise anything
            where = f" ({error})" if isinstance(error, _WrongError) and str(error) else ""
            raise UserError(
                f"checkpoint {path} cannot be resumed: its {entry}{where} is not what a run "
                "writes, so it was edited, or is damaged; resume an earlier checkpoint, or train "
                "again."
            ) from error


def _check_version(content: dict[str, Any]) -> None:
    version = content["pytorch-lightning_version"]
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise _WrongError


def _check_settings(checkpoint: Checkpoint, config: TrainConfig) -> None:
    """The run goes on with a model of its own settings and representation, not of those saved."""
    if label(config.representation) not in REPRESENTATIONS:
        return  # which may depend on the data
    new = build_representation(config.representation, config.data.grid)
    table = new.table()
    if {key: checkpoint.representation.get(key) for key in table} != table:
        raise _WrongError("representation")
    with torch.device("meta"):
        sketch = build_model(config.model, new)
    check_weights(checkpoint.state_dict, sketch)


def _check_random_state(state: dict[str, Any]) -> None:
    kind, keys, position, has_gauss, gauss = state["numpy"]
    version, numbers, next_gauss = state["python"]
    _numbers(state["cpu"], torch.get_rng_state().shape, torch.uint8)
    _numbers(keys, (_NUMPY,), torch.int64)
    if type(state["cuda"]) is not list or len(state["cuda"]) > 1024:
        raise _WrongError("cuda")
    for one in state["cuda"]:
        _numbers(one, (_CUDA,), torch.uint8)
    if kind != "MT19937" or (keys < 0).any() or (keys >= 2**32).any():
        raise _WrongError("numpy")
    _count(position, _NUMPY)
    _count(has_gauss, 1)
    if version != 3 or len(numbers) != _PYTHON or type(gauss) is not float:
        raise _WrongError("python")
    for number in numbers[:-1]:
        _count(number, 2**32 - 1)
    _count(numbers[-1], _PYTHON - 1)
    if not isinstance(next_gauss, float | None):
        raise _WrongError("python")
    now = random_state()
    try:
        restore_random_state(state)
    finally:
        restore_random_state(now)


def _check_replay(content: dict[str, Any], model: MusicModel, config: TrainConfig) -> None:
    replay = content["gan_music"].get("replay") or {}
    for name, saved in replay.items():
        if saved is None:
            continue
        buffer = getattr(model, f"replay_{name}")
        events, z = saved
        n, shape = buffer.sequences.maxlen, events.shape
        _numbers(events, (len(events), min(shape[1], config.data.window), shape[2]), torch.int16)
        if len(events) > n or z.dim() != 2 or len(z) != len(events) or not z.isfinite().all():
            raise _WrongError(name)
        ids, sizes = events.long(), model.representation
        most = [*sizes.sizes, sizes.n_positions, len(sizes.bars)]  # type: ignore[attr-defined]
        if shape[2] != len(most) or (ids < -1).any() or (ids >= ids.new_tensor(most)).any():
            raise _WrongError(name)
    model.on_load_checkpoint(content)


def _check_loops(loops: dict[str, Any], epoch: int) -> None:
    saved, new = loops["fit_loop"], _FitLoop(None).state_dict()  # type: ignore[arg-type]
    for key, value in new.items():
        if key.endswith("state_dict"):
            continue
        if key in saved:  # other versions of Lightning have others
            _like(saved[key], value, key)
            _check_order(saved[key], key)
    progress = saved["epoch_progress"]["current"]
    if epoch not in (progress["processed"], progress["processed"] - 1):
        raise _WrongError("epoch_progress")
    _like(saved["epoch_loop.batch_progress"], new["epoch_loop.batch_progress"])
    _like(saved.get("epoch_loop.state_dict", {}), {"_batches_that_stepped": 0})
    rest = saved.get("state_dict", {})
    loaders = rest.get("combined_loader", [])
    if not rest.keys() <= {"combined_loader"} or type(loaders) is not list or len(loaders) > 1:
        raise _WrongError("state_dict")
    for loader in loaders:
        _like(loader, {"n_given": 0}, "combined_loader")


def _check_order(progress: dict[str, Any], where: str) -> None:
    """What is completed was processed before, and so on."""
    stages = [progress[s] for s in _ORDER if isinstance(progress.get(s), int)]
    if stages != sorted(stages):
        raise _WrongError(where)
    for value in progress.values():
        if isinstance(value, dict):
            _check_order(value, where)


def _text(value: Any) -> None:
    if not isinstance(value, str):
        raise _WrongError


def _scalar(value: Any) -> None:
    if not isinstance(value, Tensor) or value.dim():
        raise _WrongError


def _count(value: Any, most: int = _MOST) -> None:
    if type(value) is not int or not 0 <= value <= most:
        raise _WrongError


def _truth(value: Any) -> None:
    if not isinstance(value, bool):
        raise _WrongError


def _seconds(value: Any) -> None:
    if not isinstance(value, float) or value < 0 or value == float("inf"):
        raise _WrongError


def _or_none(check: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda value: None if value is None else check(value)


def _scores(value: Any) -> None:
    for path, score in value.items():
        _text(path)
        _scalar(score)


def _verdict(value: Any) -> None:
    if value not in (None, *VERDICTS):
        raise _WrongError


_LATER = ("last_verdict",)  # added while the schema was 6
# class of the callback -> what its state holds
_CALLBACKS: dict[str, dict[str, Callable[[Any], None]]] = {
    "CollapseAlarm": {
        "verdict": _verdict,
        "last_verdict": _verdict,
        "first_collapse": _or_none(_count),
        "n_in_a_row": _count,
    },
    "EpochLog": {"seconds": _seconds},
    "LastCheckpoint": {"has_ended": _truth},
    "ModelCheckpoint": {
        "monitor": _or_none(_text),
        "best_model_score": _or_none(_scalar),
        "best_model_path": _text,
        "current_score": _or_none(_scalar),
        "dirpath": _or_none(_text),
        "best_k_models": _scores,
        "kth_best_model_path": _text,
        "kth_value": _scalar,
        "last_model_path": _text,
    },
    "EarlyStopping": {
        "wait_count": _count,
        "stopped_epoch": _count,
        "best_score": _scalar,
        "patience": _count,
    },
}


def _check_callbacks(states: dict[str, Any], config: TrainConfig, path: Path) -> None:
    for key, state in states.items():
        name = str(key).partition("{")[0]
        for entry, check in _CALLBACKS.get(name, {}).items():
            if entry in _LATER and entry not in state:
                continue
            try:
                check(state[entry])
            except Exception as error:
                raise _WrongError(f"{name}.{entry}") from error
        if name == "EarlyStopping":
            EarlyStopping("val/selection").load_state_dict(dict(state))
    for callback in build_callbacks(config.callbacks, path.parent.parent):
        if saved := states.get(callback.state_key):
            try:
                callback.load_state_dict(deepcopy(saved))
            except Exception as error:
                raise _WrongError(type(callback).__name__) from error


def _optimizers(model: MusicModel) -> list[torch.optim.Optimizer]:
    made: Any = model.configure_optimizers()
    found = [made] if isinstance(made, torch.optim.Optimizer) else list(made or [])
    if not all(isinstance(o, torch.optim.Optimizer) for o in found):
        raise UserError(
            f"model={model.label} has learning-rate schedulers of its own, so that it cannot be "
            "resumed: choose schedule=... instead."
        )
    return found


def _check_optimizers(states: Any, model: MusicModel) -> None:
    optimizers = _optimizers(model)
    if not optimizers and states == [{}]:
        return  # the trainer's stand-in
    if type(states) is not list or len(states) != len(optimizers):
        raise _WrongError("their number")
    for number, (saved, optimizer) in enumerate(zip(states, optimizers, strict=True)):
        try:
            _check_optimizer(saved, optimizer)
        except _WrongError as error:
            raise _WrongError(f"{number}, {error}") from error
        except Exception as error:
            raise _WrongError(str(number)) from error


def _check_optimizer(saved: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    steps_here = _step(optimizer)
    new = optimizer.state_dict()
    if saved.keys() != new.keys() or len(saved["param_groups"]) != len(new["param_groups"]):
        raise _WrongError("param_groups")
    for group, fresh in zip(saved["param_groups"], new["param_groups"], strict=True):
        # a version of torch may have more options than the one before
        if not group.keys() <= fresh.keys() or group["params"] != fresh["params"]:
            raise _WrongError("param_groups")
        for key, value in group.items():
            _like(value, fresh[key], f"param_groups, {key}")
            if isinstance(value, bool | str) and value != fresh[key]:
                raise _WrongError(f"param_groups, {key}")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, state in saved["state"].items():
        shape = parameters[number].shape
        for key, value in state.items():
            where = f"state of parameter {number}, {key}"
            if steps_here:
                _like(value, new["state"][number][key], where)
            elif not isinstance(value, Tensor) or value.shape not in (shape, ()):
                raise _WrongError(where)
    optimizer.load_state_dict(deepcopy(saved))
    if steps_here and not (_step(optimizer) and all(p.isfinite().all() for p in parameters)):
        raise _WrongError("its next step fails")


def _step(optimizer: torch.optim.Optimizer) -> bool:
    """A step whose gradients are zero, unless this optimizer makes none on a CPU."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    try:
        optimizer.step()
    except Exception:  # of any class
        return False
    return True


def _check_scaler(state: dict[str, Any] | None) -> None:
    if state:
        _like(state, torch.amp.GradScaler("cpu").state_dict())


def _numbers(value: Any, shape: Any, dtype: torch.dtype) -> None:
    if not isinstance(value, Tensor) or value.shape != torch.Size(shape):
        raise _WrongError
    if value.dtype != dtype and not (value.is_floating_point() and dtype.is_floating_point):
        raise _WrongError
    if not value.isfinite().all():
        raise _WrongError


def _like(value: Any, new: Any, where: str = "") -> None:
    """Check a value against that of a new run: its type, what it holds, the bounds of numbers."""
    good = True
    if isinstance(new, Tensor):
        try:
            # earlier versions of torch have Python's numbers
            if new.dim() or type(value) not in (int, float):
                _numbers(value, new.shape, new.dtype)
        except _WrongError as error:
            raise _WrongError(where) from error
        good = new.dim() > 0 or 0 <= float(value) <= _MOST
    elif isinstance(new, dict):
        good = isinstance(value, dict) and value.keys() == new.keys()
        if good:
            for key in new:
                _like(value[key], new[key], f"{where}.{key}" if where else str(key))
    elif isinstance(new, list | tuple):
        good = isinstance(value, list | tuple) and len(value) == len(new)
        if good:
            for a, b in zip(value, new, strict=True):
                _like(a, b, where)
    elif isinstance(new, float):
        good = type(value) in (int, float) and 0 <= value <= _LARGEST
    elif type(new) is int:
        good = type(value) is int and 0 <= value <= _MOST
    else:
        good = type(value) is type(new)
    if not good:
        raise _WrongError(where)
