"""Watches samples for mode collapse while training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gan_music.decoding.request import SampleRequest
from gan_music.metrics import collapse
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece

log = logging.getLogger(__name__)

# attribute -> name in checkpoints
_STATE = {
    "variety": "verdict",
    "last_variety": "last_verdict",
    "first_collapse": "first_collapse",
    "n_in_a_row": "n_in_a_row",
}
_OLD_WORD = "healthy"  # for varied
_LEVELS = {collapse.VARIED: 0.0, collapse.NARROW: 1.0, collapse.COLLAPSED: 2.0}


class CollapseAlarm(Callback):
    """Every so many batches, and on the last batch of an epoch: the diversity of samples.

    Logs ``collapse/<figure>``, as a ratio to that of real music
    (:mod:`gan_music.metrics.collapse`), and ``collapse/variety`` (0 varied, 1 narrow, 2
    collapsed, nothing if undefined); a change of it is logged as text.

    Parameters
    ----------
    reference : windows of real music; as many are sampled.
    patience : how often in a row samples must be ``collapsed``, outside a warm start, to stop
        training; None never stops it.
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
        self.variety: str | None = None
        # outside a warm start
        self.last_variety: str | None = None
        self.first_collapse: int | None = None  # the batch
        self.n_in_a_row = 0
        self.has_stopped = False  # the training

    def state_dict(self) -> dict[str, Any]:
        return {key: getattr(self, name) for name, key in _STATE.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, key in _STATE.items():
            value = state_dict.get(key)  # last_verdict is newer than the others
            setattr(self, name, collapse.VARIED if value == _OLD_WORD else value)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *arguments: Any
    ) -> None:
        batch_number = trainer.fit_loop.total_batch_idx + 1
        if batch_number % self.every_n_batches and not trainer.is_last_batch:
            return
        assert isinstance(pl_module, MusicModel)
        figures = self._figures(pl_module) if trainer.is_global_zero else {}
        # computed by rank 0 alone, so that all processes stop on the same batch
        figures = trainer.strategy.broadcast(figures)
        variety, reason = collapse.variety(figures, self.reference)
        ratios = collapse.relative_to(figures, self.reference)
        logged = {k: v for k, v in ratios.items() if v == v}
        if variety in _LEVELS:
            logged["variety"] = _LEVELS[variety]
        # not by the module, whose logging keeps every n-th batch alone
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"collapse/{k}": v for k, v in logged.items()}, step=batch_number - 1
            )
        if variety != self.variety:
            why = f": {reason}" if reason else ""
            log.info("batch %d: the variety of the samples is %s%s", batch_number, variety, why)
        self.variety = variety
        if not pl_module.phase:
            self.last_variety = variety
        has_collapsed = variety == collapse.COLLAPSED and not pl_module.phase
        if has_collapsed and self.first_collapse is None:
            self.first_collapse = batch_number
        self.n_in_a_row = self.n_in_a_row + 1 if has_collapsed else 0
        if self.patience is not None and self.n_in_a_row >= self.patience:
            log.warning("collapsed %d times in a row: training stops", self.n_in_a_row)
            trainer.should_stop = self.has_stopped = True

    def _figures(self, model: MusicModel) -> dict[str, float]:
        request = SampleRequest(n_pieces=self.n_windows, length=self.window, seed=self.seed)
        pieces = model.sample(request)
        return collapse.collapse_figures(pieces)

    def summary(self) -> dict[str, Any]:
        """The variety outside a warm start, for ``metrics.json``."""
        return {"last_variety": self.last_variety, "first_collapsed_batch": self.first_collapse}
