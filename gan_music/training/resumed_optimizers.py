"""The states of optimizers and schedulers in a checkpoint, compared with those of new ones."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from lightning.pytorch.core.optimizer import _configure_optimizers
from torch import Tensor
from torch.optim import Optimizer

from gan_music.models.base import MusicModel
from gan_music.training.state_checks import WrongError, check_like


def optimizers_of(model: MusicModel) -> tuple[list[Optimizer], list[Any]]:
    """The optimizers of a model, and the learning-rate schedulers if it is one that has some."""
    made: Any = model.configure_optimizers()
    optimizers, schedulers, _ = _configure_optimizers([] if made is None else made)
    return optimizers, [s["scheduler"] if isinstance(s, dict) else s for s in schedulers]


def check_optimizers(states: Any, optimizers: list[Optimizer]) -> None:
    """Check the states of optimizers, and that each can make a step with its own."""
    if not optimizers and states == [{}]:
        return  # the trainer's stand-in
    if type(states) is not list or len(states) != len(optimizers):
        raise WrongError("their number")
    for number, (saved, optimizer) in enumerate(zip(states, optimizers, strict=True)):
        try:
            _check_optimizer(saved, optimizer)
        except WrongError as error:
            raise WrongError(f"{number}, {error}") from error
        except Exception as error:
            raise WrongError(str(number)) from error


def _check_optimizer(saved: dict[str, Any], optimizer: Optimizer) -> None:
    steps_here = _step(optimizer)
    new = optimizer.state_dict()
    if saved.keys() != new.keys() or len(saved["param_groups"]) != len(new["param_groups"]):
        raise WrongError("param_groups")
    for group, fresh in zip(saved["param_groups"], new["param_groups"], strict=True):
        # a version of torch may have more options than the one before
        if not group.keys() <= fresh.keys() or group["params"] != fresh["params"]:
            raise WrongError("param_groups")
        for key, value in group.items():
            check_like(value, fresh[key], f"param_groups, {key}")
            if isinstance(value, bool | str) and value != fresh[key]:
                raise WrongError(f"param_groups, {key}")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, state in saved["state"].items():
        shape = parameters[number].shape
        for key, value in state.items():
            where = f"state of parameter {number}, {key}"
            if steps_here:
                check_like(value, new["state"][number][key], where)
            elif not isinstance(value, Tensor) or value.shape not in (shape, ()):
                raise WrongError(where)
    optimizer.load_state_dict(deepcopy(saved))
    if steps_here and not (_step(optimizer) and all(p.isfinite().all() for p in parameters)):
        raise WrongError("its next step fails")


def _step(optimizer: Optimizer) -> bool:
    """A step whose gradients are zero, unless this optimizer makes none on a CPU."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    try:
        optimizer.step()
    except Exception:  # of any class
        return False
    return True


def check_schedulers(states: Any, schedulers: list[Any]) -> None:
    """Check the states of learning-rate schedulers."""
    if type(states) is not list or len(states) != len(schedulers):
        raise WrongError("their number")
    for number, (saved, scheduler) in enumerate(zip(states, schedulers, strict=True)):
        check_like(saved, scheduler.state_dict(), str(number))


def check_scaler(state: dict[str, Any] | None) -> None:
    """Check the state of the gradient scaler of 16-bit training, if there is one."""
    if state:
        check_like(state, torch.amp.GradScaler("cpu").state_dict())
