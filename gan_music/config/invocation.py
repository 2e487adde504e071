"""How the running command was called: its overrides, its folder, the paths in its settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode


def user_path(path: str | os.PathLike[str] | None) -> Path | None:
    """A path from the settings, relative to the folder that the command was called from."""
    if path is None:
        return None
    base = cwd() if HydraConfig.initialized() else os.getcwd()
    return Path(base, os.path.expanduser(path))


def run_dir() -> Path | None:
    """The folder that was given as ``hydra.run.dir`` to a command that has none by itself."""
    if not HydraConfig.initialized() or HydraConfig.get().mode == RunMode.MULTIRUN:
        return None
    folder = Path(HydraConfig.get().runtime.output_dir)
    return None if folder == Path(cwd()) else folder


def output_folder(path: str) -> Path:
    """A folder to write to, from the settings: below :func:`run_dir`, unless it is absolute."""
    base = cwd() if HydraConfig.initialized() else os.getcwd()
    return Path(run_dir() or base, os.path.expanduser(path))


def shown(path: Path) -> str:
    """A path as messages show it: relative to the folder of the call, if it lies below."""
    base = cwd() if HydraConfig.initialized() else os.getcwd()
    return str(path.absolute().relative_to(base) if path.absolute().is_relative_to(base) else path)


def cwd() -> str:
    """The folder that the command was called from."""
    return str(HydraConfig.get().runtime.cwd)


def overrides() -> list[str]:
    """The overrides on the command line of the running job."""
    values: Any = HydraConfig.get().overrides.task
    return [str(v) for v in values]


def in_hydras_grammar(override: str) -> str:
    """An override in Hydra's own grammar, which is stricter in three places.

    A key that no file holds needs ``++``: flags of the trainer, and further arguments of loggers,
    callbacks, metrics and readers. ``debug`` is a group, appended to the others so that it has the
    last word, whose options are texts. ``null`` for a group of several options means none.
    """
    key, equals, value = override.partition("=")
    if equals and re.match(r"(trainer\.flags|(logger|callbacks|metrics|readers)\.\w+)\.", key):
        return f"++{override}"
    if key == "debug" and equals:
        flag = value.strip().lower()
        return f"+debug='{flag}'" if flag in ("true", "false") else f"+{override}"
    if key in ("logger", "callbacks", "metrics", "readers") and value in ("null", "none", "None"):
        return f"{key}=[]"
    return override


def quoted(text: str, *, interpolation: bool = False) -> str:
    """A text as a quoted value in the grammar of Hydra's overrides.

    ``${...}`` is a part of the text, unless there may be ``interpolation``.
    """
    # OmegaConf resolves "${"; backslashes before it are special if the text holds one
    escaped = text if interpolation else re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    # in Hydra's grammar backslashes are special only before quotes
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", escaped)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def call() -> dict[str, Any]:
    """The overrides and the folder, for the status file of a run."""
    return {"overrides": overrides(), "cwd": cwd()}


def override_key(override: str) -> str:
    """The key, or the group, that an override of the command sets."""
    return override.partition("=")[0].lstrip("+")
