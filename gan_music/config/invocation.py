"""How the running command was called: its overrides, its folder, the paths it was given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig


def user_path(path: str | None) -> Path | None:
    """A path that a user gave, relative to the folder the command was called from."""
    if path is None:
        return None
    base = cwd() if HydraConfig.initialized() else os.getcwd()
    return Path(base, os.path.expanduser(path))


def cwd() -> str:
    """The folder that the command of the running job was called from."""
    return str(HydraConfig.get().runtime.cwd)


def call() -> dict[str, Any]:
    """How the running job was called, for its status."""
    return {"overrides": overrides(), "cwd": cwd()}


def overrides() -> list[str]:
    """The overrides on the command line of the running job."""
    values: Any = HydraConfig.get().overrides.task
    return [str(v) for v in values]
