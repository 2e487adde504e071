"""Trainers that leave no files, batches of plain tensors, and which network each batch updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from gan_music.data.batch import Batch
from gan_music.models.event_model import EventModel
from gan_music.representations.meters import METERS


class Updates(Callback):
    """The networks that each batch has updated: ``g``, ``d`` or ``gd``."""

    def __init__(self) -> None:
        self.networks: list[str] = []

    def on_train_batch_start(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        self.before = {n: p.detach().clone() for n, p in module.named_parameters()}

    def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        changed = {
            n.split(".")[0]
            for n, p in module.named_parameters()
            if not torch.equal(p, self.before[n])
        }
        self.networks.append("".join(x[0] for x in ("generator", "discriminator") if x in changed))


def make_trainer(folder: Path, epochs: int, **settings: Any) -> Trainer:
    """A trainer that writes no files."""
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


def as_batch(x: Tensor) -> Batch:
    """Examples ``[B, T, ...]`` or ``[B, 3]``, where -1 is padding, each of a piece of its own."""
    mask = x[..., 0] != -1 if x.dim() == 3 else torch.ones(len(x), dtype=torch.bool)
    return Batch(x, mask, {}, torch.arange(len(x)))


def loader(x: Tensor, batch_size: int) -> DataLoader[Any]:
    """Batches of examples, in order."""
    return DataLoader(
        x,  # type: ignore[arg-type]
        batch_size=batch_size,
        collate_fn=lambda rows: as_batch(torch.stack(rows)),
        # without its own, an iterator draws a seed from the global random state
        generator=torch.Generator(),
    )


def random_events(model: EventModel, n: int) -> Tensor:
    """``n`` windows of ten events, ids ``[n, 10, 5]``."""
    torch.manual_seed(1)
    representation = model.representation
    sizes = (*representation.sizes, representation.n_positions, len(METERS))
    return torch.stack([torch.randint(0, n_ids, (n, 10)) for n_ids in sizes], -1)


def fit(
    model: EventModel, folder: Path, *callbacks: Callback, n_batches: int, epochs: int = 1
) -> Updates:
    """Fit a model to random events, some of them padding, in batches of four."""
    windows = random_events(model, 4 * n_batches)
    windows[:, 0, -2] = model.representation.offset_bins[0]
    windows[0, 6:] = -1  # padding
    updates = Updates()
    trainer = make_trainer(folder, epochs, callbacks=[updates, *callbacks])
    trainer.fit(model, loader(windows, 4))
    return updates
