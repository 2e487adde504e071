"""The loggers of a run: those of ``conf/logger``, and ``scalars.csv``, which the report reads.

Each of them gets the same points of each scalar, at most ``trainer.log_at_most``. All write inside
the run's folder, unless they send what they get to a server. A resumed run continues the files, and
the run on a server, that it began; what was logged after its checkpoint is logged again.
"""

from __future__ import annotations

import csv
import inspect
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from gan_music.config.targets import TARGET, build_target, load_target, target_of
from gan_music.config.validate import first_line, flatten
from gan_music.page.record import SCALARS
from gan_music.system.atomic_files import atomic_write
from gan_music.system.csv_cells import escape_formula
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process

# the runs on servers that a run's folder continues: key of a logger -> id
_SERVER_RUNS = "loggers.json"
_ID_PARAMETERS = ("id", "run_id")  # of W&B, of MLflow


class ScalarsFile(Logger):
    """Appends each point of each scalar to ``scalars.csv``: ``batch,name,value``.

    A point is on the disk as soon as it is logged. A process that is killed may leave an incomplete
    last line, which readers ignore.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._file: TextIO | None = None

    @property
    def name(self) -> str:
        return "scalars"

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @rank_zero_only
    def log_hyperparams(self, *arguments: Any, **values: Any) -> None:
        """``config.yaml`` has the settings."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._file is None:
            self._file = (self.folder / SCALARS).open("a", encoding="utf-8", newline="")
        rows = csv.writer(self._file, lineterminator="\n")
        rows.writerows([step or 0, name, float(value)] for name, value in metrics.items())
        self._file.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove_from(self, batch: int) -> None:
        """Remove the points of this batch and of later ones."""
        path = self.folder / SCALARS
        if not path.is_file():
            return
        self.finalize("")
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        heads = (line.partition(",")[0] for line in lines)
        kept = [
            line
            for line, head in zip(lines, heads, strict=True)
            if line.endswith("\n") and head.isdecimal() and int(head) < batch
        ]
        with atomic_write(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")


def build_loggers(
    chosen: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    at_most: int,
    n_batches: Callable[[], int],
) -> list[Logger]:
    """The loggers of a run: those that are ``chosen``, by name, and ``scalars.csv``.

    Parameters
    ----------
    at_most, n_batches : as in :func:`bound_points`.

    Raises
    ------
    UserError
        If a logger cannot be built of its settings.
    """
    loggers = [_build(f"logger.{name}", values, folder) for name, values in chosen.items()]
    bounded = [*loggers, ScalarsFile(folder)]
    for logger in bounded:
        bound_points(logger, at_most=at_most, n_batches=n_batches)
    return bounded


def _build(key: str, settings: Mapping[str, Any], folder: Path) -> Logger:
    """One logger; the run gives the parameters that name its folder and its run on a server."""
    parameters = inspect.signature(load_target(key, target_of(key, settings))).parameters
    values, given = dict(settings), {}
    if "save_dir" in parameters:
        given["save_dir"] = str(folder)
    for parameter in set(_ID_PARAMETERS) & set(parameters):
        if found := _server_runs(folder).get(key.partition(".")[2]):
            given[parameter] = found
    for parameter, value in _defaults(set(parameters), folder).items():
        if values.get(parameter) is None:
            values[parameter] = value
    try:
        logger = build_target(key, values, **given)
    except UserError:
        raise
    except Exception as error:  # a library's own
        raise UserError(f"{key} is refused: {first_line(error)}.") from error
    if not isinstance(logger, Logger):
        raise UserError(f"{key}.{TARGET}={settings[TARGET]} makes no logger of Lightning's.")
    if isinstance(logger, CSVLogger) and is_main_process():
        _keep_rows(logger)
    return logger


def _defaults(parameters: set[str], folder: Path) -> dict[str, Any]:
    """What parameters of W&B's and MLflow's loggers are where the settings leave them open."""
    name = "/".join(folder.absolute().parts[-2:])
    if {"project", "name"} <= parameters:
        return {"name": name}
    if "tracking_uri" not in parameters:
        return {}
    if server := os.environ.get("MLFLOW_TRACKING_URI"):
        return {"run_name": name, "tracking_uri": server}
    folder = folder.absolute()
    return {
        "run_name": name,
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
        "artifact_location": str(folder / "mlflow"),
    }


def bound_points(logger: Logger, *, at_most: int, n_batches: Callable[[], int]) -> None:
    """Let a logger keep at most ``at_most`` points of each scalar of a run.

    The run is divided into ``at_most`` equal intervals of batches, of which the last holds the last
    batch alone, and the first point in each interval is kept; a shorter run keeps every point. A
    run that is resumed within an interval keeps one more point there.

    Parameters
    ----------
    at_most : 2 or more.
    n_batches : returns the batches of the whole run, which the trainer knows once it has started.
    """
    log_metrics = logger.log_metrics
    last_interval: dict[str, int] = {}  # of each scalar's newest point

    def log_due(metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log scalars of batch ``step``, from 0, where they are due; all of them without a step."""
        if step is not None:
            # validation after the last batch is logged at one step more
            last = max(1, n_batches() - 1)
            interval = min(step * (at_most - 1) // last, at_most - 1)
            metrics = {k: v for k, v in metrics.items() if last_interval.get(k) != interval}
            last_interval.update(dict.fromkeys(metrics, interval))
        if metrics:
            log_metrics({escape_formula(name): v for name, v in metrics.items()}, step)

    logger.log_metrics = log_due  # type: ignore[method-assign]


def start(loggers: list[Logger], names: list[str], settings: dict[str, Any], folder: Path) -> None:
    """Begin a new run on the servers: with its settings, and so that it can be continued."""
    runs = {}
    for name, logger in zip(names, loggers, strict=False):
        if not isinstance(logger, TensorBoardLogger):  # it gets them with the figures, at the end
            try:
                logger.log_hyperparams(flatten(settings))
            except Exception as error:
                raise UserError(f"logger.{name} cannot log: {first_line(error)}.") from error
        if set(_ID_PARAMETERS) & set(inspect.signature(type(logger).__init__).parameters):
            runs[name] = str(logger.version)
    if runs and is_main_process():
        with atomic_write(folder / _SERVER_RUNS) as temporary:
            temporary.write_text(json.dumps(runs, indent=2) + "\n", encoding="utf-8")


def _server_runs(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / _SERVER_RUNS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def flush(loggers: list[Logger]) -> None:
    """Write what is buffered, before a checkpoint that a resumed run would continue from."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.flush()
        else:
            logger.save()


def remove_from(loggers: list[Logger], batch: int) -> None:
    """Remove earlier points from this batch on, which is trained on again; servers keep them."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            writer = logger.experiment._get_file_writer()
            writer.add_event(Event(step=batch, session_log=SessionLog(status=SessionLog.START)))
        elif isinstance(logger, CSVLogger):
            _keep_rows(logger, before=batch)
        elif isinstance(logger, ScalarsFile):
            logger.remove_from(batch)


def _keep_rows(logger: CSVLogger, before: float = math.inf) -> None:
    """Keep the rows that an earlier process wrote; Lightning's logger would delete the file."""
    path = Path(logger.log_dir, "metrics.csv")
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["step"] or "").isdecimal()]
    writer = logger.experiment
    path.unlink(missing_ok=True)
    writer.metrics = [row for row in rows if int(row["step"]) < before]
    logger.save()


def remove_files(folder: Path) -> None:
    """Remove what loggers wrote in a run's folder, where the run starts again."""
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    for path in (folder / SCALARS, folder / _SERVER_RUNS, *folder.glob("csv/metrics.csv")):
        path.unlink(missing_ok=True)


def finish(*, failed: bool) -> None:
    """End a run of W&B's in this process, so that the next job of a sweep has its own."""
    if wandb := sys.modules.get("wandb"):
        wandb.finish(exit_code=int(failed))


def takes_pictures(logger: Logger) -> bool:
    """Whether a logger has a place for piano rolls."""
    kinds = (TensorBoardLogger, WandbLogger, MLFlowLogger)
    return isinstance(logger, kinds)


def log_picture(logger: Logger, name: str, picture: np.ndarray, batch: int) -> None:
    """Log a picture, float ``[height, width, 3]`` in 0 to 1, to W&B or MLflow."""
    pixels = (picture * 255).astype(np.uint8)
    if isinstance(logger, WandbLogger):
        logger.log_image(name, [pixels], batch)
    elif isinstance(logger, MLFlowLogger):
        key = name.replace("/", "_")
        logger.experiment.log_image(logger.run_id, pixels, key=key, step=batch)
