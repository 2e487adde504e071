"""The Lightning trainer of a run, and its callbacks."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from gan_music.config.schema import CollapseConfig, SamplesConfig, Target, TrainerConfig
from gan_music.config.targets import TARGET, build_target, load_target, target_of
from gan_music.config.validate import first_line
from gan_music.metrics.evaluation import EvaluationSettings
from gan_music.music.piece import Piece, windows_or_pieces
from gan_music.system.errors import UserError
from gan_music.training.callbacks.collapse_alarm import CollapseAlarm
from gan_music.training.callbacks.last_checkpoint import AtomicCheckpointIO, LastCheckpoint
from gan_music.training.callbacks.sample_logger import SampleLogger
from gan_music.training.callbacks.sample_quality import SampleQuality
from gan_music.training.devices import strategy
from gan_music.training.loggers import build_loggers
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
    reference = windows_or_pieces(train, window, collapse.n_windows)
    window = min(window, max(map(len, reference), default=window))  # shorter if all pieces are
    return CollapseAlarm(
        reference,
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


def build_callbacks(chosen: Mapping[str, Target], folder: Path) -> list[Callback]:
    """The callbacks that are ``chosen``, by name, beside the run's own.

    Raises
    ------
    UserError
        If one cannot be built of its settings.
    """
    made = []
    for name, settings in chosen.items():
        key = f"callbacks.{name}"
        parameters = inspect.signature(load_target(key, target_of(key, settings))).parameters
        # where ModelCheckpoint writes
        given = {"dirpath": folder / "checkpoints"} if "dirpath" in parameters else {}
        callback = build_target(key, settings, **given)
        if not isinstance(callback, Callback):
            raise UserError(f"{key}.{TARGET}={settings[TARGET]} makes no callback of Lightning's.")
        made.append(callback)
    return made


# flags of Lightning's trainer that the run sets itself -> the key to use instead
_OWN_FLAGS = {
    **dict.fromkeys(("accelerator", "devices", "precision", "max_epochs"), "trainer.{}"),
    "num_nodes": "trainer.n_nodes",
    "strategy": "trainer.devices",
    "log_every_n_steps": "trainer.log_every_n_batches",
    "logger": "logger",
    "callbacks": "callbacks",
    "fast_dev_run": "debug=fast",
    "overfit_batches": "debug=overfit",
    "enable_checkpointing": "checkpoint.every",
    "gradient_clip_val": "model.clip_norm",
    "gradient_clip_algorithm": "model.clip_norm",
    "max_steps": "trainer.max_epochs",
    "default_root_dir": "hydra.run.dir",
    "limit_test_batches": "samples.n_pieces",
    "limit_predict_batches": "samples.n_pieces",
    **dict.fromkeys(
        (
            *("plugins", "num_sanity_val_steps", "enable_model_summary", "enable_progress_bar"),
            *("use_distributed_sampler", "barebones", "inference_mode"),
            *("enable_autolog_hparams", "model_registry"),
        )
    ),
}


def check_flags(flags: Mapping[str, Any]) -> None:
    """Refuse flags that Lightning's trainer does not have, or that the run sets itself.

    Raises
    ------
    UserError
        Naming the flag, and the key to use instead.
    """
    known = [p for p in inspect.signature(Trainer.__init__).parameters if p != "self"]
    free = [name for name in known if name not in _OWN_FLAGS]
    for name in flags:
        key = f"trainer.flags.{name}"
        if name not in known:
            near = difflib.get_close_matches(name, free, 3, 0.5) or free
            raise UserError(
                f"{key}: Lightning's Trainer has no such flag: choose one of {', '.join(near)}."
            )
        if name in _OWN_FLAGS:
            instead = _OWN_FLAGS[name]
            advice = f"use {instead.format(name)} instead" if instead else "leave it out"
            raise UserError(f"{key} is set by the run itself: {advice}.")


def build_trainer(
    settings: TrainerConfig,
    callbacks: Sequence[Callback],
    loggers: Mapping[str, Target],
    folder: Path,
    checked: dict[str, Any] | None = None,
) -> Trainer:
    """The trainer of a run in this folder; ``checked`` is the content that it resumes from."""
    made = build_loggers(
        loggers,
        folder,
        at_most=settings.log_at_most,
        n_batches=lambda: int(trainer.num_training_batches) * settings.max_epochs,
    )
    try:
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.n_nodes,
            strategy=strategy(settings),
            precision=precision(settings),  # type: ignore[arg-type]  # checked by its schema
            max_epochs=settings.max_epochs,
            logger=made,
            callbacks=list(callbacks),
            plugins=[AtomicCheckpointIO(checked)],
            log_every_n_steps=settings.log_every_n_batches,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=False,
            default_root_dir=folder,
            use_distributed_sampler=False,
            **settings.flags,
        )
    except (MisconfigurationException, TypeError, ValueError) as error:
        if not settings.flags:
            raise
        raise UserError(f"{flags_of(settings.flags)}: {first_line(error)}.") from error
    return trainer


def flags_of(flags: Mapping[str, Any]) -> str:
    """The flags in the words of the command."""
    return ", ".join(f"trainer.flags.{name}={value}" for name, value in flags.items())
