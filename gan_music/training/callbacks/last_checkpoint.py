"""``last.ckpt``: when it is written, how, and how a run resumes from it.

Not ``ModelCheckpoint(save_on_exception=True)``: it would save within a batch, with weights, counts
and random states that do not belong together, whereas a signal here waits for the batch to end.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.system import signals
from gan_music.system.atomic_files import atomic_write
from gan_music.training import loggers

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints that are on the disk in full, or not at all, even after a power cut.

    Lightning's own writes to the system's temporary folder, which may be another disk, and does not
    flush the file.

    Parameters
    ----------
    checked : the content that a run resumes from, so that a file which is replaced after it was
        checked is not read; None reads the file.
    """

    def __init__(self, checked: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.checked = checked

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

    def load_checkpoint(self, path: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        """What was checked, or else the file's content; in either case in today's schema."""
        content, self.checked = self.checked, None  # which is large
        if content is None:
            content = load_checkpoint(Path(path), to_train=True).training
        assert content is not None
        return content


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` after each epoch, every so many batches, and before an interruption.

    Within an epoch it is written at the end of a batch, with the state of the data loader and the
    random states, so that the resumed run continues with the next batch.

    Parameters
    ----------
    every_n_batches : None writes it after epochs only.
    keeps_end : whether a run that had ended early, by patience for instance, ends when resumed.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_n_batches: int | None,
        keeps_end: bool,
    ) -> None:
        self.path, self.every_n_batches = path, every_n_batches
        self.keeps_end = keeps_end
        self._has_ended = False

    def state_dict(self) -> dict[str, Any]:
        return {"has_ended": self._has_ended}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        has_ended = checkpoint["callbacks"].get(self.state_key, {}).get("has_ended", False)
        if has_ended and self.keeps_end:
            trainer.should_stop = True
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        batch_number = int(batches["total"]["ready"])
        where = (
            f"after epoch {checkpoint['epoch'] + 1}"
            if batches["is_last_batch"] or has_ended
            else f"after batch {batch_number}, within epoch {checkpoint['epoch'] + 1}"
        )
        log.info("resuming %s: %s", where, self.path.parent.parent)
        if trainer.is_global_zero:
            loggers.remove_from(trainer.loggers, batch_number)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # upon SIGTERM Lightning's own would end validation, or the epoch, without a checkpoint
        signals.take_over()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *arguments: Any
    ) -> None:
        # the last batch of an epoch is followed by validation, and by on_train_epoch_end
        if trainer.is_last_batch or trainer.should_stop:
            return
        batch_number = trainer.fit_loop.total_batch_idx + 1
        due = self.every_n_batches is not None and batch_number % self.every_n_batches == 0
        # several processes would stop on different batches
        if due or (signals.received() and trainer.world_size == 1):
            self._save(trainer)
        signals.raise_received()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._has_ended = trainer.should_stop
        self._save(trainer)
        signals.raise_received()

    def _save(self, trainer: Trainer) -> None:
        # first the scalars up to here, which a resumed run does not log again
        if trainer.is_global_zero:
            loggers.flush(trainer.loggers)
        trainer.save_checkpoint(self.path)
