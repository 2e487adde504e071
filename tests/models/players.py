"""Trainers without surroundings, and which player of a GAN of events moves when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from gan_music.models.event_model import EventModel
from gan_music.representations.note_events import METERS


class Watch(Callback):
    """Which player moved on each batch."""

    def __init__(self) -> None:
        self.moved: list[str] = []

    def on_train_batch_start(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        self.before = {n: p.detach().clone() for n, p in module.named_parameters()}

    def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        changed = {
            n.split(".")[0]
            for n, p in module.named_parameters()
            if not torch.equal(p, self.before[n])
        }
        self.moved.append("".join(x[0] for x in ("generator", "discriminator") if x in changed))


def make_trainer(folder: Path, epochs: int, **settings: Any) -> Trainer:
    """One that leaves nothing but what it did to the model."""
    return Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **settings,
    )


def fit(
    model: EventModel, folder: Path, *callbacks: Callback, n_batches: int, epochs: int = 1
) -> Watch:
    """Fit a model to any events, some of them padding, in batches of four."""
    torch.manual_seed(1)
    sizes = (*model.codec.sizes, model.codec.n_positions, len(METERS))
    windows = torch.stack([torch.randint(0, n, (4 * n_batches, 10)) for n in sizes], -1)
    windows[:, 0, -2] = model.codec.offset_bins[0]
    windows[0, 6:] = -1  # padding
    watch = Watch()
    data: DataLoader[Tensor] = DataLoader(windows, batch_size=4)  # type: ignore[arg-type]
    make_trainer(folder, epochs, callbacks=[watch, *callbacks]).fit(model, data)
    return watch
