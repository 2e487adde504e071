"""What others may know of a run while it runs and after: ``status.json`` in its folder.

One object: ``status`` (one of :data:`STATES`); ``verdict``, of the samples of a run that is done;
``val_distance``, of its best checkpoint; ``error``, one sentence where it failed or was pruned;
``overrides``, ``cwd``, ``host`` and ``pid`` it was started with; ``started`` and ``ended``, UTC.
What does not apply is null. Light to import.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import socket
from pathlib import Path
from typing import Any, TextIO

import yaml

from gan_music.system.atomic_files import is_taken, remove_leftovers, replacing
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process

RUNNING, DONE, FAILED, PRUNED, INTERRUPTED = "running", "done", "failed", "pruned", "interrupted"
STATES = (RUNNING, DONE, FAILED, PRUNED, INTERRUPTED)

_KEYS = (
    "status",
    "verdict",
    "val_distance",
    "error",
    "overrides",
    "cwd",
    "host",
    "pid",
    "started",
    "ended",
)

# settings that do not change what a run gives
_ASIDE = ("debug", "resume", "skip_done", "checkpoint")

# folders of this process's runs; and of those that it keeps others out of, with the open files that
# hold their locks
_ours: set[Path] = set()
_locks: dict[Path, TextIO] = {}


class Pruned(Exception):  # noqa: N818  # no error
    """A trial of a search is given up; the message says why."""


def read_status(folder: Path) -> dict[str, Any]:
    """What ``status.json`` says; nothing where there is none, or none that can be read."""
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) and status.get("status") in STATES else {}


def claim(folder: Path) -> bool:
    """Whether this process has ``folder`` for itself now, until it ends, however it ends."""
    folder = folder.absolute()
    if folder in _locks or not is_main_process():
        return True
    # the log is there anyway; a lock goes with its process, whatever that dies of
    lock = (folder / "train.log").open("a", encoding="utf-8")
    if is_taken(lock.fileno()):
        lock.close()
        return False
    _locks[folder] = lock
    return True


def is_cut_off(folder: Path) -> bool:
    """Whether the process of the run in ``folder`` died before it could say so, on this machine.

    Its lock is left alone: to try it would be in the way of who is about to go on.
    """
    status = read_status(folder)
    pid, host = status.get("pid"), status.get("host")
    if status.get("status") != RUNNING or host != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it is another user's, or no number of a process
        pass
    return False


def claimed(folder: Path) -> None:
    """Have a folder for this process itself, before it decides what to do there.

    Raises
    ------
    UserError
        If another process runs there.
    """
    if not claim(folder):
        raise UserError(
            f"another process is at work in {folder}: wait for it, or name another folder."
        )


def begin(folder: Path, call: dict[str, Any]) -> None:
    """This process runs in ``folder`` now, which it has for itself.

    What another that was killed there had not finished writing is removed. ``call`` has the
    ``overrides`` of the job and the ``cwd`` of the command.

    Raises
    ------
    UserError
        If another process runs there.
    """
    claimed(folder)
    _ours.add(folder)
    if not is_main_process():
        return
    remove_leftovers(folder)
    _write(folder, {"status": RUNNING, "started": _now()} | call | _process())


def end(folder: Path, status: str, call: dict[str, Any], **values: Any) -> None:
    """How the run in ``folder`` ended.

    A failure is written where no run had begun yet, too, but never over another run's status. Of
    several processes of one run, the first that fails is the one that is told of.
    """
    try:
        # another process may be about to make a run of the folder: it holds the lock then
        if folder in _ours or (not (folder / "config.yaml").exists() and claim(folder)):
            _end(folder, status, call, **values)
    finally:
        _ours.discard(folder)
        if lock := _locks.pop(folder.absolute(), None):
            lock.close()


def _end(folder: Path, status: str, call: dict[str, Any], **values: Any) -> None:
    before = read_status(folder)
    # what another process failed with is the cause, and what this one fails with for want of it
    told = folder in _ours and before.get("status") == FAILED
    if not told and (is_main_process() or before.get("status", RUNNING) == RUNNING):
        how = {"status": status, "ended": _now()} | values
        _write(folder, before | call | _process() | how)


def settings_of(config: Any) -> dict[str, Any]:
    """A checked config as plain values, without what changes nothing of a run."""
    plain = dataclasses.asdict(config)
    return {key: value for key, value in plain.items() if key not in _ASIDE}


def settings_in(folder: Path) -> dict[str, Any] | None:
    """The same of the run in a folder, from its ``config.yaml``; None where there is none."""
    try:
        values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None
    if not isinstance(values, dict):
        return None
    return {k: v for k, v in values.items() if k not in (*_ASIDE, "defaults")}


def same_settings(ours: dict[str, Any], cwd: str, folder: Path) -> bool:
    """Whether the run in ``folder`` has these settings, of a command called from ``cwd``."""
    theirs = settings_in(folder)
    if theirs is None or ours != theirs:
        return False
    # a relative folder of music is another one when seen from elsewhere
    root = ours["data"]["root"]
    if root is None or os.path.isabs(os.path.expanduser(root)):
        return True
    return read_status(folder).get("cwd", cwd) == cwd


def unfinished(ours: dict[str, Any], cwd: str, parent: Path) -> Path | None:
    """The newest run one or two folders below ``parent`` with these settings that came to no end.

    This process has it for itself then; those that others are at work on are passed over.
    """
    found = [p.parent for n in ("*", "*/*") for p in parent.glob(f"{n}/status.json")]
    for folder in sorted(found, key=lambda f: (f / "status.json").stat().st_mtime, reverse=True):
        # asked again once it is ours: another process may just have brought it to its end
        if _can_go_on(folder) and same_settings(ours, cwd, folder) and claim(folder):
            if _can_go_on(folder):
                return folder
            _locks.pop(folder.absolute()).close()
    return None


def _can_go_on(folder: Path) -> bool:
    return read_status(folder).get("status") in (RUNNING, FAILED, INTERRUPTED)


def _process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def _write(folder: Path, status: dict[str, Any]) -> None:
    whole = dict.fromkeys(_KEYS) | status
    with replacing(folder / "status.json") as temporary:
        temporary.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
