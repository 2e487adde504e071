"""Checks of untrusted config files (``--config-dir``). Light to import.

Hydra would configure logging handlers and read further files from any path that a file names: that
is refused before Hydra reads it. Hydra would also construct launchers, sweepers and callbacks of
any class (``_target_``): that is refused once the settings of Hydra are composed, before anything
is constructed. The settings of a run are judged by :mod:`gan_music.config.targets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gan_music.config.targets import targets_in
from gan_music.system.errors import UserError

# keys by which Hydra or logging would construct objects, read files or change the process
_REFUSED = {
    *("()", "class", "handlers", "formatters", "filters", "loggers"),
    *("searchpath", "env_set", "env_copy"),
}
# settings of launchers that are commands or files to run
_COMMANDS = ("setup", "teardown", "python", "srun_args", "additional_parameters", "submitit_folder")
_PLUGINS = ("hydra_plugins.", "hydra._internal.core_plugins.")  # all of them installed
_REFERENCE = re.compile(r"\$\{([\w.\[\]-]+|(oc\.env|hydra|gan_music\.\w+):[^{}$]*)\}")
_MAX_BYTES = 2**20
_MAX_VALUES = 20_000
_MAX_DEPTH = 64


def check_folder(folder: Path) -> None:
    """Refuse a folder with a config file that does more than set values.

    Raises
    ------
    UserError
        Naming the file and the key.
    """
    for path in sorted(folder.rglob("*.y*ml")):
        if path.is_file():
            _check_file(path)


def check_hydra(settings: Mapping[str, Any], given: Sequence[str]) -> None:
    """Refuse composed settings of Hydra that would run code, unless the command gives them.

    Parameters
    ----------
    settings : the content of ``hydra``, nested.
    given : the overrides of the command.

    Raises
    ------
    UserError
        Naming the key and what would have run.
    """
    launcher = settings.get("launcher") or {}
    found = [
        *(
            (f"hydra.{key}", target)
            for key, target in targets_in(settings)
            if not _is_plugin(key, target)
        ),
        *((f"hydra.launcher.{key}", launcher.get(key)) for key in _COMMANDS),
        ("hydra.mode", settings.get("mode")),
    ]
    for key, value in found:
        if value not in (None, [], {}) and not any(a.lstrip("+").startswith(key) for a in given):
            raise UserError(
                f"{key}={str(value)[:80]} comes from a config file and would run code: if you "
                "trust its folder, add trust_code=true to the command."
            )


def _is_plugin(key: str, target: Any) -> bool:
    return key in ("launcher._target_", "sweeper._target_") and str(target).startswith(_PLUGINS)


def _check_file(path: Path) -> None:
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{path} has more than 1 MiB, more than any settings: remove it.")
    try:
        content = yaml.safe_load(path.read_bytes())
    except RecursionError as error:
        raise UserError(f"{path} is nested too deep for settings: remove it.") from error
    except yaml.reader.ReaderError as error:
        raise UserError(f"{path} is not text: correct it, or remove it.") from error
    except (yaml.YAMLError, ValueError):
        return  # Hydra reports the line, if this file is used
    for key, value in _values(content, path):
        if key in _REFUSED:
            raise UserError(
                f"{path}: {key} is not a setting: remove it, config files set nothing else."
            )
        if isinstance(value, str) and value.count("${") != len(_REFERENCE.findall(value)):
            raise UserError(
                f"{path}: {value[:80]} may refer only to a key or to oc.env: write out the value."
            )


def _values(content: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """Every (key, value) at any depth; an alias counts at each of its uses."""
    left, count = [("", content, 0)], 0
    while left:
        key, value, depth = left.pop()
        count += 1
        if count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise UserError(f"{path} holds more values than any settings: remove it.")
        yield key, value
        if isinstance(value, dict):
            left += [(k, v, depth + 1) for k, v in value.items()]
            left += [("", k, depth + 1) for k in value]  # OmegaConf resolves keys, too
        elif isinstance(value, list):
            left += [("", v, depth + 1) for v in value]
