"""A progress bar of the whole run on a terminal.

Not a ``TQDMProgressBar``: it has a bar for each epoch and each validation, so that every hook would
have to be overridden.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from gan_music.data.batch import Batch
from gan_music.models.base import MusicModel
from gan_music.training.callbacks.collapse_alarm import CollapseAlarm

_EVERY = 0.5  # seconds between reads of figures, each of which synchronises with the GPU
_FIGURES = (
    ("loss_d", "train/loss_d"),
    ("loss_g", "train/loss_g"),
    ("nll", "train/nll"),
    ("squared error", "train/squared_error"),
)


class RunProgressBar(Callback):
    """Epoch, share of all batches, time left, losses, variety and examples (``unit``) a second.

    Log lines are printed above the bar, which is removed at the end. The speed is that of this
    epoch's batches without the time between them; the time left includes it.
    """

    def __init__(self, alarm: CollapseAlarm, *, unit: str) -> None:
        self.alarm, self.unit = alarm, unit
        self._bar: tqdm[Any] | None = None
        self._open = ExitStack()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._open.enter_context(logging_redirect_tqdm([logging.root]))
        self._bar = self._open.enter_context(
            tqdm(
                total=int(trainer.num_training_batches) * (trainer.max_epochs or 1),
                initial=trainer.fit_loop.total_batch_idx + 1,
                bar_format="{desc} {percentage:3.0f} %|{bar:12}| {remaining} left{postfix}",
                dynamic_ncols=True,
                leave=False,
                disable=not trainer.is_global_zero,
                smoothing=0.02,  # validation at the end of an epoch takes as long as many batches
                mininterval=_EVERY,
            )
        )
        # on_train_epoch_start is not called where a run resumes within an epoch
        self._start_epoch(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start_epoch(trainer, pl_module)

    def _start_epoch(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicModel)
        assert self._bar is not None
        phase = f" ({pl_module.phase})" if pl_module.phase else ""
        text = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{phase}"
        self._bar.set_description_str(text, refresh=False)
        self._n_examples, self._seconds, self._last_read = 0, 0.0, 0.0

    def on_train_batch_start(self, *arguments: Any) -> None:
        self._batch_start = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        assert self._bar is not None
        now = time.monotonic()
        self._n_examples += len(batch.x)
        self._seconds += now - self._batch_start
        if now - self._last_read >= _EVERY:
            self._last_read = now
            self._bar.set_postfix_str(self._figures(trainer))
        self._bar.update()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._open.close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._open.close()

    def _figures(self, trainer: Trainer) -> str:
        known = trainer.callback_metrics
        words = [f"{name} {float(known[key]):.2f}" for name, key in _FIGURES if key in known]
        if self.alarm.variety is not None:
            words.append(self.alarm.variety)
        words.append(f"{self._n_examples / max(self._seconds, 1e-9):,.0f} {self.unit}/s")
        return ", ".join(words)
