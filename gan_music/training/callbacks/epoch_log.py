"""One log line for each epoch, and the training time."""

from __future__ import annotations

import logging
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gan_music.models.base import MusicModel

log = logging.getLogger(__name__)

_FIGURES = (
    ("loss_d", "train/loss_d"),
    ("loss_g", "train/loss_g"),
    ("accuracy_d", "train/accuracy_d"),
    ("val nll", "val/nll"),
    ("val distance", "val/distance"),
    ("overlap", "val/oa_mean"),
    ("precision", "val/precision"),
    ("coverage", "val/coverage"),
)


class EpochLog(Callback):
    """Logs an epoch's figures in one line, and measures the training time.

    ``seconds`` is the wall time from the start of fitting to the end of the last complete epoch,
    validation included, summed over resumed calls; what an interrupted call did after the
    checkpoint that the next one resumes from is not counted. NaN where the checkpoint of a resumed
    run has no time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._within_epoch = False

    def state_dict(self) -> dict[str, Any]:
        so_far = time.monotonic() - self._counted if self._within_epoch else 0.0
        return {"seconds": self.seconds + so_far}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # fitting the style prior or n-gram counts, before the first batch, is training time
        self._counted = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fit_loop.total_batch_idx >= 0 and not self.seconds:
            self.seconds = float("nan")
        self._start_epoch()  # on_train_epoch_start is not called where a run resumes in an epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start_epoch()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicModel)
        now = time.monotonic()
        self.seconds += now - self._counted
        self._counted, self._within_epoch = now, False
        metrics, phase = trainer.callback_metrics, pl_module.phase
        figures = [f"{k} {float(metrics[key]):.3f}" for k, key in _FIGURES if key in metrics]
        log.info(
            "epoch %d/%d%s: %s (%.0f s)",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            f" ({phase})" if phase else "",
            ", ".join(figures),
            now - self._epoch_start,
        )

    def _start_epoch(self) -> None:
        self._epoch_start, self._within_epoch = time.monotonic(), True
