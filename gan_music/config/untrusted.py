"""Config files of ``--config-dir``, looked through before Hydra composes them. Light to import.

Hydra would make whatever object a file names (``_target_``), have logging make others, and look for
further files where one says. None of that is needed for settings, and none is let through: a file
sets values, chooses among groups, and names the folder of its run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gan_music.system.errors import UserError

# keys, anywhere, by which Hydra or logging would make objects, read files or change the process
_REFUSED = frozenset(
    (
        *("()", "class", "handlers", "formatters", "filters", "loggers"),
        *("callbacks", "searchpath", "env_set", "env_copy"),
    )
)
_PLUGINS = ("hydra_plugins.", "hydra._internal.core_plugins.")  # what is installed
_REFERENCE = re.compile(r"\$\{([\w.\[\]-]+|(oc\.env|hydra|gan_music\.\w+):[^{}$]*)\}")
_MAX_BYTES = 2**20
_MAX_VALUES = 20_000
_MAX_DEPTH = 64


def check_folder(folder: Path) -> None:
    """Refuse a folder with a config file that asks for more than settings.

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
        raise UserError(f"{path} has more than 1 MiB, which no settings have: leave it out.")
    try:
        content = yaml.safe_load(path.read_bytes())
    except RecursionError as error:
        raise UserError(f"{path} is nested too deep for settings: leave it out.") from error
    except yaml.reader.ReaderError as error:
        raise UserError(f"{path} is no text: mend it, or leave it out.") from error
    except (yaml.YAMLError, ValueError):
        return  # Hydra says where, if it is asked for this file
    for key, value in _values(content, path):
        if key in _REFUSED:
            raise UserError(f"{path}: {key} is no setting, and config files set nothing else.")
        if key == "_target_" and not str(value).startswith(_PLUGINS):
            raise UserError(
                f"{path}: _target_ names {str(value)[:80]}, and a config file may make nothing but "
                "plugins of Hydra: leave it out."
            )
        if isinstance(value, str) and value.count("${") != len(_REFERENCE.findall(value)):
            raise UserError(
                f"{path}: {value[:80]} may only refer to a key, or to oc.env: write the value out."
            )


def _values(content: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """Every (key, value), however deep; aliases count as often as they stand."""
    left, count = [("", content, 0)], 0
    while left:
        key, value, depth = left.pop()
        count += 1
        if count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise UserError(f"{path} holds more than settings can have: leave it out.")
        yield key, value
        if isinstance(value, dict):
            left += [(k, v, depth + 1) for k, v in value.items()]
            left += [("", k, depth + 1) for k in value]  # a key may be text to look up, too
        elif isinstance(value, list):
            left += [("", v, depth + 1) for v in value]
