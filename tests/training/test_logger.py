"""TensorBoard keeps so many points of a scalar, whatever a run's length."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_music.training.logger import TensorBoardScalars
from tests.conftest import Command


def points(folder: Path) -> dict[str, list[int]]:
    """The steps of each scalar in a run's folder."""
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize(
    ("at_most", "n_batches", "often", "seldom"),
    [
        (2, 100, [0, 99], [9, 99]),
        (5, 100, [0, 25, 50, 75, 99], [9, 29, 59, 79, 99]),
        (100, 100, list(range(100)), list(range(9, 100, 10))),
        (10**9, 100, list(range(100)), list(range(9, 100, 10))),
        (50, 1, [0], []),
    ],
)
def test_points_are_spread_over_the_batches_of_a_run(
    tmp_path: Path, at_most: int, n_batches: int, often: list[int], seldom: list[int]
) -> None:
    scalars = TensorBoardScalars(tmp_path, at_most=at_most, n_batches=lambda: n_batches)
    for step in range(n_batches):
        scalars.log_metrics({"often": 0.5}, step)
        if step % 10 == 9:
            scalars.log_metrics({"seldom": 0.5}, step)
    scalars.log_metrics({"at the end": 1.0})
    scalars.experiment.close()
    kept = points(tmp_path)
    assert kept.pop("at the end") == [0]
    assert kept == {"often": often} | ({"seldom": seldom} if seldom else {})


def test_a_run_keeps_no_more_than_it_is_told_to(train: Command, tmp_path: Path) -> None:
    words = ("trainer.max_epochs=7", "collapse.every_n_batches=1", "model.warm_start_epochs=0")
    for name, at_most in (("few", 4), ("all", 20000)):
        done = train(*words, f"trainer.log_at_most={at_most}", f"hydra.run.dir={name}")
        assert done.returncode == 0, done.stderr
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
