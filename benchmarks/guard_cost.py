"""What it costs to look at each gradient before a weight moves: processor time, a batch.

    python benchmarks/guard_cost.py [N]

Trains each model that has gradients for N batches (20 by default) of random data, at its
default size, on one thread; takes the seconds of the process in all of it, and in what
the guard adds: whether the norm is finite, and the norm itself where no clipping takes it.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gan_music.config.validate import compose_run
from gan_music.models.base import MusicModel
from gan_music.representations.note_events import METERS
from gan_music.training.factory import build_model, build_representation

BATCH, WINDOW = 16, 64


def batches(model: MusicModel, n: int) -> Tensor:
    """``n`` batches of what a model reads."""
    codec: Any = model.representation
    if not hasattr(codec, "n_positions"):
        shape = (n * BATCH, 3) if model.settings.name == "neo_saleem" else (n * BATCH, WINDOW, 4)
        return torch.rand(shape)
    sizes = (*codec.sizes, codec.n_positions, len(METERS))
    return torch.stack([torch.randint(0, k, (n * BATCH, WINDOW)) for k in sizes], -1)


def measure(name: str, n: int) -> tuple[float, float]:
    """(seconds of a batch, seconds of the guard in it)."""
    warm = ["model.warm_start_epochs=0"] if name in ("gumbel_gan", "crnn_gan") else []
    style_prior = (
        ["model.n_style_components=0"] if name == "lstm_lm" else []
    )  # they want data to be fitted to
    run = compose_run(f"model={name}", "data.root=music", *warm, *style_prior)
    model = build_model(run.model, build_representation(run.representation, run.data.grid))
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tempfile.mkdtemp(),
    )  # fmt: skip
    start = time.process_time()
    data: Any = batches(model, n)
    trainer.fit(model, DataLoader(data, batch_size=BATCH))
    batch = (time.process_time() - start) / n

    start, repeats = time.process_time(), 50
    for _ in range(repeats):
        for optimizer in trainer.optimizers:
            gradients = [p.grad for g in optimizer.param_groups for p in g["params"]]
            norm = torch.ones(())
            if model.clip_norm is None:
                norm = nn.utils.get_total_norm([g for g in gradients if g is not None])
            assert norm.isfinite()
    return batch, (time.process_time() - start) / repeats


def main() -> None:
    """The command."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name in ("gumbel_gan", "lstm_lm", "neo_saleem", "crnn_gan"):
        batch, guard = measure(name, n)
        share = f"{1e6 * guard:.0f} µs of it ({guard / batch:.3%})"
        print(f"{name}: {1e3 * batch:.1f} ms a batch, {share}", flush=True)


if __name__ == "__main__":
    main()
