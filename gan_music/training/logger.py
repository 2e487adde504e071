"""The scalars of a run in TensorBoard: no more points of each than a setting allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


class TensorBoardScalars(TensorBoardLogger):
    """Keeps ``at_most`` points of each scalar of a run, spread evenly over its batches.

    A run of no more batches keeps them all. Of a longer one, the batches are parted into as many
    stretches, the last batch one of its own, and the first point in each is kept. What this process
    has kept is all that it knows: a run that is resumed within a stretch keeps one more in it.

    Parameters
    ----------
    folder : of the run; files lie in ``tensorboard`` there.
    at_most : 2 or more.
    n_batches : of the whole run; asked once it has begun.
    """

    def __init__(self, folder: Path, *, at_most: int, n_batches: Callable[[], int]) -> None:
        super().__init__(folder, name="", version="tensorboard", default_hp_metric=False)
        self.at_most, self.n_batches = at_most, n_batches
        self._kept: dict[str, int] = {}  # the stretch of each scalar's newest point

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Keep what is due of the scalars after batch ``step``, from 0; without a step, all."""
        if step is not None:
            # what is measured after the last batch comes one step later
            last = max(1, self.n_batches() - 1)
            stretch = min(step * (self.at_most - 1) // last, self.at_most - 1)
            metrics = {k: v for k, v in metrics.items() if self._kept.get(k) != stretch}
            self._kept |= dict.fromkeys(metrics, stretch)
        super().log_metrics(dict(metrics), step)
