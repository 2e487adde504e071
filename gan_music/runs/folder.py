"""The folder of a run: named by experiment and time, made atomically. Light to import."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from gan_music.system.errors import UserError

# resume=auto: go on with an unfinished run of the same settings, wherever it lies
AUTO = "auto"

# Hydra resolves a job's folder more than once; within a process it stays what it was.
_made: dict[str, str] = {}


def run_folder(name: str, resume: str | None) -> str:
    """The folder of the run that starts now, made; or of the run whose checkpoint is resumed.

    A new one is ``outputs/<name>/<date>_<time>``, and ``..._2`` and so on where that is taken, so
    that runs that start in one second never share a folder.
    """
    if resume is not None:
        return str(folder_of_checkpoint(resume))
    if not re.fullmatch(r"[\w.-]+", str(name)) or set(str(name)) == {"."}:
        raise UserError(f"name={name} cannot be a folder: use letters, digits, '-', '_' and '.'.")
    if name not in _made:
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        _made[name] = str(_make(Path("outputs") / name, now))
    return _made[name]


def folder_of_checkpoint(checkpoint: str) -> Path:
    """The run's folder of ``<folder>/checkpoints/<file>``.

    Raises
    ------
    UserError
        If there is no such file, or it does not lie in a run's folder.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise UserError(f"resume={path} is no file: name a run's checkpoints/last.ckpt.")
    folder = path.absolute().parent.parent
    if path.absolute().parent.name != "checkpoints" or not (folder / "config.yaml").is_file():
        raise UserError(
            f"resume={path} does not lie in a run's folder, beside its config.yaml: name "
            "RUN/checkpoints/last.ckpt."
        )
    return folder


def _make(parent: Path, stem: str) -> Path:
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
