"""One training run, from its settings to the folder that it leaves."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.accelerators import CPUAccelerator
from omegaconf import OmegaConf

from gan_music.config.invocation import call, shown
from gan_music.config.schema import TrainConfig, TrainerConfig
from gan_music.config.validate import first_line
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.split import Split
from gan_music.decoding.copy_filter import CopyFilter
from gan_music.metrics.custom import build_metrics
from gan_music.models.base import MusicModel
from gan_music.models.event_model import EventModel
from gan_music.page.html import write_report_or_warn
from gan_music.page.record import REAL
from gan_music.runs.provenance import environment, warn_of_differences, write_environment
from gan_music.runs.search import reporter
from gan_music.runs.status import DONE, Pruned, begin_run, end_run, read_status, require_claim
from gan_music.system import signals
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.system.ranks import is_main_process
from gan_music.training import loggers
from gan_music.training.callbacks.collapse_alarm import CollapseAlarm
from gan_music.training.callbacks.epoch_log import EpochLog
from gan_music.training.callbacks.last_checkpoint import LastCheckpoint
from gan_music.training.callbacks.progress_bar import RunProgressBar
from gan_music.training.callbacks.pruning import Pruning
from gan_music.training.callbacks.sample_logger import excerpts, write_real
from gan_music.training.devices import check_devices, leave_process_group, several_devices
from gan_music.training.factory import (
    build_data,
    build_decoding,
    build_model,
    check_readable,
    pretrained_model,
    training_options,
)
from gan_music.training.final_evaluation import (
    closing_line,
    closing_lines,
    evaluate_run,
    log_figures,
)
from gan_music.training.precision import has_bf16_lstm
from gan_music.training.resume import is_done, keeps_end, where_to_start
from gan_music.training.trainer import (
    build_callbacks,
    build_trainer,
    check_flags,
    checkpoints,
    collapse_alarm,
    flags_of,
    sample_logger,
    sample_quality,
)

log = logging.getLogger(__name__)


def train(config: TrainConfig) -> float:
    """Train a model and evaluate it.

    Returns the validation distance of the best checkpoint, which a search minimises.

    Raises
    ------
    UserError
        For mistakes in the settings, the data or the folder.
    """
    config = _with_short_warm_start(config)
    folder = Path(HydraConfig.get().runtime.output_dir)
    if is_done(config, folder):
        log.info("done already: %s", folder)
        return float(read_status(folder)["val_distance"])
    require_claim(folder)
    failed = True
    try:
        distance = _train(config, folder)
        failed = False
        return distance
    except KeyboardInterrupt:
        with signals.shielding():
            last = folder / "checkpoints" / "last.ckpt"
            signals.tell(
                "interrupted; %s",
                f"resume by: python -m gan_music.train {shlex.quote(f'resume={shown(folder)}')}"
                if last.exists()
                else "no checkpoint has been written yet: give the same command again",
            )
        raise
    finally:
        loggers.finish(failed=failed)


def _with_short_warm_start(config: TrainConfig) -> TrainConfig:
    """The settings with at most ``trainer.max_warm_start_epochs`` of the model's warm start."""
    most, model = config.trainer.max_warm_start_epochs, config.model
    if most is None or getattr(model, "warm_start_epochs", 0) <= most:
        return config
    model = dataclasses.replace(model, warm_start_epochs=most)
    return dataclasses.replace(config, model=model)


def _train(config: TrainConfig, folder: Path) -> float:
    keeps_early_end = keeps_end(config.resume)
    config, resumed = where_to_start(config, folder)
    samples, seed, max_epochs = config.samples, config.seed, config.trainer.max_epochs
    check_devices(config.trainer, resumes=resumed is not None)
    check_flags(config.trainer.flags)
    check_readable(config.model, config.representation)
    options, metrics = training_options(config), build_metrics(config.metrics)
    pretrained = None
    if resumed is None:
        pretrained = pretrained_model(config.model, config.representation, config.data.grid)
    begin_run(folder, call())
    quiet_lightning()

    seed_everything(seed, verbose=False)
    settings = dataclasses.asdict(config)
    data = build_data(config.data, config.representation, seed=seed, readers=config.readers)
    if pretrained is not None:
        data.representation = data.representation.resolved(pretrained.representation.state())
    pieces = _read(data, settings, folder)
    filters_copies = samples.max_copied_notes is not None
    model = build_model(
        config.model,
        data.representation,
        config=settings,
        copy_filter=CopyFilter.of(pieces.train) if filters_copies else None,
        max_rollbacks=config.trainer.max_rollbacks,
        decoding=build_decoding(config.trainer),
        **options,
    )
    _check_model(model, config.trainer)
    if pretrained is not None:
        assert isinstance(model, EventModel)
        model.init_from(pretrained)

    real, tempo = excerpts(pieces.test, samples.n_notes), data.median_tempo
    if is_main_process():
        write_real(real, folder / REAL)
    epochs, report = EpochLog(), reporter()
    trial = [Pruning(report)] if report else []
    quality = sample_quality(samples, pieces.val, seed=seed)
    alarm = collapse_alarm(
        config.collapse,
        pieces.train,
        window=config.data.window,
        seed=seed,
        stops=config.stop_on_collapse,
    )
    last = LastCheckpoint(
        folder / "checkpoints" / "last.ckpt",
        every_n_batches=config.checkpoint.every,
        keeps_end=keeps_early_end,
    )
    callbacks = [
        *(quality, alarm, epochs, *trial, *build_callbacks(config.callbacks, folder)),
        *sample_logger(samples, real, tempo=tempo, seed=seed, max_epochs=max_epochs),
        *([RunProgressBar(alarm, unit=data.unit)] if sys.stderr.isatty() else ()),
        *checkpoints(folder, last, patience=config.trainer.patience),
    ]
    checked = None if resumed is None else resumed.content
    trainer = build_trainer(config.trainer, callbacks, config.logger, folder, checked)
    if resumed is None:
        loggers.start(trainer.loggers, list(config.logger), settings, folder)

    _log_start(trainer, model, len(pieces.train), folder)
    checkpoint = None if resumed is None else resumed.path
    _fit(trainer, model, data, checkpoint, flags_of(config.trainer.flags))
    leave_process_group(trainer)
    for callback in trial:
        if callback.reason or alarm.has_stopped:
            raise Pruned(callback.reason or "its samples have collapsed.")
    if not is_main_process():
        return float("nan")
    figures, main_figures = evaluate_run(
        samples,
        pieces,
        folder,
        seed=seed,
        tempo=tempo,
        quality=quality,
        while_training=alarm.summary(),
        training_seconds=epochs.seconds,
        device=trainer.strategy.root_device,
        metrics=metrics,
    )
    log_figures(trainer, settings, figures)
    return _finish(figures, main_figures, alarm, folder, report=config.report)


def _finish(
    figures: dict[str, Any], main_figures: str, alarm: CollapseAlarm, folder: Path, *, report: bool
) -> float:
    """Write the report and the status of a run; one that its collapse has stopped fails here."""
    if report:
        write_report_or_warn([folder], folder / "report.html")
    signals.raise_received()
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        log.info("%s", closing_line(folder, figures))
    else:
        log.info("%s", closing_lines(folder, figures, main_figures))
    if alarm.has_stopped:
        raise UserError(
            f"the samples had collapsed (checks in a row: {alarm.n_in_a_row}) when training "
            f"stopped (stop_on_collapse); samples and figures are in {folder}: lower the "
            "learning rates, warm up for longer, or set stop_on_collapse=false."
        )
    distance = float(figures["val_distance"])
    verdict = {key: figures[key] for key in ("verdict", "verdict_reason")}
    with signals.shielding():
        end_run(folder, DONE, call(), **verdict, val_distance=distance)
    return distance


def _read(data: MusicDataModule, settings: dict[str, Any], folder: Path) -> Split:
    """Read the data; with them, the folder becomes that of a run."""
    data.prepare_data()
    data.setup()
    assert data.extraction is not None
    assert data.pieces is not None
    log.info("read %s", data.extraction.summary())
    if is_main_process():
        # not before: a folder of a call that found no music can be named again
        (folder / "metrics.json").unlink(missing_ok=True)  # it marks a finished run
        write_config(settings, folder / "config.yaml")
        now = environment(data.extraction.pieces)
        warn_of_differences(now, folder)
        write_environment(now, folder)
        data.extraction.write_rejects(folder / "rejects.csv")
    return data.pieces


def write_config(settings: dict[str, Any], path: Path) -> None:
    """Write the settings of a run as a config that repeats it."""
    text = (
        "# Repeat this run: python -m gan_music.train "
        f"--config-dir {shlex.quote(str(path.parent))} --config-name config\n"
        "defaults: [run_folder, _self_]\n" + OmegaConf.to_yaml(OmegaConf.create(settings))
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _check_model(model: MusicModel, trainer: TrainerConfig) -> None:
    """Refuse settings of the trainer that the model has no use for."""
    if trainer.cuda_graph and not isinstance(model, EventModel):
        raise UserError("trainer.cuda_graph=true, but this model decodes no events: leave it out.")
    if several_devices(trainer) and not model.n_weights["all_networks"]:
        raise UserError(f"model={model.label} has no weights to train on several devices.")


def _log_start(trainer: Trainer, model: MusicModel, n_pieces: int, folder: Path) -> None:
    device = trainer.accelerator.__class__.__name__.removesuffix("Accelerator")
    log.info(
        "training %s (%s weights) on %d pieces for %d epochs on %s (%s), in %s",
        model.label,
        f"{model.n_weights['all_networks']:,}",
        n_pieces,
        trainer.max_epochs,
        device + (f" ({trainer.world_size} processes)" if trainer.world_size > 1 else ""),
        trainer.precision,
        shown(folder),
    )


def _fit(
    trainer: Trainer,
    model: MusicModel,
    data: MusicDataModule,
    checkpoint: Path | None,
    flags: str,
) -> None:
    # several processes would stop on different batches
    deferring = signals.deferring() if trainer.world_size == 1 else nullcontext()
    on_cpu = isinstance(trainer.accelerator, CPUAccelerator)
    bf16 = on_cpu and "bf16" in trainer.precision
    with torch.backends.mkldnn.flags(enabled=not bf16 or has_bf16_lstm()), deferring:
        try:
            trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
        except SystemExit:  # of the trainer, upon a signal
            signals.raise_received()
            raise
        except MisconfigurationException as error:  # a flag that does not go with the model
            raise UserError(f"{flags or 'the run'}: {first_line(error)}.") from error


def quiet_lightning() -> None:
    """Silence what Lightning logs at every start, and its warnings of what is intended here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*exists and is not empty.*",
        ".*LeafSpec.*",
        ".*TF32 acceleration on top of oneDNN.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*sync_dist=True.*",  # each process validates on everything
        ".*dirpath has changed.*",  # of a run's folder that was moved
        ".*callbacks used to create the checkpoint.*",  # of a run with other trainer settings
        ".*(fit will run with no optimizer|`training_step` returned `None`).*",  # n-gram counts
    ):
        warnings.filterwarnings("ignore", text)
