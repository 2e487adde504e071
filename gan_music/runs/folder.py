"""The folder of a run, named after its experiment and start time. Light to import."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path

from gan_music.system.errors import UserError

# resume=auto: continue an unfinished run of the same settings, wherever it is
AUTO = "auto"

# Hydra resolves a job's folder more than once, and must get the same one
_made: dict[str, str] = {}


def run_folder(name: str, resume: str | None) -> str:
    """The folder of a new run, which is created; or of the run whose checkpoint is resumed.

    A new one is ``outputs/<name>/<date>_<time>``, with ``_2``, ``_3`` ... appended if it exists, so
    that runs that start in the same second never share a folder.
    """
    if resume is not None:
        return str(folder_of_checkpoint(resume))
    if not re.fullmatch(r"[\w.-]+", str(name)) or set(str(name)) == {"."}:
        raise UserError(f"name={name} cannot be a folder: use letters, digits, '-', '_' and '.'.")
    if name not in _made:
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        _made[name] = str(_create(Path("outputs") / name, now))
    return _made[name]


def checkpoint_at(path: Path, key: str, name: str = "best.ckpt") -> Path:
    """The checkpoint that ``key=path`` names: a file, or the one of this name in a run's folder.

    Raises
    ------
    UserError
        If it is a folder without such a checkpoint.
    """
    if not path.is_dir():
        return path
    for file in (path / "checkpoints" / name, path / name):
        if file.is_file():
            return file
    raise UserError(
        f"{key}={path} is a folder without checkpoints/{name}: name a run's folder or a file."
    )


def resumed_checkpoint(resume: str) -> Path:
    """The absolute path of the checkpoint of ``resume``, which may name its run's folder."""
    path = Path(os.path.expanduser(resume))
    return checkpoint_at(path, "resume", "last.ckpt").absolute()


def folder_of_checkpoint(checkpoint: str) -> Path:
    """The run's folder of ``<folder>/checkpoints/<file>``, which may itself be given.

    Raises
    ------
    UserError
        If the file does not exist, or is not in a run's folder.
    """
    path = resumed_checkpoint(checkpoint)
    if not path.is_file():
        raise UserError(
            f"resume={checkpoint} is no file: name a run's folder, or its checkpoints/last.ckpt."
        )
    folder = path.parent.parent
    if path.parent.name != "checkpoints" or not (folder / "config.yaml").is_file():
        raise UserError(
            f"resume={checkpoint} is not in a run's folder, beside its config.yaml: name "
            "RUN/checkpoints/last.ckpt."
        )
    return folder


def _create(parent: Path, stem: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (stem if number == 1 else f"{stem}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder
