"""Whether a run starts or resumes, and from which checkpoint: ``resume``, ``skip_done``, folder."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import Checkpoint, load_checkpoint
from gan_music.config.invocation import cwd, override_key, overrides
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.runs.folder import AUTO, folder_of_checkpoint, resumed_checkpoint
from gan_music.runs.status import (
    DONE,
    WITHOUT_EFFECT,
    has_effect,
    read_status,
    same_settings,
    settings_of,
)
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process
from gan_music.training.loggers import remove_files
from gan_music.training.resumed_state import check_state

log = logging.getLogger(__name__)

_OF_THE_CALL = ("resume", "skip_done", "debug", "trust_code")  # not of the run


def is_done(config: TrainConfig, folder: Path) -> bool:
    """Whether this run is done in this folder and need not be repeated."""
    done = read_status(folder).get("status") == DONE
    if config.resume not in (None, AUTO):  # in its own folder; more epochs would go on
        return config.skip_done and done and not any(map(_is_trainers, overrides()))
    return _may_resume(config) and done and _is_ours(config, folder)


def keeps_end(resume: str | None) -> bool:
    """Whether a run that had ended early, by patience for instance, ends when resumed: unless this
    call gives trainer settings.
    """
    return resume in (None, AUTO) or not any(map(_is_trainers, overrides()))


class Resumed(NamedTuple):
    """A checkpoint to resume from, whose content is checked."""

    path: Path
    content: dict[str, Any]


def where_to_start(config: TrainConfig, folder: Path) -> tuple[TrainConfig, Resumed | None]:
    """The settings to train with, and the checkpoint to resume from, if any.

    Raises
    ------
    UserError
        If the folder holds another run, or the checkpoint or an override does not go with a resume.
    """
    if config.resume not in (None, AUTO):
        path = resumed_checkpoint(config.resume)
        checkpoint = load_checkpoint(path, to_train=True)
        config = _resumed_config(config, checkpoint, path, folder)
        return config, _checked(checkpoint, config, path)
    once = dataclasses.replace(
        config, skip_done=False, resume=None, trust_code=False
    )  # not settings of the run
    if not (folder / "config.yaml").exists():
        if config.resume == AUTO:
            log.info("no unfinished run has these settings: a fresh start, in %s", folder)
        return once, None
    if _may_resume(config) and _is_ours(config, folder):
        return once, _last_checkpoint(once, folder)
    if is_main_process():  # other ranks find the config.yaml that rank 0 has just written
        other = ", of other settings" if _may_resume(config) else ""
        raise UserError(
            f"{folder} holds a run already{other}: name another hydra.run.dir, or resume that "
            f"run by resume={folder}/checkpoints/last.ckpt."
        )
    return once, None


def _is_ours(config: TrainConfig, folder: Path) -> bool:
    return same_settings(settings_of(config), cwd(), folder)


def _checked(checkpoint: Checkpoint, config: TrainConfig, path: Path) -> Resumed:
    check_state(checkpoint, config, path)
    assert checkpoint.training is not None
    return Resumed(path, checkpoint.training)


def _last_checkpoint(config: TrainConfig, folder: Path) -> Resumed | None:
    """The checkpoint that an interrupted run can resume from; without one, the run starts again."""
    for name in ("last", "best"):
        path = folder / "checkpoints" / f"{name}.ckpt"
        try:
            return _checked(load_checkpoint(path, to_train=True), config, path)
        except UserError as error:
            if path.exists():
                log.warning("%s", error)
    if is_main_process():
        log.info("starting again, since there is no whole checkpoint: %s", folder)
        remove_files(folder)
    return None


def _resumed_config(
    config: TrainConfig, checkpoint: Checkpoint, path: Path, folder: Path
) -> TrainConfig:
    """The settings in the checkpoint, with those of this call for what can change on resume."""
    if folder.absolute() != folder_of_checkpoint(str(path)):
        raise UserError(
            f"resume={path} resumes in its own folder: leave hydra.run.dir={folder} out."
        )
    resumed = OmegaConf.create(checkpoint.config)
    given = OmegaConf.create(dataclasses.asdict(config))
    for override in overrides():
        key = override_key(override)
        group = key.partition(".")[0]
        if key in _OF_THE_CALL:
            continue
        if group in ("logger", "callbacks"):
            resumed[group] = given[group]
        elif group == "trainer" or not has_effect(key):
            OmegaConf.update(resumed, key, OmegaConf.select(given, key), merge=False)
        else:
            free = ", ".join(sorted(k for k in WITHOUT_EFFECT if k not in _OF_THE_CALL))
            raise UserError(
                f"{override} cannot change on resume, where only trainer, callbacks and what has "
                f"no effect on the result ({free}) can: leave it out, or start a new run."
            )
    resumed.resume, resumed.debug = None, config.debug
    epochs = resumed.trainer.max_epochs
    if (folder / "metrics.json").exists() and checkpoint.epoch + 1 >= epochs:
        raise UserError(
            f"resume={path}: that run has finished its {epochs} epochs; give more, "
            f"trainer.max_epochs={2 * epochs}."
        )
    return checked(TrainConfig, resumed)


def _is_trainers(override: str) -> bool:
    return override.lstrip("+").startswith(("trainer.", "trainer="))


def _may_resume(config: TrainConfig) -> bool:
    return config.skip_done or config.resume == AUTO
