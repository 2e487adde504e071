"""What a user adds from outside the package: a logger, a callback, a metric and a reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from gan_music.music.piece import Piece


class JsonLines(Logger):
    """Appends a line of JSON for each call."""

    def __init__(self, save_dir: str, file: str = "scalars.jsonl") -> None:
        super().__init__()
        self.path = Path(save_dir, file)

    @property
    def name(self) -> str:
        return "json"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *arguments: Any, **values: Any) -> None:
        pass

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"batch": step, **metrics}) + "\n")


class EpochCount(Callback):
    """Writes the number of epochs into a file of the run's folder."""

    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Path(trainer.default_root_dir, self.file).write_text(str(trainer.current_epoch))


def pitch_range(piece: Piece, unit: int = 1) -> float:
    """From the lowest pitch to the highest, in units of so many semitones."""
    return float(np.ptp(piece.pitch)) / unit


def read_pairs(path: Path, grid: int, name: str) -> list[Piece]:
    """A text format: a line ``pitch quarters`` for each note, one after the other."""
    rows = [line.split() for line in path.read_text().splitlines()]
    pitch = np.array([int(p) for p, _ in rows])
    duration = np.array([round(float(d) * grid) for _, d in rows])
    onset = np.concatenate([[0], np.cumsum(duration)[:-1]])
    return [Piece.from_arrays(onset, duration, pitch, grid=grid, name=name)]
