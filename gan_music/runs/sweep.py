"""A grid of jobs: the folder of each, and which are done already. Light to import."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from omegaconf import DictConfig

from gan_music.config.schema import TrainConfig, TrainerConfig
from gan_music.config.validate import checked, first_line
from gan_music.runs.folder import AUTO
from gan_music.runs.status import DONE, interrupt_cut_off, read_status, same_settings, settings_of
from gan_music.system import signals
from gan_music.system.descendants import end_descendants
from gan_music.system.errors import UserError
from gan_music.system.locks import lock

log = logging.getLogger(__name__)

SETTINGS = "multirun.yaml"  # of the sweep, in its folder


@dataclass(frozen=True)
class PlannedJob:
    """A job's overrides, and its settings; None if they are invalid."""

    overrides: tuple[str, ...]
    settings: dict[str, Any] | None


def plan(
    overrides: Sequence[Sequence[str]], compose: Callable[[list[str]], DictConfig]
) -> list[PlannedJob]:
    """Compose every job before any runs, so that errors of composition are found at once.

    Raises
    ------
    UserError
        If a job takes several devices or ``resume=auto``.
    """
    planned = []
    for job in overrides:
        config = compose(list(job))
        refuse_several_devices(config.trainer)
        if config.get("resume") == AUTO:
            raise UserError("resume=auto is for one run: a sweep continues by skip_done=true.")
        try:
            settings = settings_of(checked(TrainConfig, config))
        except UserError:  # the job itself reports it, in its own log
            settings = None
        planned.append(PlannedJob(tuple(job), settings))
    return planned


def refuse_ranges(overrides: Sequence[str]) -> None:
    """Refuse continuous ranges, which only a search can sample."""
    if overrides:
        raise UserError(
            f"{overrides[0]} is a range without steps: search in it with sweep=tpe, or name values "
            "with commas, choice(...) or range(...)."
        )


def refuse_several_devices(trainer: TrainerConfig | DictConfig) -> None:
    """Refuse jobs of several processes, each of which would start the sweep again."""
    for key in ("devices", "n_nodes"):
        value = getattr(trainer, key, 1)
        if value not in (1, None):
            raise UserError(
                f"trainer.{key}={value} in a sweep: its jobs have one device each; run them "
                "one by one, or sweep with trainer.devices=1."
            )


def find_sweep(jobs: Sequence[PlannedJob], cwd: str, parent: Path) -> Path | None:
    """The newest sweep below ``parent`` with a run of the same settings as one of these jobs."""
    sweeps = sorted(parent.glob(f"*/{SETTINGS}"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in sweeps:
        if any(_folders_of(job, cwd, path.parent) for job in jobs):
            return path.parent
    return None


def assign_folders(
    jobs: Sequence[PlannedJob], cwd: str, sweep: Path
) -> Iterator[tuple[PlannedJob, Path, bool]]:
    """(job, its folder, whether it is done there), in order.

    A job gets the folder of the run with its settings, if the sweep has one. Otherwise its folder
    is its number, or the next free number if another run has that folder.
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


def _folders_of(job: PlannedJob, cwd: str, sweep: Path) -> list[Path]:
    if job.settings is None:
        return []
    runs = sorted(p.parent for p in sweep.glob("*/config.yaml"))
    return [f for f in runs if same_settings(job.settings, cwd, f)]


def hold(folder: Path, *, shared: bool = False) -> TextIO:
    """Keep other sweeps out of a folder, which is created, until the returned file is closed.

    ``shared`` lets others in that share it, too. The lock is that of the sweep's settings, and ends
    with the process. Where the file system has no locks, nothing is kept out.

    Raises
    ------
    UserError
        If another sweep is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / SETTINGS).open("a", encoding="utf-8")
    if lock(file.fileno(), shared=shared) is False:
        file.close()
        raise UserError(
            f"another sweep is at work in {folder}: wait for it, or name another hydra.sweep.dir."
        )
    return file


def refuse_busy(folder: Path) -> None:
    """Refuse a folder where a sweep is at work that shares it with none.

    Raises
    ------
    UserError
        If there is one.
    """
    if (folder / SETTINGS).is_file():
        hold(folder, shared=True).close()


@contextmanager
def interruptible(folder: Path, launcher: str) -> Iterator[None]:
    """The block in which a sweep's jobs run: if it is interrupted, all of them end.

    How to continue the sweep is logged. ``launcher`` is the name of its class.

    Raises
    ------
    UserError
        If a job alone has been interrupted, in a process of its own.
    """
    how = f"the same command and skip_done=true {shlex.quote(f'hydra.sweep.dir={folder}')}"
    try:
        try:
            yield
        except Exception as error:
            signals.raise_received()  # it may follow from the signal
            if type(error).__module__.partition(".")[0] != "submitit":
                raise
            raise UserError(
                f"a job ended without a result ({first_line(error)}): continue the sweep by {how}."
            ) from error
        signals.raise_received()
    except KeyboardInterrupt:
        with signals.shielding():
            signals.tell("interrupted; continue the sweep by %s", how)
        if not launcher.endswith("BasicLauncher"):  # which runs the jobs in this process
            end_descendants()
            interrupt_cut_off(folder)
        raise


def raise_failures(failures: Sequence[BaseException], n_jobs: int, folder: Path) -> None:
    """Raise one error for all jobs that failed, with the sentence of the first.

    Raises
    ------
    UserError
        If there are any.
    """
    if failures:
        raise UserError(
            f"{len(failures)} of {n_jobs} jobs failed, as the train.log of each in {folder} says; "
            f"the first: {failures[0]}"
        ) from failures[0]
