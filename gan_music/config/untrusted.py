"""Checks of untrusted config files (``--config-dir``) before Hydra reads them. Light to import.

Hydra would construct any object that a file names (``_target_``), configure logging handlers, and
read further files from any path. No settings need that, so it is refused: a file may set values,
choose options of groups, and name the folder of its run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gan_music.config.targets import TARGET, conf_dir, shipped
from gan_music.system.errors import UserError

# keys by which Hydra or logging would construct objects, read files or change the process; and
# hydra.callbacks, whose objects need a _target_ in any case
_REFUSED = {
    *("()", "class", "handlers", "formatters", "filters", "loggers"),
    *("searchpath", "env_set", "env_copy"),
}
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
        of_hydra = key == "hydra" and isinstance(value, dict) and "callbacks" in value
        if key in _REFUSED or of_hydra:
            raise UserError(
                f"{path}: {'callbacks' if of_hydra else key} is not a setting: remove it, config "
                "files set nothing else."
            )
        if key == TARGET and not _is_ours(value):
            raise UserError(
                f"{path}: _target_ names {str(value)[:80]}, code from outside gan_music: if you "
                "trust this folder, add trust_code=true to the command."
            )
        if isinstance(value, str) and value.count("${") != len(_REFERENCE.findall(value)):
            raise UserError(
                f"{path}: {value[:80]} may refer only to a key or to oc.env: write out the value."
            )


def _is_ours(target: Any) -> bool:
    """Whether a target is a plugin of Hydra, or the package's own choice in some group."""
    groups = (path.name for path in conf_dir().iterdir() if path.is_dir())
    return str(target).startswith(_PLUGINS) or any(target in shipped(group) for group in groups)


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
