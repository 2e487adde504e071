"""Checkpoints while training: when ``last.ckpt`` is written, how, and how a run goes on from it."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from gan_music.system.atomic_files import atomic_write
from gan_music.system.signals import DeferredSignals

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are on the disk in full, or not at all, whatever ends the process.

    Lightning's own moves a file from the system's temporary folder, which copies it where that is
    another disk, and waits for no disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # in memory first: torch hides why a file could not be written
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(path, durable=True) as temporary:
            temporary.write_bytes(content.getbuffer())


class LastCheckpoint(Checkpoint):
    """``last.ckpt``: after each epoch, every so many batches within it, and before an interruption.

    Within an epoch it is written once a batch is over, so that a run goes on with the next one:
    the loader and the random states are in it, too.

    Parameters
    ----------
    every_n_batches : None writes it after epochs only.
    interruption : Ctrl-C and SIGTERM, which wait for a checkpoint here.
    keep_end : of a run that had ended its training early, a checkpoint ends it again; otherwise
        training goes on.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_n_batches: int | None,
        interruption: DeferredSignals,
        keep_end: bool,
    ) -> None:
        self.path, self.every_n_batches = path, every_n_batches
        self.interruption, self.keep_end = interruption, keep_end
        self._has_ended = False

    def state_dict(self) -> dict[str, Any]:
        return {"has_ended": self._has_ended}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = checkpoint["callbacks"].get(self.state_key, {})
        if state.get("has_ended", False) and self.keep_end:
            trainer.should_stop = True
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        number = int(batches["total"]["ready"])
        where = (
            f"after epoch {checkpoint['epoch'] + 1}"
            if batches["is_last_batch"] or state.get("has_ended", False)
            else f"after batch {number}, within epoch {checkpoint['epoch'] + 1}"
        )
        log.info("going on %s: %s", where, self.path.parent.parent)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                _forget_from(logger, number)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *arguments: Any
    ) -> None:
        # after an epoch's last batch it is measured, and saved with what was found
        if trainer.is_last_batch or trainer.should_stop:
            return
        number = trainer.fit_loop.total_batch_idx + 1
        due = self.every_n_batches is not None and number % self.every_n_batches == 0
        if due or self.interruption.pending:
            self._save(trainer)
        self.interruption.raise_pending()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._has_ended = trainer.should_stop
        self._save(trainer)
        self.interruption.raise_pending()

    def _save(self, trainer: Trainer) -> None:
        # the curves up to here are part of what is kept
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                logger.experiment.flush()
        trainer.save_checkpoint(self.path)


def _forget_from(logger: TensorBoardLogger, batch: int) -> None:
    """Have TensorBoard leave out what was logged from this batch on: it is trained on again."""
    writer = logger.experiment._get_file_writer()
    writer.add_event(Event(step=batch, session_log=SessionLog(status=SessionLog.START)))
