"""``gan_music.train`` with a callback that records each process in ``probe<rank>.pt``.

A module, since Lightning starts the other processes by the module's name.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

import gan_music.training.run
from gan_music.train import main

_build_trainer = gan_music.training.run.build_trainer


class Probe(Callback):
    """Records batches, gradients, random states, weights and figures, in order."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Any]] = {
            name: []
            for name in ("batches", "gradients", "random", "averaged", "weights", "figures")
        }

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, index: int) -> None:
        self.seen["batches"].append((trainer.current_epoch, batch.x.clone()))
        self.seen["random"].append(torch.get_rng_state())

    def on_before_optimizer_step(self, trainer: Trainer, module: Any, optimizer: Any) -> None:
        (group,) = optimizer.param_groups
        gradients = [p.grad.flatten() for p in group["params"]]
        self.seen["gradients"].append((group["network"], torch.cat(gradients).clone()))

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        state = module.state_dict()
        for name in ("averaged", "weights"):
            kept = {
                k: v.clone()
                for k, v in state.items()
                if k.startswith("averaged") == (name == "averaged")
            }
            self.seen[name].append(kept)
        alarm = next(c for c in trainer.callbacks if type(c).__name__ == "CollapseAlarm")
        figures = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
        self.seen["figures"].append(figures | alarm.state_dict())

    def on_fit_end(self, trainer: Trainer, module: Any) -> None:
        torch.save(self.seen, f"probe{trainer.global_rank}.pt")


def _with_probe(*arguments: Any) -> Trainer:
    trainer = _build_trainer(*arguments)
    trainer.callbacks.append(Probe())
    return trainer


if __name__ == "__main__":
    gan_music.training.run.build_trainer = _with_probe
    main()
