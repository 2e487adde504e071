"""The number of points of a scalar is bounded, whatever the length of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_music.training.logger import TensorBoardScalars
from tests.conftest import Command, events_of, succeed


def points(folder: Path) -> dict[str, list[int]]:
    """The steps of each scalar in a run's folder."""
    events = events_of(folder)
    return {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize(
    ("at_most", "n_batches", "frequent", "rare"),
    [
        (2, 100, [0, 99], [9, 99]),
        (5, 100, [0, 25, 50, 75, 99], [9, 29, 59, 79, 99]),
        (100, 100, list(range(100)), list(range(9, 100, 10))),
        (10**9, 100, list(range(100)), list(range(9, 100, 10))),
        (50, 1, [0], []),
    ],
)
def test_points_are_spread_evenly_over_a_run(
    tmp_path: Path, at_most: int, n_batches: int, frequent: list[int], rare: list[int]
) -> None:
    scalars = TensorBoardScalars(tmp_path, at_most=at_most, n_batches=lambda: n_batches)
    for step in range(n_batches):
        scalars.log_metrics({"frequent": 0.5}, step)
        if step % 10 == 9:
            scalars.log_metrics({"rare": 0.5}, step)
    scalars.log_metrics({"at the end": 1.0})
    scalars.experiment.close()
    kept = points(tmp_path)
    assert kept.pop("at the end") == [0]
    assert kept == {"frequent": frequent} | ({"rare": rare} if rare else {})


def test_a_run_keeps_at_most_log_at_most_points(train: Command, tmp_path: Path) -> None:
    words = ("trainer.max_epochs=7", "collapse.every_n_batches=1", "model.warm_start_epochs=0")
    for name, at_most in (("few", 4), ("all", 20000)):
        succeed(train(*words, f"trainer.log_at_most={at_most}", f"hydra.run.dir={name}"))
    few, every = points(tmp_path / "few"), points(tmp_path / "all")
    assert few.keys() == every.keys()
    assert len(every["val/distance"]) == 7
    last = every["val/distance"][-1]
    for tag, steps in few.items():
        assert len(steps) <= 4, tag
        assert set(steps) <= set(every[tag]), tag
        assert steps[-1] == every[tag][-1], tag
    assert few["collapse/verdict"][-1] == last
    assert len(few["train/loss_d"]) == 4 < len(every["train/loss_d"]) == last + 1
