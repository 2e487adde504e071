"""Handling of NaN and infinity in training: the run stops, or rolls back.

Each gradient is checked by its norm, before the optimizer's step: the norm is one number, and it is
finite only where every gradient is. A loss that is not finite has no finite gradient.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from gan_music.system.errors import UserError

log = logging.getLogger(__name__)

_NETWORKS = {"g": "generator", "d": "discriminator"}
_LR_FACTOR = 0.5  # of the learning rates, with each rollback


class NonFiniteError(UserError):
    """A loss, a gradient or a weight is NaN or infinite."""


class NaNGuard:
    """Stops a run at a loss or gradient that is not finite, or rolls it back.

    A rollback restores all weights and optimizer states from the start of the epoch, and halves the
    learning rates. Batch counts are not restored: training continues with the next batch.

    Parameters
    ----------
    max_rollbacks : rollbacks before the run is stopped.
    """

    def __init__(self, max_rollbacks: int = 0) -> None:
        self.max_rollbacks = max_rollbacks
        self.n_rollbacks = 0
        self._last_batch = 0  # the batch of the last rollback
        self._snapshot: tuple[dict[str, Tensor], list[Any]] | None = None

    @property
    def lr_factor(self) -> float:
        """The factor of all learning rates."""
        return _LR_FACTOR**self.n_rollbacks

    def save(self, module: nn.Module, trainer: Trainer) -> None:
        """Copy weights and optimizer states for a rollback, if all weights are finite."""
        if self.max_rollbacks and not not_finite(dict(module.named_parameters())):
            weights = {name: p.detach().clone() for name, p in module.named_parameters()}
            states = [deepcopy(o.state_dict()["state"]) for o in trainer.optimizers]
            self._snapshot = weights, states

    def reject(self, what: str, module: nn.Module, trainer: Trainer) -> None:
        """Roll back, and zero all gradients so that this batch's optimizer steps change nothing.

        Raises
        ------
        NonFiniteError
            If no rollback is left; ``what`` describes the loss or gradient.
        """
        batch = trainer.fit_loop.total_batch_idx + 1
        where = f"epoch {trainer.current_epoch + 1}, batch {batch}: {what}"
        if batch != self._last_batch:  # both networks' gradients on one batch cost one rollback
            if self._snapshot is None or self.n_rollbacks >= self.max_rollbacks:
                raise NonFiniteError(f"{where}; {self._advice(trainer.default_root_dir)}")
            self.n_rollbacks, self._last_batch = self.n_rollbacks + 1, batch
            log.warning(
                "%s; rolled back to the weights at the start of the epoch, with learning rates %g "
                "times the original ones (rollback %d of %d)",
                *(where, self.lr_factor, self.n_rollbacks, self.max_rollbacks),
            )
            self._restore(module, trainer, *self._snapshot)
        for optimizer in trainer.optimizers:
            optimizer.zero_grad()

    @staticmethod
    def _restore(
        module: nn.Module, trainer: Trainer, weights: dict[str, Tensor], states: list[Any]
    ) -> None:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(weights[name])
        for optimizer, state in zip(trainer.optimizers, states, strict=True):
            for group in optimizer.param_groups:
                group["lr"] *= _LR_FACTOR
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": deepcopy(state), "param_groups": groups})

    def _advice(self, folder: str) -> str:
        if self.n_rollbacks:
            return (
                f"the learning rates are {self.lr_factor:g} times the original ones already: start "
                "a new run with lower ones."
            )
        last = Path(folder, "checkpoints", "last.ckpt")
        if not last.exists():
            return "start a new run with a lower learning rate, or with trainer.max_rollbacks=5."
        return (
            "the last checkpoint is from before: start a new run with a lower learning rate, or "
            f"resume={last} trainer.max_rollbacks=5."
        )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of tensors that hold a NaN or an infinity."""
    return [n for n, t in tensors.items() if not t.isfinite().all()]


def describe(network: str, terms: Mapping[str, Tensor]) -> str:
    """The terms of a network's loss that are not finite, or its gradient where all terms are."""
    name = _NETWORKS.get(network, network)
    values = ", ".join(f"{term} {float(value):.4g}" for term, value in terms.items())
    if wrong := not_finite(terms):
        return f"{' and '.join(wrong)} in the loss of the {name} is not finite ({values})"
    return f"the gradient of the {name} is not finite{f', at {values}' if values else ''}"
