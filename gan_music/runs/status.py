"""A run's status file, ``status.json`` in its folder, and which process the folder belongs to.

The file holds one object: ``status`` (one of :data:`STATES`); ``verdict`` on the samples of a
finished run; ``val_distance`` of its best checkpoint; ``error``, a sentence, if it failed or was
pruned; ``overrides``, ``cwd``, ``host`` and ``pid`` that it was started with; ``started`` and
``ended``, UTC. What does not apply is null. Light to import.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import socket
from pathlib import Path
from typing import Any, TextIO

from omegaconf import OmegaConf

from gan_music.config.renamed import migrated
from gan_music.config.schema import TrainConfig
from gan_music.config.untrusted_files import read_yaml
from gan_music.config.validate import checked
from gan_music.system.atomic_files import atomic_write, remove_temporaries
from gan_music.system.errors import UserError
from gan_music.system.locks import lock
from gan_music.system.ranks import is_main_process

RUNNING, DONE, FAILED, PRUNED, INTERRUPTED = "running", "done", "failed", "pruned", "interrupted"
STATES = (RUNNING, DONE, FAILED, PRUNED, INTERRUPTED)

_KEYS = (
    "status",
    "verdict",
    "verdict_reason",
    "val_distance",
    "error",
    "overrides",
    "cwd",
    "host",
    "pid",
    "started",
    "ended",
)

# Settings that do not change the result of a run, and may differ on resume. data.timeout_s and
# data.memory_mb are none of them: they decide which files are read.
WITHOUT_EFFECT = (
    *("debug", "resume", "skip_done", "trust_code"),
    *("logger", "checkpoint", "report"),
    *("data.n_workers", "data.cache_dir", "data.on_device", "trainer.log_at_most"),
    *("samples.n_sounds", "samples.show_every_n_epochs", "samples.show_at_most"),
)

_running: set[Path] = set()  # folders of this process's runs
_locked: dict[Path, TextIO] = {}  # folders that this process has claimed -> the file it has locked


class Pruned(Exception):  # noqa: N818  # not an error
    """A trial of a search was stopped early; the message says why."""


def read_status(folder: Path) -> dict[str, Any]:
    """The content of ``status.json``; empty if there is none that can be read."""
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) and status.get("status") in STATES else {}


def claim(folder: Path) -> bool:
    """Reserve ``folder`` for this process until it ends; False if another process holds it.

    The lock is that of the run's log, which exists in any case. Where the file system has no locks,
    nothing is reserved.
    """
    folder = folder.absolute()
    if folder in _locked or not is_main_process():
        return True
    log = (folder / "train.log").open("a", encoding="utf-8")
    if lock(log.fileno()) is False:
        log.close()
        return False
    _locked[folder] = log
    return True


def require_claim(folder: Path) -> None:
    """Reserve ``folder`` for this process.

    Raises
    ------
    UserError
        If another process holds it.
    """
    if not claim(folder):
        raise UserError(
            f"another process is at work in {folder}: wait for it, or name another folder."
        )


def _release(folder: Path) -> None:
    if log := _locked.pop(folder.absolute(), None):
        log.close()


def is_cut_off(folder: Path) -> bool:
    """Whether the process of the run in ``folder`` died, on this machine, without a final status.

    The lock is not tried, since that could keep a process from claiming the folder.
    """
    status = read_status(folder)
    pid, host = status.get("pid"), status.get("host")
    if status.get("status") != RUNNING or host != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)  # sends no signal, but fails if there is no such process
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's process, or not a valid number
        pass
    return False


def interrupt_cut_off(sweep: Path) -> None:
    """Write ``interrupted`` for a sweep's runs whose processes on this machine have died."""
    for path in sweep.glob("*/status.json"):
        if is_cut_off(path.parent):
            with contextlib.suppress(OSError):
                how = {"status": INTERRUPTED, "ended": _now()}
                _write(path.parent, read_status(path.parent) | how)


def begin_run(folder: Path, call: dict[str, Any]) -> None:
    """Claim ``folder`` and write that a run is in progress there.

    Temporary files of a process that was killed there are removed. ``call`` has the ``overrides``
    of the job and the ``cwd`` of the command.

    Raises
    ------
    UserError
        If another process runs there.
    """
    require_claim(folder)
    _running.add(folder)
    if not is_main_process():
        return
    remove_temporaries(folder)
    _write(folder, {"status": RUNNING, "started": _now()} | call | _process())


def end_run(folder: Path, status: str, call: dict[str, Any], **values: Any) -> None:
    """Write how the run in ``folder`` ended, and release the folder.

    A failure before the run began is written too, but never over another run's status. Of several
    processes of one run, the first that fails gives the error.
    """
    try:
        # without the claim, another process may be about to start a run there
        if folder not in _running and ((folder / "config.yaml").exists() or not claim(folder)):
            return
        before = read_status(folder)
        # another process of this run failed first: this failure is its consequence
        has_cause = folder in _running and before.get("status") == FAILED
        if not has_cause and (is_main_process() or before.get("status", RUNNING) == RUNNING):
            how = {"status": status, "ended": _now()} | values
            _write(folder, before | call | _process() | how)
    finally:
        _running.discard(folder)
        _release(folder)


def has_effect(key: str) -> bool:
    """Whether the setting of a dotted key changes the result of a run."""
    return not {key, key.partition(".")[0]} & set(WITHOUT_EFFECT)


def settings_of(config: Any) -> dict[str, Any]:
    """Validated settings as plain values, without those that do not change a run's result."""
    return _with_effect(dataclasses.asdict(config))


def _with_effect(settings: dict[str, Any]) -> dict[str, Any]:
    groups = {key: value for key, value in settings.items() if has_effect(key)}
    for group, values in groups.items():
        if isinstance(values, dict):
            groups[group] = {k: v for k, v in values.items() if has_effect(f"{group}.{k}")}
    return groups


def settings_in(folder: Path) -> dict[str, Any] | None:
    """The same of the run in ``folder``, from its ``config.yaml``; None if there is none."""
    settings = _all_settings_in(folder)
    return None if settings is None else _with_effect(settings)


def _all_settings_in(folder: Path) -> dict[str, Any] | None:
    try:
        _, values = read_yaml(folder / "config.yaml")
    except (OSError, UserError):
        return None
    return {k: v for k, v in values.items() if k != "defaults"}


def same_settings(ours: dict[str, Any], cwd: str, folder: Path) -> bool:
    """Whether the run in ``folder`` has these settings, given to a command called from ``cwd``."""
    theirs = _all_settings_in(folder)
    if theirs is None or ours != _in_todays_words(theirs):
        return False
    # a relative path of music is another folder for a command called from elsewhere
    root = ours["data"]["root"]
    if root is None or os.path.isabs(os.path.expanduser(root)):
        return True
    return read_status(folder).get("cwd", cwd) == cwd


def _in_todays_words(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run of an earlier version under today's names, with what was added since."""
    try:
        return settings_of(checked(TrainConfig, OmegaConf.create(migrated(settings))))
    except (UserError, LookupError, TypeError, AttributeError):
        return _with_effect(settings)


def find_unfinished(ours: dict[str, Any], cwd: str, parent: Path) -> Path | None:
    """The newest unfinished run with these settings, one or two folders below ``parent``.

    Its folder is claimed for this process; runs that other processes hold are passed over.
    """
    found = [p.parent for n in ("*", "*/*") for p in parent.glob(f"{n}/status.json")]
    for folder in sorted(found, key=lambda f: (f / "status.json").stat().st_mtime, reverse=True):
        # checked again after the claim, since another process may just have finished the run
        if _is_unfinished(folder) and same_settings(ours, cwd, folder) and claim(folder):
            if _is_unfinished(folder):
                return folder
            _release(folder)
    return None


def _is_unfinished(folder: Path) -> bool:
    return read_status(folder).get("status") in (RUNNING, FAILED, INTERRUPTED)


def _process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def _write(folder: Path, status: dict[str, Any]) -> None:
    whole = dict.fromkeys(_KEYS) | status
    with atomic_write(folder / "status.json") as temporary:
        temporary.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
