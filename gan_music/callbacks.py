"""What happens beside the updates: the measure of samples after each epoch, and a line about it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from lightning.pytorch import Callback, LightningModule, Trainer

from gan_music.metrics.basic import compare, describe
from gan_music.models.base import MusicGAN
from gan_music.notes import Piece

log = logging.getLogger(__name__)


class SampleQuality(Callback):
    """After each epoch: samples of the averaged generator against held-out music.

    The same noise each time, so that epochs can be compared. Logs ``val/distance`` (the mean of
    the three histogram distances), what the samples are like, and ``val/selection``, by which
    checkpoints are chosen: the distance, plus 1 in a warm start.
    """

    def __init__(
        self, reference: Sequence[Piece], *, n_windows: int, window: int, seed: int
    ) -> None:
        self.reference = reference
        self.n_windows, self.window, self.seed = n_windows, window, seed

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicGAN)
        pieces = pl_module.sample(
            n_pieces=self.n_windows,
            n_notes=self.window,
            seed=self.seed,
        )
        figures = compare(pieces, self.reference) | describe(pieces)
        del figures["n_notes"]
        # the best checkpoint is one of the GAN's: whatever is to be outgrown ranks behind it
        figures["selection"] = figures["distance"] + (1.0 if pl_module.phase else 0.0)
        pl_module.log_dict({f"val/{k}": float(v) for k, v in figures.items()})


class EpochLine(Callback):
    """One line an epoch, for the log and for screens without a progress bar."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicGAN)
        figures, phase = trainer.callback_metrics, pl_module.phase
        words = [
            f"{label} {float(figures[key]):.3f}"
            for label, key in (
                ("loss_d", "train/loss_d"),
                ("loss_g", "train/loss_g"),
                ("accuracy_d", "train/accuracy_d"),
                ("val nll", "val/nll"),
                ("val distance", "val/distance"),
                ("distinct 4-grams", "val/distinct_pitch_4grams"),
            )
            if key in figures
        ]
        log.info(
            "epoch %d/%d%s: %s (%.0f s)",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            f" ({phase})" if phase else "",
            ", ".join(words),
            time.monotonic() - self._start,
        )
