"""One training run, from its settings to the folder it leaves behind."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import sys
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from omegaconf import OmegaConf

from gan_music.config.invocation import call
from gan_music.config.schema import TrainConfig
from gan_music.data.datamodule import MusicDataModule
from gan_music.decoding.copy_filter import CopyFilter
from gan_music.metrics.evaluation import EvaluationSettings
from gan_music.models.base import MusicModel
from gan_music.models.event_model import EventModel
from gan_music.models.nan_guard import NaNGuard
from gan_music.music.piece import Piece, windows_or_pieces
from gan_music.page.record import REAL
from gan_music.runs.provenance import environment, warn_of_differences, write_environment
from gan_music.runs.search import reporter
from gan_music.runs.status import DONE, Pruned, begin_run, end_run, read_status, require_claim
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process
from gan_music.system.signals import DeferredSignals
from gan_music.training.callbacks.last_checkpoint import AtomicCheckpointIO, LastCheckpoint
from gan_music.training.callbacks.measuring import CollapseAlarm, EpochLine, Pruning, SampleQuality
from gan_music.training.callbacks.progress_bar import RunProgressBar
from gan_music.training.callbacks.sample_logger import SampleLogger, shown_of, write_real
from gan_music.training.devices import (
    captures_rollouts,
    check_devices,
    leave,
    several_devices,
    strategy,
)
from gan_music.training.factory import (
    build_data,
    build_model,
    check_readable,
    warm_start,
    write_as_trained,
)
from gan_music.training.final_evaluation import finish
from gan_music.training.logger import TensorBoardScalars
from gan_music.training.precision import precision, runs_lstm_in_bf16
from gan_music.training.resume import is_done, keeps_end, where_to_start

log = logging.getLogger(__name__)

_N_REFERENCE_WINDOWS = 8192  # of validation music, at most, that samples are held against


def train(config: TrainConfig) -> float:
    """Run it, and return the validation distance of the best checkpoint, for a sweep to minimise.

    Raises
    ------
    UserError
        For whatever the user can mend.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    if is_done(config, folder):
        log.info("done already: %s", folder)
        return float(read_status(folder)["val_distance"])
    require_claim(folder)
    try:
        return _train(config, folder)
    except KeyboardInterrupt:
        last = folder / "checkpoints" / "last.ckpt"
        log.warning(
            "interrupted; %s",
            f"go on by: python -m gan_music.train resume={last}"
            if last.exists()
            else "no checkpoint had been written, so there is nothing to go on from",
        )
        raise


def _train(config: TrainConfig, folder: Path) -> float:
    keep_end = keeps_end(config)
    config, resume = where_to_start(config, folder)
    check_devices(config)
    check_readable(config.model, config.representation)
    begun = None if resume else warm_start(config)
    begin_run(folder, call())
    _quiet()
    plain = dataclasses.asdict(config)

    seed_everything(config.seed, verbose=False)
    data = _read(config, folder)
    model = build_model(config.model, data.representation.state(), plain)
    if begun is not None:
        assert isinstance(model, EventModel)
        model.init_from(begun)
    write_as_trained(model, config.trainer)
    assert data.pieces is not None
    if config.samples.max_copied_notes is not None:
        model.copy_filter = CopyFilter.of(data.pieces.train)
    model.guard = NaNGuard(config.trainer.max_rollbacks)
    if captures_rollouts(config):
        if isinstance(model, EventModel):
            model.decoding.cuda_graph = True
        elif config.trainer.cuda_graph:
            raise UserError(
                "trainer.cuda_graph=true, but this model writes no events: leave it out."
            )
    if several_devices(config) and not model.n_weights["all_networks"]:
        raise UserError(f"model={config.model.name} has no weights to train on several devices.")
    quality, alarm = _quality(config, data), _alarm(config, data)
    clock, pruning = EpochLine(), _pruning()
    real = shown_of(data.pieces.test, config.samples.n_notes)
    if is_main_process():
        write_real(real, folder / REAL)
    shown = [*_gallery(config, data, real), *_bar(alarm, data)]
    interruption = DeferredSignals()
    last = LastCheckpoint(
        folder / "checkpoints" / "last.ckpt",
        every_n_batches=config.checkpoint.every,
        interruption=interruption,
        keep_end=keep_end,
    )
    trainer = _trainer(config, [quality, alarm, clock, *pruning, *shown], last, folder)
    log.info(
        "training %s (%s weights) on %d pieces for %d epochs on %s (%s), in %s",
        config.model.name,
        f"{model.n_weights['all_networks']:,}",
        len(data.pieces.train),
        config.trainer.max_epochs,
        trainer.accelerator.__class__.__name__.removesuffix("Accelerator")
        + (f" ({trainer.world_size} processes)" if trainer.world_size > 1 else ""),
        trainer.precision,
        folder,
    )
    _fit(trainer, model, data, resume, interruption)
    leave(trainer)
    for trial in pruning:
        if trial.reason or alarm.has_stopped:
            raise Pruned(trial.reason or "its samples have collapsed.")
    if not is_main_process():
        return float("nan")
    figures = finish(
        config, data, folder, trainer=trainer, quality=quality, alarm=alarm, clock=clock
    )
    if alarm.has_stopped:  # what it came to is there to be seen, but it is not what was wanted
        raise UserError(
            f"the samples had collapsed, at look after look ({alarm.n_in_a_row}), when training "
            f"stopped (stop_on_collapse); what came of it is in {folder}: lower the learning "
            "rates, warm up for longer, or set stop_on_collapse=false."
        )
    distance = float(figures["val_distance"])
    end_run(folder, DONE, call(), verdict=figures["verdict"], val_distance=distance)
    return distance


def _read(config: TrainConfig, folder: Path) -> MusicDataModule:
    """The data, read; from here on, the folder is a run's."""
    data = build_data(config.data, config.representation, seed=config.seed)
    data.prepare_data()
    data.setup()
    assert data.extraction is not None
    log.info("read %s", data.extraction.summary())
    if is_main_process():
        # only now is this a run: without music, the folder can be named again
        (folder / "metrics.json").unlink(missing_ok=True)  # it stands for a finished run
        _write_config(dataclasses.asdict(config), folder / "config.yaml")
        now = environment(data.extraction.pieces)
        warn_of_differences(now, folder)
        write_environment(now, folder)
        data.extraction.write_rejects(folder / "rejects.csv")
    return data


def _fit(
    trainer: Trainer,
    model: MusicModel,
    data: MusicDataModule,
    resume: Path | None,
    interruption: DeferredSignals,
) -> None:
    # several processes would stop at different batches
    noting = interruption.deferring() if trainer.world_size == 1 else nullcontext()
    on_cpu = isinstance(trainer.accelerator, CPUAccelerator)
    bf16 = on_cpu and "bf16" in trainer.precision
    with torch.backends.mkldnn.flags(enabled=not bf16 or runs_lstm_in_bf16()), noting:
        try:
            trainer.fit(model, datamodule=data, ckpt_path=resume)
        except SystemExit as error:  # what the trainer makes of Ctrl-C
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            raise type(error.__context__) from error
    interruption.raise_pending()  # what came after the last epoch


def _quiet() -> None:
    """Leave out what Lightning tells of itself at every start."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*exists and is not empty.*",
        ".*LeafSpec.*",
        ".*TF32 acceleration on top of oneDNN.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*sync_dist=True.*",  # each process validates on everything
        ".*callbacks used to create the checkpoint.*",  # of a run with other trainer settings
        ".*(fit will run with no optimizer|`training_step` returned `None`).*",  # markov counts
    ):
        warnings.filterwarnings("ignore", text)


def _quality(config: TrainConfig, data: MusicDataModule) -> SampleQuality:
    assert data.pieces is not None
    window = EvaluationSettings().window  # the measure's, whatever was trained on
    return SampleQuality(
        windows_or_pieces(data.pieces.val, window, _N_REFERENCE_WINDOWS),
        n_windows=config.samples.n_validation_windows,
        window=window,
        n_notes=config.samples.n_notes,
        seed=config.seed,
    )


def _alarm(config: TrainConfig, data: MusicDataModule) -> CollapseAlarm:
    assert data.pieces is not None
    window, settings = config.data.window, config.collapse
    return CollapseAlarm(
        windows_or_pieces(data.pieces.train, window, settings.n_windows),
        every_n_batches=settings.every_n_batches,
        window=window,
        seed=config.seed,
        patience=settings.patience if config.stop_on_collapse else None,
    )


def _pruning() -> list[Pruning]:
    """For a trial of a search."""
    report = reporter()
    return [Pruning(report)] if report else []


def _gallery(config: TrainConfig, data: MusicDataModule, real: list[Piece]) -> list[Callback]:
    every = config.samples.show_every_n_epochs
    if every is None:
        return []
    return [
        SampleLogger(
            real,
            n_notes=config.samples.n_notes,
            tempo=data.median_tempo,
            seed=config.seed,
            every_n_epochs=max(every, -(-config.trainer.max_epochs // config.samples.show_at_most)),
        )
    ]


def _bar(alarm: CollapseAlarm, data: MusicDataModule) -> list[Callback]:
    """A bar, where there is a terminal; elsewhere the lines of the epochs do."""
    return [RunProgressBar(alarm, unit=data.unit)] if sys.stderr.isatty() else []


def _trainer(
    config: TrainConfig, measuring: Sequence[Callback], last: LastCheckpoint, folder: Path
) -> Trainer:
    callbacks: list[Callback] = [
        *measuring,
        ModelCheckpoint(
            folder / "checkpoints",
            filename="best",
            monitor="val/selection",
            mode="min",
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        last,  # behind the best one, whose state is in it
    ]
    if config.trainer.patience is not None:
        callbacks.append(EarlyStopping("val/selection", patience=config.trainer.patience))
    scalars = TensorBoardScalars(
        folder,
        at_most=config.trainer.log_at_most,
        n_batches=lambda: int(trainer.num_training_batches) * config.trainer.max_epochs,
    )
    trainer = Trainer(
        accelerator=config.trainer.accelerator,
        devices=config.trainer.devices,
        num_nodes=config.trainer.n_nodes,
        strategy=strategy(config),
        precision=precision(config.trainer),  # type: ignore[arg-type]  # checked by its schema
        max_epochs=config.trainer.max_epochs,
        logger=scalars,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        log_every_n_steps=config.trainer.log_every_n_batches,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=folder,
        use_distributed_sampler=False,
    )
    return trainer


def _write_config(plain: dict[str, Any], path: Path) -> None:
    text = (
        "# Repeat this run: python -m gan_music.train "
        f"--config-dir {shlex.quote(str(path.parent))} --config-name config\n"
        "defaults: [run_folder, _self_]\n" + OmegaConf.to_yaml(OmegaConf.create(plain))
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
