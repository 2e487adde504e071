"""What every command shares: Hydra composes, errors become one sentence. Light to import."""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from gan_music.config.invocation import call
from gan_music.config.schema import TrainConfig
from gan_music.config.untrusted import check_folder
from gan_music.config.validate import checked, conf_dir, first_line, unknown_key
from gan_music.runs.folder import AUTO, run_folder
from gan_music.runs.status import (
    FAILED,
    INTERRUPTED,
    PRUNED,
    Pruned,
    end,
    settings_of,
    unfinished,
)
from gan_music.system.broken_pipe import tolerate_broken_pipe
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process
from gan_music.system.signals import Terminated, sigterm_raises

T = TypeVar("T")
log = logging.getLogger(__name__)


class Job(Generic[T]):
    """What Hydra runs: a composed config is checked, and ``run`` is called on it.

    In a sweep, a job that fails leaves its sentence and its traceback in its own log and does not
    stop the others. Launchers pickle it, and importing this module makes a process ready for it.
    """

    def __init__(self, schema: type[T], run: Callable[[T], float | None]) -> None:
        self.schema, self.run = schema, run
        self.failure: Exception | None = None

    def __call__(self, config: DictConfig) -> float | None:
        if not is_main_process():
            logging.disable(logging.WARNING)  # what it has to tell, the first process tells
        folder = _folder_with_status()
        try:
            return self.run(checked(self.schema, config))
        except KeyboardInterrupt:
            _tell(folder, INTERRUPTED)
            raise
        except Pruned as reason:
            _tell(folder, PRUNED, error=str(reason))
            log.info("given up: %s", reason)
            return None
        # a model of a user's own may call sys.exit, which would end the whole sweep
        except (Exception, SystemExit) as error:
            sentence = explain(error, self.schema)
            file_log = logging.getLogger("gan_music.traceback")
            if file_log.handlers:
                file_log.error("the run failed: %s", sentence, exc_info=True)
            _tell(folder, FAILED, error=sentence)
            if HydraConfig.get().mode != RunMode.MULTIRUN:
                self.failure = error if isinstance(error, Exception) else UserError(sentence)
                return None
            log.error("job %s failed: %s", folder.name if folder else "", sentence)
        finally:
            # model and trainer know each other, and the next job needs their memory
            gc.collect()
        # alone: the error itself may not be able to travel between processes, and holds its frames
        raise UserError(sentence)


def command(name: str, schema: type[T], run: Callable[[T], float | None]) -> None:
    """Compose ``conf/<name>.yaml`` with the command line, check it, and ``run`` it.

    Whatever goes wrong ends in one sentence on stderr and exit code 1; the traceback goes to the
    run's log, and to the screen where ``debug=true`` stands on the command line.
    """
    # Hydra's parser wants its own flags before the overrides; people write them anywhere
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda a: "=" in a and not a.startswith("-"))
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda a: a not in ("-m", "--multirun"))
    # Hydra prints errors in ways of its own; this makes it raise them instead
    os.environ["HYDRA_FULL_ERROR"] = "1"
    logging.raiseExceptions = False  # a log that cannot be written is no reason for a traceback
    job = Job(schema, run)
    try:
        _search_first(_config_dir())
        with tolerate_broken_pipe(), sigterm_raises():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=name)(job)()
    except Terminated:
        sys.exit(128 + signal.SIGTERM)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        job.failure = error
    if job.failure:
        if any(a.replace(" ", "").lower() == "debug=true" for a in sys.argv):
            traceback.print_exception(job.failure)
        else:
            print(f"error: {explain(job.failure, schema)}", file=sys.stderr)
        sys.exit(1)


def _tell(folder: Path | None, status: str, **values: Any) -> None:
    """Leave how a run ended in its folder, if it has one and the disk has room for it."""
    if folder:
        with contextlib.suppress(OSError):  # what it ended by is to be told, not this
            end(folder, status, call(), **values)


def _folder_with_status() -> Path | None:
    """The folder of the running job, for a command that has one."""
    settings = HydraConfig.get()
    # Lightning names the jobs of other processes train_ddp_process_<n>
    is_train = str(settings.job.name).startswith("train")
    return Path(settings.runtime.output_dir) if is_train else None


def _config_dir() -> Path | None:
    """The folder of ``--config-dir``, as Hydra will read it.

    Raises
    ------
    UserError
        If it is no folder, or if the command line has a flag that does not exist.
    """
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}: see --help.")

    parser.error = refuse  # it would print its usage, and exit
    arguments = parser.parse_args()
    if arguments.config_path is not None:
        raise UserError("--config-path would leave our own configs out: give --config-dir.")
    given = arguments.config_dir
    if given is None:
        return None
    if not Path(given).is_dir():
        raise UserError(
            f"--config-dir={given} is no folder: name the one that holds your experiment/, model/ "
            "or data/."
        )
    folder = Path(given).resolve()
    check_folder(folder)
    return folder


def _search_first(folder: Path | None) -> None:
    """Have Hydra look into a user's folder before ours, so that a file there is never ignored."""
    if folder is None:
        return

    class Users(SearchPathPlugin):
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            search_path.prepend("users", f"file://{folder}", anchor="main")

    Plugins.instance().register(Users)


def _experiment(*, _root_: Any) -> str:
    """The chosen option of the group ``experiment``; Hydra asks before and within a job."""
    settings = _root_.get("hydra") or HydraConfig.get()
    return str(settings.runtime.choices.get("experiment") or "unnamed")


def _run_folder(name: str, resume: str | None, *, _root_: Any) -> str:
    """The folder of this run: a new one, or with ``resume`` that of the run that goes on."""
    if resume != AUTO:
        return run_folder(name, resume)
    if name not in _unfinished:
        config = OmegaConf.masked_copy(_root_, [k for k in _root_ if k != "hydra"])
        with open_dict(config):
            config.name = name  # it asks Hydra's part, which is left out
        ours = settings_of(checked(TrainConfig, config))
        _unfinished[name] = unfinished(ours, str(_root_.hydra.runtime.cwd), Path("outputs"))
    return str(_unfinished[name] or run_folder(name, None))


# by name: Hydra resolves a job's folder more than once
_unfinished: dict[str, Path | None] = {}

OmegaConf.register_new_resolver("gan_music.runs.folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("gan_music.experiment", _experiment, replace=True)


def explain(error: BaseException, schema: type) -> str:
    """One sentence for an error: what was wrong, where, and what to do."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, UserError):
            return " ".join(str(link).split())
    for link in chain:
        if isinstance(link, MarkedYAMLError) and link.problem_mark is not None:
            where = f"{link.problem_mark.name}, line {link.problem_mark.line + 1}"
            return f"{where}: {link.problem}; it is no YAML: mend it there."
    if isinstance(error, RecursionError) and not HydraConfig.initialized():
        return (
            "the defaults of a config file lead back to itself: give it another name than theirs."
        )
    if isinstance(error, MissingConfigException):
        missing = error.missing_cfg_file or ""
        group, _, option = missing.rpartition("/")
        if group and error.options:
            return f"{group}={option} does not exist: choose one of {', '.join(error.options)}."
        return f"{missing} does not exist among the configs: see --help."
    if isinstance(error, HydraException):
        return _explain_hydra(error, chain, schema)
    if isinstance(error, OmegaConfBaseException):
        return f"{error.full_key or 'the config'}: {first_line(error)}."
    if starved := next(filter(None, map(_explain_starved, chain)), None):
        return starved
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename}: {error.strerror}; name another path, or mend this one "
            "(hydra.run.dir=DIR sets a run's folder, out=DIR a command's)."
        )
    return (
        f"unexpected {type(error).__name__}: {first_line(error)}; "
        "run it again with debug=true for the traceback."
    )


def _explain_starved(error: BaseException) -> str | None:
    """The sentence for a disk or a memory that is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"{error.filename or 'a file'}: {error.strerror}; make room there, or name another "
            "path (hydra.run.dir=DIR sets a run's folder, out=DIR a command's)."
        )
    text = first_line(error)
    # torch has no class of its own for the memory of a CPU
    full = isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    )
    if full or any(words in text for words in ("out of memory", "can't allocate memory")):
        return (
            f"the memory is full ({text}): choose a smaller data.batch_size, data.window or "
            "model.hidden_size, or fewer data.n_workers."
        )
    return None


def _explain_hydra(error: HydraException, chain: list[BaseException], schema: type) -> str:
    text = first_line(error)
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and "not in struct" in str(link):
            return str(unknown_key(schema, str(link.full_key or _quoted(text))))
    if text.startswith("Could not override") and "No match in the defaults list" in str(error):
        return str(unknown_key(schema, _quoted(text)))
    if text.startswith("In '"):
        cause = f"{first_line(chain[-1])}" if len(chain) > 1 else ""
        return f"{text.rstrip(':')}{f' ({cause})' if cause else ''}: mend that file."
    return f"{text}: see --help for the form of an override."


def _quoted(text: str) -> str:
    parts = text.split("'")
    return parts[1] if len(parts) > 2 else text
