"""What becomes of a number that goes wrong while training: the run stops, or steps back.

A gradient is looked at once it has been taken and before a weight has moved, by its norm: one
number, whatever the size of the network, and not finite where any of the gradient's is not. A loss
that is not finite has no finite gradient.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from gan_music.models.base import MusicModel

log = logging.getLogger(__name__)

_PLAYERS = {"g": "generator", "d": "discriminator"}
_SLOWER = 0.5  # times the learning rates, with each step back


class NonFiniteError(UserError):
    """A loss, a gradient or a weight is NaN or infinite."""


class NaNGuard:
    """Stops a run whose numbers go wrong, or has it step back.

    A step back restores all weights, and what the optimizers know of them, as they were when the
    epoch began, and halves the learning rates. Counters go on, so that the run sees the batches
    that follow.

    Parameters
    ----------
    max_rollbacks : how often a run may step back; 0 stops it at once.
    """

    def __init__(self, max_rollbacks: int = 0) -> None:
        self.max_rollbacks = max_rollbacks
        self.n_taken = 0
        self._last_step = 0  # the batch
        self._kept: tuple[dict[str, Tensor], list[Any]] | None = None

    @property
    def rate(self) -> float:
        """What learning rates are multiplied by."""
        return _SLOWER**self.n_taken

    def keep(self, model: MusicModel) -> None:
        """Remember weights and optimizers as they are now, if all weights are finite."""
        if self.max_rollbacks and not not_finite(dict(model.named_parameters())):
            weights = {name: p.detach().clone() for name, p in model.named_parameters()}
            states = [deepcopy(o.state_dict()["state"]) for o in model.trainer.optimizers]
            self._kept = weights, states

    def refuse(self, model: MusicModel, what: str) -> None:
        """Step back from what is wrong on this batch; a step of an optimizer then moves nothing.

        Raises
        ------
        NonFiniteError
            If no step back is left.
        """
        batch = model.trainer.fit_loop.total_batch_idx + 1
        where = f"epoch {model.current_epoch + 1}, batch {batch}: {what}"
        if batch != self._last_step:  # what one batch does to both players costs one step
            if self._kept is None or self.n_taken >= self.max_rollbacks:
                raise NonFiniteError(f"{where}; {self._what_to_do(model)}")
            self.n_taken, self._last_step = self.n_taken + 1, batch
            log.warning(
                "%s; back to the weights that the epoch began with, and on with learning rates "
                "%g times what they were (step back %d of %d)",
                *(where, self.rate, self.n_taken, self.max_rollbacks),
            )
            self._restore(model, *self._kept)
        for optimizer in model.trainer.optimizers:
            optimizer.zero_grad()

    def _restore(self, model: MusicModel, weights: dict[str, Tensor], states: list[Any]) -> None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(weights[name])
        for optimizer, state in zip(model.trainer.optimizers, states, strict=True):
            for group in optimizer.param_groups:
                group["lr"] *= _SLOWER
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": deepcopy(state), "param_groups": groups})

    def _what_to_do(self, model: MusicModel) -> str:
        if self.n_taken:
            return (
                f"so it is at {self.rate:g} times the learning rates: start anew with other ones."
            )
        last = Path(model.trainer.default_root_dir, "checkpoints", "last.ckpt")
        if not last.exists():
            return "start anew with a lower learning rate, or with trainer.max_rollbacks=5."
        return (
            f"the last checkpoint is as it was before: start anew with a lower learning rate, or "
            f"go on with resume={last} trainer.max_rollbacks=5."
        )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of those that hold a NaN or an infinity."""
    return [n for n, t in tensors.items() if not t.isfinite().all()]


def describe(player: str, terms: Mapping[str, Tensor]) -> str:
    """Which terms of a player's loss are not finite; where all are, it is the gradient alone."""
    name = _PLAYERS.get(player, player)
    values = ", ".join(f"{term} {float(value):.4g}" for term, value in terms.items())
    if wrong := not_finite(terms):
        return f"{' and '.join(wrong)} in the loss of the {name} is not finite ({values})"
    return f"the gradient of the {name} is not finite{f', at {values}' if values else ''}"
