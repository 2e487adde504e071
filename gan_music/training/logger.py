"""Scalars in TensorBoard, with a bound on the points of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


class TensorBoardScalars(TensorBoardLogger):
    """A TensorBoard logger that keeps at most ``at_most`` points of each scalar of a run.

    The run is divided into ``at_most`` equal intervals of batches, of which the last holds the last
    batch alone, and the first point in each interval is kept; a shorter run keeps every point. A
    run that is resumed within an interval keeps one more point there.

    Parameters
    ----------
    folder : of the run; event files are in its ``tensorboard``.
    at_most : 2 or more.
    n_batches : returns the batches of the whole run, which the trainer knows once it has started.
    """

    def __init__(self, folder: Path, *, at_most: int, n_batches: Callable[[], int]) -> None:
        super().__init__(folder, name="", version="tensorboard", default_hp_metric=False)
        self.at_most, self.n_batches = at_most, n_batches
        self._last_interval: dict[str, int] = {}  # of each scalar's newest point

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log scalars of batch ``step``, from 0, where they are due; all of them without a step."""
        if step is not None:
            # validation after the last batch is logged at one step more
            last = max(1, self.n_batches() - 1)
            interval = min(step * (self.at_most - 1) // last, self.at_most - 1)
            metrics = {k: v for k, v in metrics.items() if self._last_interval.get(k) != interval}
            self._last_interval |= dict.fromkeys(metrics, interval)
        super().log_metrics(dict(metrics), step)
