"""What the lines of a run in the tables come from, without its music and its weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_music.files import replacing
from protocol.runs import OUT, Run

MEASURED = ("metrics.json", "temperatures.json", "draws.json")
ROOT = "MIDI"  # in a record, stands for where the music lay


def record(run: Run, folder: Path) -> None:
    """Keep a finished run's figures and settings in ``folder/EXPERIMENT/seed_SEED``.

    ``baselines.py --out folder`` makes the tables of them, and takes the runs as finished.
    """
    kept = folder / run.experiment / f"seed_{run.seed}"
    kept.mkdir(parents=True, exist_ok=True)
    for name in MEASURED:
        if (run.folder / name).is_file():
            with replacing(kept / name) as temporary:
                shutil.copyfile(run.folder / name, temporary)
    config = OmegaConf.load(run.folder / "config.yaml")
    config.data.root = ROOT
    settings = _placeless(OmegaConf.to_container(config), str(run.folder.parents[1]))
    with replacing(kept / "config.yaml") as temporary:
        temporary.write_text(OmegaConf.to_yaml(settings), encoding="utf-8")


def _placeless(value: Any, out: str) -> Any:
    """Settings with :data:`OUT` for the folder of all runs."""
    if isinstance(value, dict):
        return {key: _placeless(one, out) for key, one in value.items()}
    if isinstance(value, list):
        return [_placeless(one, out) for one in value]
    return value.replace(out, OUT) if isinstance(value, str) else value
