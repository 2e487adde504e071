"""The order of a sweep's jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gan_music.page.content import numbered
from gan_music.page.record import FINISHED, UNFINISHED, Run
from gan_music.page.sweep_table import rank
from gan_music.runs.status import FAILED


def job(name: str, seed: int, size: int, distance: float | None, **more: Any) -> Run:
    figures = None if distance is None else {"val_distance": distance, "verdict": "healthy"}
    state = FINISHED if figures else UNFINISHED
    config = {"seed": seed, "model": {"size": size}}
    return Run(Path("sweep") / name, state, config=config, figures=figures, **more)


def test_mean_and_spread_over_seeds() -> None:
    runs = [
        job("0", 1, 64, 0.30),
        job("1", 2, 64, 0.50),
        job("2", 1, 128, 0.35),
        job("3", 2, 128, None),
        job("4", 1, 32, None),
        Run(Path("sweep/5"), FAILED, "too small."),
        Run(Path("sweep/6"), FAILED, "too small."),
    ]
    places = rank(numbered(runs))
    assert [[r.label for r in p.runs] for p in places] == [
        ["job 2", "job 3"],
        ["job 0", "job 1"],
        ["job 4"],
        ["job 5"],
        ["job 6"],
    ]
    assert [p.settings.get("model.size") for p in places] == [128, 64, 32, None, None]
    assert places[0].mean == 0.35
    assert places[0].spread is None
    assert places[1].mean == pytest.approx(0.4)
    assert places[1].spread == pytest.approx(0.2 / 2**0.5)  # of 0.3 and 0.5, n - 1
    assert [p.mean for p in places[2:]] == [None, None, None]
