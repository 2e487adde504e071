"""A run that resumes from any of its checkpoints ends bit for bit as one without a break."""

from __future__ import annotations

import dataclasses
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger

from gan_music.config.validate import compose_run
from gan_music.data.datamodule import MusicDataModule
from gan_music.music.piece import windows_or_pieces
from gan_music.training.callbacks.collapse_alarm import CollapseAlarm
from gan_music.training.callbacks.epoch_log import EpochLog
from gan_music.training.callbacks.last_checkpoint import AtomicCheckpointIO, LastCheckpoint
from gan_music.training.factory import build_data, build_model
from tests.conftest import SMALL, TINY, events_of

NETWORKS = tuple(x for x in TINY if x.startswith(("model.hidden", "model.embedding")))
KINDS = {
    "gumbel_gan": (*(x for x in TINY if x.startswith("model.")), "model.dropout=0.3"),
    "lstm_lm": (
        *NETWORKS,
        *("model.warmup_batches=6", "model.dropout=0.3", "model.n_style_components=2"),
    ),
    "reinforce_gan": (
        *NETWORKS,
        *("model.d_hidden_size=8", "model.d_embedding_size=4", "model.n_style_components=2"),
        *("model.warm_start_epochs=1", "model.critic_pretrain_batches=2", "model.warmup_batches=2"),
        *("model.rollout_batch=5", "model.rollout_reuse=2"),
    ),
    "crnn_gan": (NETWORKS[0], "model.warm_start_epochs=1"),
    "neo_saleem": (NETWORKS[0], "model.noise_size=4"),
}


class Draws(Callback):
    """Draws from numpy and Python on each batch, as a user's callback may, and records them."""

    def __init__(self) -> None:
        self.drawn: list[float] = []

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.drawn.append(random.random() + float(np.random.normal()))


class Keep(Callback):
    """Copies last.ckpt before each batch, as a killed process would leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_start(self, trainer: Trainer, *arguments: Any) -> None:
        last = self.folder / "last.ckpt"
        if last.exists():
            shutil.copy(last, self.folder / f"{trainer.fit_loop.total_batch_idx}.ckpt")


def fit(
    folder: Path,
    midi: Path,
    words: tuple[str, ...],
    resume: Path | None = None,
    accelerator: str = "cpu",
) -> tuple[dict[str, Any], list[float]]:
    """Train two epochs; returns the content of last.ckpt, and the draws of each batch."""
    music = ("data=midi", f"data.root={midi}", f"data.cache_dir={midi.parent / 'kept'}")
    config = compose_run(*music, *SMALL, *words, "data.n_workers=1")
    # draws of a process before it resumes must have no effect
    seed_everything(config.seed + (resume is not None), verbose=False)
    data = build_data(config.data, config.representation, seed=config.seed)
    data.prepare_data()
    data.setup()
    model = build_model(config.model, data.representation, config=dataclasses.asdict(config))
    draws = Draws()
    last = LastCheckpoint(folder / "last.ckpt", every_n_batches=1, keeps_end=True)
    trainer = Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=2,
        logger=TensorBoardLogger(folder, name="", version="tensorboard"),
        callbacks=[alarm(data), EpochLog(), draws, Keep(folder), last],
        plugins=[AtomicCheckpointIO()],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        limit_val_batches=1,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    trainer.fit(model, datamodule=data, ckpt_path=resume)
    return torch.load(folder / "last.ckpt", weights_only=True), draws.drawn


def alarm(data: MusicDataModule) -> CollapseAlarm:
    assert data.pieces is not None
    reference = windows_or_pieces(data.pieces.train, data.window, 4)
    return CollapseAlarm(reference, every_n_batches=3, window=data.window, seed=0, patience=None)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of each curve in TensorBoard."""
    events = events_of(folder)
    # not losses: where a batch has none, the trainer logs that of the batch before
    tags = ("train/grad_norm_g", "collapse/entropy_pitch")
    return {t: [(e.step, e.value) for e in events.Scalars(t)] for t in tags}


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Assert that two checkpoints, or parts of them, are equal but for the training time."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key != "seconds":
                assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning")
def test_resuming_after_any_batch_changes_nothing(
    tmp_path: Path, midi_folder: Path, kind: str
) -> None:
    words = (f"model={kind}", *KINDS[kind], "data.batch_size=40", "data.transpose=2")
    whole, drawn = fit(tmp_path / "whole", midi_folder, words)
    n_batches = len(drawn) // 2
    assert n_batches >= 3
    # within the first epoch, after it, and within the last before its validation
    for number in (1, n_batches, 2 * n_batches - 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        # event files are read in the order of their names, which hold the time in seconds
        (folder / "tensorboard").mkdir()
        (events,) = (tmp_path / "whole" / "tensorboard").glob("events.*")
        shutil.copy(events, folder / "tensorboard" / "events.out.tfevents.0000000000.before")
        resumed, rest = fit(folder, midi_folder, words, tmp_path / "whole" / f"{number}.ckpt")
        assert_same(whole, resumed)
        assert rest == drawn[number:]
        # no point after the checkpoint is there twice
        assert curves(folder) == curves(tmp_path / "whole")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning")
def test_on_a_gpu_the_data_and_random_states_are_kept(tmp_path: Path, midi_folder: Path) -> None:
    words = ("model=gumbel_gan", *KINDS["gumbel_gan"], "data.batch_size=40", "model.dropout=0")
    whole, drawn = fit(tmp_path / "whole", midi_folder, words, accelerator="gpu")
    middle = tmp_path / "whole" / "1.ckpt"
    resumed, rest = fit(tmp_path / "on", midi_folder, words, middle, accelerator="gpu")
    assert rest == drawn[1:]
    # not the weights: the order of summation varies on a GPU
    assert_same(whole["gan_music"]["rng"], resumed["gan_music"]["rng"])
    assert_same(whole["loops"], resumed["loops"])
