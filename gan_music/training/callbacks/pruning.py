"""Pruning of a search's trials by Optuna."""

from __future__ import annotations

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer


class Pruning(Callback):
    """After each epoch: stops a trial that the search prunes.

    Parameters
    ----------
    report : takes the validation distance and the epoch, from 0; returns whether to prune.
    """

    def __init__(self, report: Callable[[float, int], bool]) -> None:
        self.report = report
        self.reason: str | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        distance = float(trainer.callback_metrics["val/distance"])
        if self.report(distance, trainer.current_epoch):
            self.reason = (
                f"after epoch {trainer.current_epoch + 1} a validation distance of {distance:.3f} "
                "is worse than the median of the trials before it."
            )
            trainer.should_stop = True
