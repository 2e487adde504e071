"""What the lines of a run in the tables come from, without its music and its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_music.system.atomic_files import atomic_write
from protocol.report import SHOWN, Report
from protocol.runs import OUT, Run

MORE = ("temperatures", "draws")  # of samples beside the run's own, only what the tables show
ROOT = "MIDI"  # in a record, stands for where the music lay


def record(run: Run, folder: Path) -> None:
    """Keep a finished run's figures and settings in ``folder/EXPERIMENT/seed_SEED``.

    ``baselines.py --out folder`` makes the tables of them, and takes the runs as finished.
    """
    kept = folder / run.experiment / f"seed_{run.seed}"
    kept.mkdir(parents=True, exist_ok=True)
    with atomic_write(kept / "metrics.json") as temporary:
        shutil.copyfile(run.folder / "metrics.json", temporary)
    for name in MORE:
        path = run.folder / f"{name}.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            found[name] = {key: _shown(report) for key, report in found[name].items()}
            with atomic_write(kept / path.name) as temporary:
                temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    config = OmegaConf.load(run.folder / "config.yaml")
    config.data.root = ROOT
    settings = _placeless(OmegaConf.to_container(config), str(run.folder.parents[1]))
    with atomic_write(kept / "config.yaml") as temporary:
        temporary.write_text(OmegaConf.to_yaml(settings), encoding="utf-8")


def _shown(report: Report) -> Report:
    """A report with no figures but those of the tables."""
    figures: dict[str, dict[str, Any]] = {}
    for _, family, name, _ in SHOWN:
        if name in report["figures"].get(family, {}):
            figures.setdefault(family, {})[name] = report["figures"][family][name]
    return {**report, "figures": figures}


def _placeless(value: Any, out: str) -> Any:
    """Settings with :data:`OUT` for the folder of all runs."""
    if isinstance(value, dict):
        return {key: _placeless(one, out) for key, one in value.items()}
    if isinstance(value, list):
        return [_placeless(one, out) for one in value]
    return value.replace(out, OUT) if isinstance(value, str) else value
