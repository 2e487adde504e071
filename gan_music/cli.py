"""What all commands share: Hydra composes, an error becomes one sentence. Light to import."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_music.config.command_line import prepared
from gan_music.config.config_dir import config_dir, judge_hydra
from gan_music.config.explain import explain
from gan_music.config.help import help_text
from gan_music.config.invocation import call
from gan_music.config.schema import TrainConfig
from gan_music.config.targets import check_targets, conf_dir, trust_code
from gan_music.config.validate import checked
from gan_music.runs.folder import AUTO, run_folder
from gan_music.runs.status import (
    FAILED,
    INTERRUPTED,
    PRUNED,
    Pruned,
    end_run,
    find_unfinished,
    settings_of,
)
from gan_music.system import signals
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process
from gan_music.system.version import full_version

T = TypeVar("T")
log = logging.getLogger(__name__)


class Job(Generic[T]):
    """The function that Hydra calls: it validates a composed config and calls ``run`` with it.

    In a sweep, a job that fails does not stop the others: the sentence and the traceback are in its
    own log. Launchers pickle this object; importing this module registers all that it needs.
    """

    def __init__(
        self, schema: type[T], run: Callable[[T], float | None], *, trusts_code: bool
    ) -> None:
        self.schema, self.run, self.trusts_code = schema, run, trusts_code
        self.failure: Exception | None = None

    def __call__(self, config: DictConfig) -> float | None:
        if not is_main_process():
            logging.disable(logging.WARNING)  # the main process logs the same
        with signals.handled():  # in a launcher's process nothing handles them yet
            try:
                signals.raise_received()
                value = self._run(config)
                signals.raise_received()
                return value
            except KeyboardInterrupt:
                with signals.shielding():
                    _write_status(_folder_with_status(), INTERRUPTED)
                raise

    def _run(self, config: DictConfig) -> float | None:
        folder = _folder_with_status()
        trust_code(self.trusts_code)
        try:
            return self.run(checked(self.schema, self._judged(config)))
        except Pruned as reason:
            with signals.shielding():
                _write_status(folder, PRUNED, error=str(reason))
            log.info("pruned: %s", reason)
            return None
        # sys.exit in a user's own model would end the whole sweep
        except (Exception, SystemExit) as error:
            sentence = explain(error, self.schema)
            if signals.received() or _is_requeueing(error):
                self._interrupt(folder, error, sentence)
            with signals.shielding():
                file_log = logging.getLogger("gan_music.traceback")
                if file_log.handlers:
                    file_log.error("the run failed: %s", sentence, exc_info=True)
                _write_status(folder, FAILED, error=sentence)
            if HydraConfig.get().mode != RunMode.MULTIRUN:
                self.failure = error if isinstance(error, Exception) else UserError(sentence)
                return None
            log.error("job %s failed: %s", folder.name if folder else "", sentence)
        finally:
            # model and trainer refer to each other, and the next job needs their memory
            gc.collect()
        # not the error itself, which may not be picklable and keeps its frames alive
        raise UserError(sentence)

    def _interrupt(self, folder: Path | None, error: BaseException, sentence: str) -> NoReturn:
        """End a job whose error follows from a signal, or came between the signal and its end."""
        with signals.shielding():
            if isinstance(error, UserError | OSError):
                log.warning("interrupted, and: %s", sentence)
            _write_status(folder, INTERRUPTED)
        signals.raise_received()
        raise error

    def _judged(self, config: DictConfig) -> DictConfig:
        """The composed config, once nothing in it names code that the command does not trust."""
        if config.get("trust_code") and not self.trusts_code:
            raise UserError(
                "trust_code=true comes from a config file: only the command itself can give it."
            )
        values = OmegaConf.to_container(config, resolve=False)
        assert isinstance(values, dict)
        check_targets({str(k): v for k, v in values.items() if k != "hydra"})
        return config


def command(name: str, schema: type[T], run: Callable[[T], float | None]) -> None:
    """Compose ``conf/<name>.yaml`` with the command line, validate it, and ``run`` it.

    Any error is printed as one sentence to stderr, and the exit code is 1. The traceback is written
    to the run's log, and printed if the command line has ``debug=true``.
    """
    if "--version" in sys.argv:  # Hydra would tell its own
        print(f"gan_music {full_version()}")
        return
    sys.argv[1:] = prepared(sys.argv[1:], schema)
    # makes Hydra raise errors instead of printing them
    os.environ["HYDRA_FULL_ERROR"] = "1"
    logging.raiseExceptions = False  # no traceback if a log cannot be written
    trusted = any(a.replace(" ", "").lstrip("+").lower() == "trust_code=true" for a in sys.argv)
    trust_code(trusted)
    job = Job(schema, run, trusts_code=trusted)
    failure: Exception | None = None
    try:
        folder = config_dir(trusts_code=trusted)
        if {"-h", "--help"} & set(sys.argv):
            print(help_text(name, folder), end="")
            return
        if folder and not trusted:
            judge_hydra(name)
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=name)(job)()
    except Exception as error:
        signals.raise_received()  # it may follow from the signal
        failure = error
    if failure := failure or job.failure:
        if any(a.startswith("+debug=") and a != "+debug='false'" for a in sys.argv):
            traceback.print_exception(failure)
        else:
            print(f"error: {explain(failure, schema)}", file=sys.stderr)
        sys.exit(1)


def _write_status(folder: Path | None, status: str, **values: Any) -> None:
    if folder:
        with contextlib.suppress(OSError):  # it would hide the error that ended the run
            end_run(folder, status, call(), **values)


def _is_requeueing(error: BaseException) -> bool:
    """Whether submitit ends the process because Slurm will start the job again."""
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, SystemExit) and any(
        frame.f_globals.get("__name__") == "submitit.core.job_environment" for frame, _ in frames
    )


def _folder_with_status() -> Path | None:
    """The folder of the running job, if its command writes a status file."""
    settings = HydraConfig.get()
    # Lightning names the jobs of other processes train_ddp_process_<n>
    is_train = str(settings.job.name).startswith("train")
    return Path(settings.runtime.output_dir) if is_train else None


def _experiment(*, _root_: Any) -> str:
    """The chosen option of the group ``experiment``; resolved before and within a job."""
    settings = _root_.get("hydra") or HydraConfig.get()
    return str(settings.runtime.choices.get("experiment") or "unnamed")


def _run_folder(name: str, resume: str | None, *, _root_: Any) -> str:
    """The folder of this run: a new one, or with ``resume`` that of the resumed run."""
    if resume != AUTO:
        return run_folder(name, resume)
    if name not in _unfinished:
        config = OmegaConf.masked_copy(_root_, [k for k in _root_ if k != "hydra"])
        with open_dict(config):
            config.name = name  # it refers to Hydra's settings, which are left out
        ours = settings_of(checked(TrainConfig, config))
        _unfinished[name] = find_unfinished(ours, str(_root_.hydra.runtime.cwd), Path("outputs"))
    return str(_unfinished[name] or run_folder(name, None))


# by name, since Hydra resolves a job's folder more than once
_unfinished: dict[str, Path | None] = {}

OmegaConf.register_new_resolver("gan_music.runs.folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("gan_music.experiment", _experiment, replace=True)
