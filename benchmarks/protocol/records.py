"""Records of runs: what the tables need of a run, without music and weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_music.system.atomic_files import atomic_write
from protocol.report import SHOWN, Report
from protocol.runs import OUT, Run

MORE = ("temperatures", "draws")  # reports of further samples
ROOT = "MIDI"  # stands for data.root in a record


def record(run: Run, folder: Path) -> None:
    """Copy a finished run's figures and settings to ``folder/EXPERIMENT/seed_SEED``.

    ``baselines.py --out folder`` takes these runs as finished and makes the tables from them.
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
    """A report with the figures of the tables only."""
    figures: dict[str, dict[str, Any]] = {}
    for _, group, name, _ in SHOWN:
        if name in report["figures"].get(group, {}):
            figures.setdefault(group, {})[name] = report["figures"][group][name]
    return {**report, "figures": figures}


def _placeless(value: Any, out: str) -> Any:
    """Settings with :data:`OUT` in place of the folder of all runs."""
    if isinstance(value, dict):
        return {key: _placeless(one, out) for key, one in value.items()}
    if isinstance(value, list):
        return [_placeless(one, out) for one in value]
    return value.replace(out, OUT) if isinstance(value, str) else value
