"""More samples of a finished run, at several temperatures or from other noise, and their measure,
kept beside the run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.data.split import Split
from gan_music.metrics.evaluation import evaluate
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.training.factory import build_data, restore_model
from gan_music.training.final_evaluation import draw, evaluation_settings
from protocol.report import Report

_APART = 1000  # from the seed of one sample of a run to that of the next: seeds of runs are lower


class Samples:
    """The measure of samples of a run's best checkpoint, as many and as long as the run's own,
    against the run's test split of ``midi``.

    What is in the folder's ``temperatures.json`` and ``draws.json`` for the same checkpoint and the
    same amounts is not measured again. A record, which has no checkpoints, has what was measured
    before.

    Raises
    ------
    UserError
        If the checkpoint or the music cannot be read, or a record lacks what is asked for.
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
        """At each temperature, from the run's own noise. Empty for a model without a temperature,
        which has no such file.
        """
        path = self._path("temperatures")
        if not (path.is_file() if self.is_record else self.model.has_temperature):
            return {}
        found = self._measured("temperatures", {f"{t:g}": (0, t) for t in asked})
        return {t: found[f"{t:g}"] for t in asked}

    def draws(self, n: int) -> list[Report]:
        """Of ``n`` samples, the run's own being one: the ``n - 1`` others, from other noise and
        against other excerpts of the same pieces.
        """
        asked = {str(k): (k * _APART, 1.0) for k in range(1, n)}
        return list(self._measured("draws", asked).values()) if asked else []

    def _measured(self, name: str, asked: Mapping[str, tuple[int, float]]) -> dict[str, Report]:
        """What is in a file, completed: by key, seeds above the run's, and temperatures."""
        path = self._path(name)
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        if self.is_record:
            kept = known[name] if known else {}
            if missing := [key for key in asked if key not in kept]:
                has = ", ".join(kept) or "none"
                raise UserError(
                    f"{path} has no {name} {', '.join(missing)}, but {has}, and there is no "
                    "checkpoint to draw them from: ask for those, or run it in another folder."
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
        """What the figures are of."""
        amounts = self.config.samples
        rule = (
            {}
            if amounts.max_copied_notes is None
            else {"max_copied_notes": amounts.max_copied_notes}
        )
        return rule | {
            "checkpoint": hashlib.sha256(self.best.read_bytes()).hexdigest(),
            "n_pieces": amounts.n_pieces,
            "n_notes": amounts.n_notes,
            "measure": dataclasses.asdict(
                evaluation_settings(self.config.samples, self.config.seed)
            ),
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
    data = build_data(where, config.representation, seed=config.seed)
    data.prepare_data()
    data.setup()
    assert data.pieces is not None
    return data.pieces
