"""The ranking of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gan_music.page.content import labelled
from gan_music.page.record import FINISHED, UNFINISHED, Run
from gan_music.page.sweep_table import rank
from gan_music.runs.status import FAILED


def job(name: str, seed: int, size: int, distance: float | None, **more: Any) -> Run:
    figures = None if distance is None else {"val_distance": distance, "verdict": "healthy"}
    state = FINISHED if figures else UNFINISHED
    config = {"seed": seed, "model": {"size": size}}
    return Run(Path("sweep") / name, state, config=config, figures=figures, **more)


def test_mean_and_deviation_over_seeds() -> None:
    runs = [
        job("0", 1, 64, 0.30),
        job("1", 2, 64, 0.50),
        job("2", 1, 128, 0.35),
        job("3", 2, 128, None),
        job("4", 1, 32, None),
        Run(Path("sweep/5"), FAILED, "too small."),
        Run(Path("sweep/6"), FAILED, "too small."),
    ]
    rows = rank(labelled(runs))
    assert [[r.label for r in row.runs] for row in rows] == [
        ["job 2", "job 3"],
        ["job 0", "job 1"],
        ["job 4"],
        ["job 5"],
        ["job 6"],
    ]
    assert [row.settings.get("model.size") for row in rows] == [128, 64, 32, None, None]
    assert rows[0].mean == 0.35
    assert rows[0].deviation is None
    assert rows[1].mean == pytest.approx(0.4)
    assert rows[1].deviation == pytest.approx(0.2 / 2**0.5)  # of 0.3 and 0.5, n - 1
    assert [row.mean for row in rows[2:]] == [None, None, None]
