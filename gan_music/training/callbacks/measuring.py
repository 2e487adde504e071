"""What happens beside the updates: samples are measured, collapse is noticed, an epoch is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gan_music.metrics import collapse
from gan_music.metrics.sets.distance import distance
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece, windows_or_pieces

log = logging.getLogger(__name__)


class SampleQuality(Callback):
    """After each epoch: windows of the averaged generator's samples against held-out ones.

    The same noise each time, so that epochs can be compared. Samples are ``n_notes`` long and
    windows are cut from all of them, so that drift is seen. Logs ``val/distance`` and what it is
    made of (:func:`gan_music.metrics.sets.distance.distance`), and ``val/selection``, by which
    checkpoints are chosen: the distance, plus 1 in a warm start; of a model that is best at last,
    less for each epoch.
    """

    def __init__(
        self, reference: Sequence[Piece], *, n_windows: int, window: int, n_notes: int, seed: int
    ) -> None:
        self.reference = reference
        self.n_windows, self.window, self.n_notes = n_windows, window, n_notes
        self.seed = seed

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicModel)
        figures = self.measure(pl_module, self.seed) if trainer.is_global_zero else {}
        figures = trainer.strategy.broadcast(figures)  # all processes go by the first one's
        # the best checkpoint is one of the GAN's: whatever is to be outgrown ranks behind it
        figures["selection"] = figures["distance"] + (1.0 if pl_module.phase else 0.0)
        if pl_module.best_at_last:
            figures["selection"] = -float(trainer.current_epoch)
        pl_module.log_dict({f"val/{k}": float(v) for k, v in figures.items()})

    def measure(self, model: MusicModel, seed: int) -> dict[str, float]:
        """The distance of samples drawn with this seed, and what it is made of."""
        each = max(1, self.n_notes // self.window)
        pieces = model.sample(
            n_pieces=-(-self.n_windows // each),
            n_notes=min(self.n_notes, each * self.window),
            seed=seed,
        )
        return distance(windows_or_pieces(pieces, self.window, self.n_windows), self.reference)


class CollapseAlarm(Callback):
    """Every so many batches, and on an epoch's last: whether the averaged generator still writes
    different things.

    Logs ``collapse/<figure>`` (a share of the reference's, see
    :mod:`gan_music.metrics.collapse`) and ``collapse/verdict`` (0 healthy, 1 narrow, 2 collapsed),
    and says so when the verdict changes.

    Parameters
    ----------
    reference : windows of real music, as many as are drawn.
    patience : training stops once so many verdicts in a row outside a warm start are
        ``collapsed``; None never stops it.
    """

    def __init__(
        self,
        reference: Sequence[Piece],
        *,
        every_n_batches: int,
        window: int,
        seed: int,
        patience: int | None,
    ) -> None:
        self.n_windows = len(reference)
        self.reference = collapse.collapse_figures(reference)
        self.every_n_batches, self.window = every_n_batches, window
        self.seed, self.patience = seed, patience
        self.verdict: str | None = None
        self.first_collapse: int | None = None  # the batch
        self.n_in_a_row = 0
        self.has_stopped = False  # the training

    def state_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "first_collapse": self.first_collapse,
            "n_in_a_row": self.n_in_a_row,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.verdict = state_dict["verdict"]
        self.first_collapse = state_dict["first_collapse"]
        self.n_in_a_row = state_dict["n_in_a_row"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *arguments: Any
    ) -> None:
        number = trainer.fit_loop.total_batch_idx + 1
        if number % self.every_n_batches and not trainer.is_last_batch:
            return
        assert isinstance(pl_module, MusicModel)
        ratios = self._ratios(pl_module) if trainer.is_global_zero else {}
        # all processes go by the first one's, and stop together
        ratios = trainer.strategy.broadcast(ratios)
        verdict, figure = collapse.worst(ratios)
        if verdict is None:
            return
        level = (collapse.HEALTHY, collapse.NARROW, collapse.COLLAPSED).index(verdict)
        # past the module's own logging, which would keep only what falls on its interval
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"collapse/{k}": v for k, v in (ratios | {"verdict": float(level)}).items()},
                step=number - 1,
            )
        if verdict != self.verdict:
            why = f": {figure} is {ratios[figure]:.2f} of real music's" if figure else ""
            log.info("batch %d: the samples are %s%s", number, verdict, why)
        self.verdict = verdict
        cosine_decay = verdict == collapse.COLLAPSED and not pl_module.phase
        if cosine_decay and self.first_collapse is None:
            self.first_collapse = number
        self.n_in_a_row = self.n_in_a_row + 1 if cosine_decay else 0
        if self.patience is not None and self.n_in_a_row >= self.patience:
            log.warning("collapsed %d times in a row: training stops", self.n_in_a_row)
            trainer.should_stop = self.has_stopped = True

    def _ratios(self, model: MusicModel) -> dict[str, float]:
        pieces = model.sample(n_pieces=self.n_windows, n_notes=self.window, seed=self.seed)
        return collapse.relative_to(collapse.collapse_figures(pieces), self.reference)

    def summary(self) -> dict[str, Any]:
        """What to keep of it once training has ended."""
        return {"last_verdict": self.verdict, "first_collapsed_batch": self.first_collapse}


class Pruning(Callback):
    """After each epoch: whether a trial of a search is worth going on with.

    Parameters
    ----------
    report : takes the validation distance and the epoch, from 0; whether to give up.
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


class EpochLine(Callback):
    """One line an epoch, for the log and for screens without a progress bar; and the clock.

    ``seconds`` is the wall time from the start of fitting to the end of the last whole epoch,
    validation included, summed over the calls of a run that was resumed: what a call did after
    the checkpoint that the next one goes on from does not count. NaN if the checkpoint that was
    resumed does not know what came before it.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._within = False  # an epoch

    def state_dict(self) -> dict[str, Any]:
        so_far = time.monotonic() - self._counted if self._within else 0.0
        return {"seconds": self.seconds + so_far}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # what is counted before the first batch is training, too
        self._counted = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fit_loop.total_batch_idx >= 0 and not self.seconds:
            self.seconds = float("nan")
        self._start_epoch()  # one that goes on in its middle is not started again

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start_epoch()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicModel)
        now = time.monotonic()
        self.seconds += now - self._counted
        self._counted, self._within = now, False
        figures, phase = trainer.callback_metrics, pl_module.phase
        words = [
            f"{label} {float(figures[key]):.3f}"
            for label, key in (
                ("loss_d", "train/loss_d"),
                ("loss_g", "train/loss_g"),
                ("accuracy_d", "train/accuracy_d"),
                ("val nll", "val/nll"),
                ("val distance", "val/distance"),
                ("overlap", "val/oa_mean"),
                ("precision", "val/precision"),
                ("coverage", "val/coverage"),
            )
            if key in figures
        ]
        log.info(
            "epoch %d/%d%s: %s (%.0f s)",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            f" ({phase})" if phase else "",
            ", ".join(words),
            now - self._start,
        )

    def _start_epoch(self) -> None:
        self._start, self._within = time.monotonic(), True
