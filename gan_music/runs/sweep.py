"""A grid of jobs: which folder each has, which are done already. Light to import."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.runs.folder import AUTO
from gan_music.runs.status import DONE, read_status, same_settings, settings_of
from gan_music.system.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """A job's overrides, and its settings; None for those that it will be refused for."""

    overrides: tuple[str, ...]
    settings: dict[str, Any] | None


def plan(
    overrides: Sequence[Sequence[str]], compose: Callable[[list[str]], DictConfig]
) -> list[Planned]:
    """Compose each job, so that what cannot be composed is refused before anything has run.

    Raises
    ------
    UserError
        If a job wants several devices, or to find a run to go on with.
    """
    planned = []
    for one in overrides:
        config = compose(list(one))
        refuse_several_devices(config)
        if config.get("resume") == AUTO:
            raise UserError("resume=auto is for one run: a sweep goes on by skip_done=true.")
        try:
            settings = settings_of(checked(TrainConfig, config))
        except UserError:  # which its own log is to tell of
            settings = None
        planned.append(Planned(tuple(one), settings))
    return planned


def refuse_ranges(overrides: Sequence[str]) -> None:
    """Refuse what has no end of values: only a search can look there."""
    if overrides:
        raise UserError(
            f"{overrides[0]} is a range without steps: search in it with sweep=tpe, or name values "
            "with commas, choice(...) or range(...)."
        )


def refuse_several_devices(config: Any) -> None:
    """Refuse jobs of a sweep that are processes themselves: each would start the sweep again."""
    for key in ("devices", "n_nodes"):
        # settings as they are composed, or checked
        value = getattr(config.trainer, key, 1)
        if value not in (1, None):
            raise UserError(
                f"trainer.{key}={value} in a sweep: its jobs have one device each; run them "
                "one by one, or sweep with trainer.devices=1."
            )


def find_sweep(jobs: Sequence[Planned], cwd: str, parent: Path) -> Path | None:
    """The newest sweep below ``parent`` that has a job with the settings of one of these."""
    sweeps = sorted(parent.glob("*/multirun.yaml"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in sweeps:
        if any(_folders_of(job, cwd, path.parent) for job in jobs):
            return path.parent
    return None


def place(jobs: Sequence[Planned], cwd: str, sweep: Path) -> Iterator[tuple[Planned, Path, bool]]:
    """(a job, its folder, whether it is done there), in order.

    A job whose settings are those of a run in the sweep's folder has that run's folder. Others have
    their own number; where another run has taken it, the next that nobody has.
    """
    taken = {p.parent for p in sweep.glob("*/config.yaml")}
    for number, job in enumerate(jobs):
        folders = _folders_of(job, cwd, sweep)
        done = [f for f in folders if read_status(f).get("status") == DONE]
        folder = (done or folders or [sweep / str(number)])[0]
        if not folders and folder in taken:
            free = max(len(jobs) - 1, *(int(f.name) for f in taken if f.name.isdecimal())) + 1
            folder = sweep / str(free)
        taken.add(folder)
        yield job, folder, bool(done)


def _folders_of(job: Planned, cwd: str, sweep: Path) -> list[Path]:
    if job.settings is None:
        return []
    runs = sorted(p.parent for p in sweep.glob("*/config.yaml"))
    return [f for f in runs if same_settings(job.settings, cwd, f)]


@contextmanager
def how_to_go_on(folder: Path) -> Iterator[None]:
    """Say it where the sweep is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        log.warning(
            "interrupted; go on with the sweep by the same command and skip_done=true "
            "hydra.sweep.dir=%s",
            folder,
        )
        raise


def raise_failures(failures: Sequence[BaseException], n_jobs: int, folder: Path) -> None:
    """One error for all jobs that failed: the first one's sentence.

    Raises
    ------
    UserError
        If there is any.
    """
    if failures:
        raise UserError(
            f"{len(failures)} of {n_jobs} jobs failed, as the train.log of each in {folder} says; "
            f"the first: {failures[0]}"
        ) from failures[0]
