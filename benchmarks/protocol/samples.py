"""Further samples of a finished run, at several temperatures or from other seeds, and their
figures, which are kept in the run's folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import read_data
from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.data.split import Split
from gan_music.metrics.evaluation import evaluate
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.training.factory import restore_model
from gan_music.training.final_evaluation import draw, evaluation_settings
from protocol.report import Report

_SEED_STEP = 1000  # between the seeds of a run's sets of samples; seeds of runs are lower


class Samples:
    """Figures of samples of a run's best checkpoint, as many and as long as the run's own, against
    the run's test split of ``midi``.

    Results in the folder's ``temperatures.json`` and ``draws.json`` are reused for the same
    checkpoint and settings. A record has no checkpoint, and gives only what was measured before.

    Raises
    ------
    UserError
        If the checkpoint or the music cannot be read, or a record lacks a result.
    """

    def __init__(self, folder: Path, midi: Path) -> None:
        self.folder, self.midi = folder, midi
        self.best = folder / "checkpoints" / "best.ckpt"
        self.is_record = not self.best.parent.is_dir()
        self.split: Split | None = None
        if self.is_record:
            return
        checkpoint = load_checkpoint(self.best)
        self.model = restore_model(checkpoint, self.best)
        self.config = checked(TrainConfig, OmegaConf.create(checkpoint.config))

    def temperatures(self, asked: Sequence[float]) -> dict[float, Report]:
        """Reports by temperature, from the run's own seed; empty for a model without one."""
        path = self._path("temperatures")
        if not (path.is_file() if self.is_record else self.model.has_temperature):
            return {}
        found = self._measured("temperatures", {f"{t:g}": (0, t) for t in asked})
        return {t: found[f"{t:g}"] for t in asked}

    def draws(self, n: int) -> list[Report]:
        """Reports of ``n - 1`` further sets of samples, from other seeds and against other
        excerpts of the same test pieces.
        """
        asked = {str(k): (k * _SEED_STEP, 1.0) for k in range(1, n)}
        return list(self._measured("draws", asked).values()) if asked else []

    def _measured(self, name: str, asked: Mapping[str, tuple[int, float]]) -> dict[str, Report]:
        """The completed reports of a file; ``asked``: (seed above the run's, temperature)."""
        path = self._path(name)
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        if self.is_record:
            kept = known[name] if known else {}
            if missing := [key for key in asked if key not in kept]:
                has = ", ".join(kept) or "none"
                raise UserError(
                    f"{path} has no {name} {', '.join(missing)}, but {has}, and there is no "
                    "checkpoint to sample from: choose among those, or use another folder."
                )
            return {key: kept[key] for key in asked}
        of = self._of()
        kept = known[name] if known and known["of"] == of else {}
        for key, (more, temperature) in asked.items():
            if key in kept:
                continue
            kept[key] = self._report(self.config.seed + more, temperature)
            with atomic_write(path) as temporary:
                text = json.dumps({"of": of, name: kept}, indent=2)
                temporary.write_text(text + "\n", encoding="utf-8")
        return {key: kept[key] for key in asked}

    def _report(self, seed: int, temperature: float) -> Report:
        pieces, _ = draw(self.model, self.config.samples, seed, temperature=temperature)
        if self.split is None:
            self.split = read_split(self.config, self.midi)
        settings = evaluation_settings(self.config.samples, seed)
        return evaluate(pieces, self.split.test, self.split.train, settings).as_json()

    def _of(self) -> dict[str, Any]:
        """What identifies the figures: checkpoint, amounts and settings."""
        amounts = self.config.samples
        most = amounts.max_copied_notes
        rule = {} if most is None else {"max_copied_notes": most}
        return rule | {
            "checkpoint": hashlib.sha256(self.best.read_bytes()).hexdigest(),
            "n_pieces": amounts.n_pieces,
            "n_notes": amounts.n_notes,
            "measure": dataclasses.asdict(evaluation_settings(amounts, self.config.seed)),
        }

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def read_split(config: TrainConfig, midi: Path) -> Split:
    """The pieces of a folder as a run with these settings splits them.

    Raises
    ------
    UserError
        If the music cannot be read.
    """
    where = dataclasses.replace(config.data, root=str(midi))
    data = read_data(dataclasses.replace(config, data=where))
    assert data.pieces is not None
    return data.pieces
