"""The Lightning trainer of a run, and its callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from gan_music.config.schema import CollapseConfig, SamplesConfig, TrainerConfig
from gan_music.metrics.evaluation import EvaluationSettings
from gan_music.music.piece import Piece, windows_or_pieces
from gan_music.training.callbacks.collapse_alarm import CollapseAlarm
from gan_music.training.callbacks.last_checkpoint import AtomicCheckpointIO, LastCheckpoint
from gan_music.training.callbacks.sample_logger import SampleLogger
from gan_music.training.callbacks.sample_quality import SampleQuality
from gan_music.training.devices import strategy
from gan_music.training.logger import TensorBoardScalars
from gan_music.training.precision import precision

_N_REFERENCE_WINDOWS = 8192  # of validation music, at most


def sample_quality(samples: SamplesConfig, val: Sequence[Piece], *, seed: int) -> SampleQuality:
    """The callback that measures samples against validation music."""
    # that of the evaluation, whatever window the model is trained on
    window = EvaluationSettings().window
    return SampleQuality(
        windows_or_pieces(val, window, _N_REFERENCE_WINDOWS),
        n_windows=samples.n_validation_windows,
        window=window,
        n_notes=samples.n_notes,
        seed=seed,
    )


def collapse_alarm(
    collapse: CollapseConfig, train: Sequence[Piece], *, window: int, seed: int, stops: bool
) -> CollapseAlarm:
    """The callback that watches for mode collapse; ``stops`` lets it end training."""
    return CollapseAlarm(
        windows_or_pieces(train, window, collapse.n_windows),
        every_n_batches=collapse.every_n_batches,
        window=window,
        seed=seed,
        patience=collapse.patience if stops else None,
    )


def sample_logger(
    samples: SamplesConfig, real: Sequence[Piece], *, tempo: float, seed: int, max_epochs: int
) -> list[SampleLogger]:
    """The callback that logs samples beside real music, unless it is switched off."""
    every = samples.show_every_n_epochs
    if every is None:
        return []
    every = max(every, -(-max_epochs // samples.show_at_most))
    return [
        SampleLogger(real, n_notes=samples.n_notes, tempo=tempo, seed=seed, every_n_epochs=every)
    ]


def checkpoints(folder: Path, last: LastCheckpoint, *, patience: int | None) -> list[Callback]:
    """The callbacks that write ``best.ckpt`` and ``last.ckpt``, and early stopping."""
    best = ModelCheckpoint(
        folder / "checkpoints",
        filename="best",
        monitor="val/selection",
        mode="min",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    stopping = [] if patience is None else [EarlyStopping("val/selection", patience=patience)]
    return [best, last, *stopping]  # last.ckpt holds the state of best, which so comes first


def build_trainer(settings: TrainerConfig, callbacks: Sequence[Callback], folder: Path) -> Trainer:
    """The trainer of a run in this folder."""
    scalars = TensorBoardScalars(
        folder,
        at_most=settings.log_at_most,
        n_batches=lambda: int(trainer.num_training_batches) * settings.max_epochs,
    )
    trainer = Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.n_nodes,
        strategy=strategy(settings),
        precision=precision(settings),  # type: ignore[arg-type]  # checked by its schema
        max_epochs=settings.max_epochs,
        logger=scalars,
        callbacks=list(callbacks),
        plugins=[AtomicCheckpointIO()],
        log_every_n_steps=settings.log_every_n_batches,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        use_distributed_sampler=False,
    )
    return trainer
