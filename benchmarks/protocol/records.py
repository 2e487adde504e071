"""What the lines of a run in the tables come from, without its music and its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from omegaconf import OmegaConf

from gan_music.files import replacing
from protocol.runs import Run

MEASURED = ("metrics.json", "temperatures.json")
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
    with replacing(kept / "config.yaml") as temporary:
        temporary.write_text(OmegaConf.to_yaml(config), encoding="utf-8")
