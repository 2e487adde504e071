"""What the framework costs: a batch of experiment=paper three ways, in turn, on the same notes.

    python benchmarks/paper_step.py [rounds] [batches]

1. ours: the networks, loss and logging of experiment=paper, through the trainer the command builds;
2. published: the published kind of loop, a Dataset of single notes and a shuffling DataLoader;
3. bare: the same loop over tensors that lie in memory.

Each round times all three on as many batches; the figures are medians over rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gan_music.config.schema import TrainConfig
from gan_music.config.validate import compose_run
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
from gan_music.training.factory import build_data, build_model
from gan_music.training.run import quiet_lightning
from gan_music.training.trainer import build_trainer

WARM_UP = 5  # batches of each measurement that do not count


class Notes(Dataset):
    """Single notes, as the published loop has them."""

    def __init__(self, notes: Tensor) -> None:
        self.notes = [tuple(n) for n in notes.tolist()]

    def __len__(self) -> int:
        return len(self.notes)

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor(self.notes[index], dtype=torch.float32)


class Clock(Callback):
    """Seconds a batch, without the first few."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.starts.append(time.perf_counter())

    def per_batch(self) -> float:
        return (self.starts[-1] - self.starts[WARM_UP]) / (len(self.starts) - 1 - WARM_UP)


def make_notes(folder: Path) -> None:
    """Pieces of random notes: how long a batch takes does not depend on what they are."""
    rng = np.random.default_rng(0)
    for number in range(12):
        n = 4000
        onset = np.cumsum(rng.integers(0, 12, n))
        piece = Piece.from_arrays(onset, rng.integers(1, 48, n), rng.integers(30, 90, n), grid=24)
        write_midi(piece, folder / f"{number}.mid")


def configure(folder: Path) -> TrainConfig:
    """The settings of experiment=paper, on that folder."""
    folders = (f"data.root={folder}", f"data.cache_dir={folder}/cache")
    return compose_run("experiment=paper", *folders, "trainer.max_epochs=1")


def ours(config: TrainConfig, data: Any, n_batches: int, folder: Path) -> float:
    """Seconds a batch through the trainer of the command."""
    model = build_model(config.model, data.representation)
    clock = Clock()
    trainer = build_trainer(config.trainer, [clock], folder)
    trainer.limit_train_batches = n_batches + WARM_UP
    trainer.limit_val_batches = 0
    trainer.fit(model, datamodule=data)
    return clock.per_batch()


def plain(config: TrainConfig, batches: Any, n_batches: int, representation: Any) -> float:
    """Seconds a batch of the published loop over any iterable of batches."""
    model = build_model(config.model, representation)
    generator, discriminator = model.generator, model.discriminator
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.001)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=0.001)
    criterion = nn.BCEWithLogitsLoss()
    start = 0.0
    for number, real in enumerate(batches):
        if number == WARM_UP:
            start = time.perf_counter()
        if number == n_batches + WARM_UP:
            break
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        optimizer_d.zero_grad()
        fake = generator(torch.randn(len(real), 100))
        loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake), zeros)
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        loss_g = criterion(discriminator(generator(torch.randn(len(real), 100))), ones)
        loss_g.backward()
        optimizer_g.step()
    return (time.perf_counter() - start) / n_batches


def main() -> None:
    """Time and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    n_batches = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    quiet_lightning()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_notes(folder)
        config = configure(folder)
        data = build_data(config.data, config.representation, seed=0)
        data.prepare_data()
        data.setup()
        notes = data.train_set.rows[0]  # type: ignore[union-attr]
        loader = DataLoader(Notes(notes), batch_size=64, shuffle=True)
        in_memory = notes[: (n_batches + WARM_UP + 1) * 64].split(64)
        times: dict[str, list[float]] = {"ours": [], "published": [], "bare": []}
        for round_ in range(rounds):
            times["ours"].append(ours(config, data, n_batches, folder / f"run{round_}"))
            times["published"].append(plain(config, loader, n_batches, data.representation))
            times["bare"].append(plain(config, in_memory, n_batches, data.representation))
    for kind, seconds in times.items():
        print(f"{kind:10} {1000 * statistics.median(seconds):7.2f} ms a batch")
    for kind in ("published", "bare"):
        ratios = [a / b for a, b in zip(times["ours"], times[kind], strict=True)]
        print(f"ours / {kind:10} {statistics.median(ratios):5.2f}  (median of {rounds} pairs)")


if __name__ == "__main__":
    main()
