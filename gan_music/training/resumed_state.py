"""What a run restores beside weights, checked before anything of it is: optimizers, trainer, random
states, callbacks.

``trainer.fit`` takes all of this from a checkpoint as it is. Each entry is compared with what a run
writes: the loops with those of a new trainer, the optimizers with new ones after a step whose
gradients are zero. What no comparison shows is tried on a model that is thrown away.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gan_music.checkpoints.checkpoint import Checkpoint
from gan_music.config.representation_settings import REPRESENTATIONS
from gan_music.config.schema import TrainConfig
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
from gan_music.training.resumed_optimizers import (
    check_optimizers,
    check_scaler,
    check_schedulers,
    optimizers_of,
)
from gan_music.training.resumed_progress import check_callbacks, check_loops
from gan_music.training.state_checks import WrongError, check_count, check_tensor

_VERSION = re.compile(r"[2-9]\.\d{1,3}(\.\d{1,3})?([.\w+-]{0,40})")  # of Lightning
_NUMPY, _PYTHON = 624, 625  # words of a Mersenne Twister; Python's has its position behind them
_CUDA = 16  # bytes


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
    # within the checks, since a model from outside may raise anything
    built = cache(lambda: optimizers_of(model))
    for entry, check in (
        ("pytorch-lightning_version", lambda: _check_version(content)),
        ("gan_music.config", lambda: _check_settings(checkpoint, config)),
        ("gan_music.rng", lambda: _check_random_state(content["gan_music"]["rng"])),
        ("gan_music.n_rollbacks", lambda: check_count(content["gan_music"]["n_rollbacks"], 10_000)),
        ("gan_music.replay", lambda: _check_replay(content, model, config)),
        ("loops", lambda: check_loops(content["loops"], checkpoint.epoch)),
        ("global_step", lambda: check_count(content["global_step"])),
        ("callbacks", lambda: check_callbacks(content["callbacks"], config, path)),
        ("optimizer_states", lambda: check_optimizers(content["optimizer_states"], built()[0])),
        ("lr_schedulers", lambda: check_schedulers(content["lr_schedulers"], built()[1])),
        ("MixedPrecision", lambda: check_scaler(content.get("MixedPrecision"))),
    ):
        try:
            check()
        except UserError:
            raise
        except Exception as error:  # what is tried may raise anything
            where = f" ({error})" if isinstance(error, WrongError) and str(error) else ""
            raise UserError(
                f"checkpoint {path} cannot be resumed: its {entry}{where} is not what a run "
                "writes, so it was edited, or is damaged; resume an earlier checkpoint, or train "
                "again."
            ) from error


def _check_version(content: dict[str, Any]) -> None:
    version = content["pytorch-lightning_version"]
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise WrongError


def _check_settings(checkpoint: Checkpoint, config: TrainConfig) -> None:
    """The run goes on with a model of its own settings and representation, not of those saved."""
    if label(config.representation) not in REPRESENTATIONS:
        return  # which may depend on the data
    new = build_representation(config.representation, config.data.grid)
    new = new.resolved(checkpoint.representation)
    table = new.table()
    if {key: checkpoint.representation.get(key) for key in table} != table:
        raise WrongError("representation")
    with torch.device("meta"):
        sketch = build_model(config.model, new)
    check_weights(checkpoint.state_dict, sketch)


def _check_random_state(state: dict[str, Any]) -> None:
    kind, keys, position, has_gauss, gauss = state["numpy"]
    version, words, next_gauss = state["python"]
    check_tensor(state["cpu"], torch.get_rng_state().shape, torch.uint8)
    check_tensor(keys, (_NUMPY,), torch.int64)
    if type(state["cuda"]) is not list or len(state["cuda"]) > 1024:
        raise WrongError("cuda")
    for one in state["cuda"]:
        check_tensor(one, (_CUDA,), torch.uint8)
    if kind != "MT19937" or (keys < 0).any() or (keys >= 2**32).any():
        raise WrongError("numpy")
    check_count(position, _NUMPY)
    check_count(has_gauss, 1)
    if version != 3 or len(words) != _PYTHON or type(gauss) is not float:
        raise WrongError("python")
    for number in words[:-1]:
        check_count(number, 2**32 - 1)
    check_count(words[-1], _PYTHON - 1)
    if not isinstance(next_gauss, float | None):
        raise WrongError("python")
    now = random_state()
    try:
        restore_random_state(state)
    finally:
        restore_random_state(now)


def _check_replay(content: dict[str, Any], model: MusicModel, config: TrainConfig) -> None:
    replay = content["gan_music"].get("replay") or {}
    fake = replay.get("fake")
    if fake is not None and len(fake[0]) < config.model.rollout_batch:
        raise WrongError("fake")  # rollouts are added by the batch
    for name, saved in replay.items():
        if saved is None:
            continue
        buffer = getattr(model, f"replay_{name}")
        events, z = saved
        n, shape = buffer.sequences.maxlen, events.shape
        check_tensor(
            events, (len(events), min(shape[1], config.data.window), shape[2]), torch.int16
        )
        if len(events) > n or z.dim() != 2 or len(z) != len(events) or not z.isfinite().all():
            raise WrongError(name)
        ids, sizes = events.long(), model.representation
        most = [*sizes.sizes, sizes.n_positions, len(sizes.bars)]  # type: ignore[attr-defined]
        if shape[2] != len(most) or (ids < -1).any() or (ids >= ids.new_tensor(most)).any():
            raise WrongError(name)
    model.on_load_checkpoint(content)
