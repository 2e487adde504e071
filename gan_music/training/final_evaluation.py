"""What happens once training has ended: samples, the measure, metrics.json, the closing lines."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import flatten
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.split import Split
from gan_music.decoding.copy_filter import without_copies
from gan_music.io.rendering.piano_roll import draw_piano_rolls
from gan_music.io.rendering.sound import check_soundfont, write_sound
from gan_music.io.write import sample_name, write_pieces
from gan_music.metrics.evaluation import Evaluation, EvaluationSettings, evaluate
from gan_music.metrics.table import table
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece, windows_or_pieces
from gan_music.page.html import write_report_or_warn
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.training.callbacks.measuring import CollapseAlarm, EpochLine, SampleQuality
from gan_music.training.factory import restore_model

log = logging.getLogger(__name__)

_SHOWN_NOTES = 256  # of each piece in samples.png
_HEARD_MINUTES = 2  # of each piece that is written as sound


def finish(
    config: TrainConfig,
    data: MusicDataModule,
    folder: Path,
    *,
    trainer: Trainer,
    quality: SampleQuality,
    alarm: CollapseAlarm,
    clock: EpochLine,
) -> dict[str, Any]:
    """Measure the best checkpoint on the test split, write samples, and close with metrics.json.

    Returns the figures of metrics.json.
    """
    assert data.pieces is not None
    best = folder / "checkpoints" / "best.ckpt"
    checkpoint = load_checkpoint(best)
    model = restore_model(checkpoint, best)
    samples = config.samples
    start = time.perf_counter()
    pieces, n_thrown = draw(model, config, config.seed, tempo=data.median_tempo)
    sampling_seconds = time.perf_counter() - start
    n_clipped = model.n_clipped
    # not the noise that chose the checkpoint
    val_distance = quality.measure(model, config.seed + 1)["distance"]
    report = measure(pieces, data.pieces, config)
    write_pieces(pieces, folder / "samples")
    _write_sounds(pieces, samples.n_sounds, folder / "samples")
    _picture(pieces, data.pieces.test, samples.n_notes, folder / "samples.png")
    with atomic_write(folder / "quality.txt") as temporary:
        temporary.write_text(table(report) + "\n", encoding="utf-8")
    figures = {
        "best_epoch": checkpoint.epoch + 1,
        "val_distance": val_distance,
        "n_clipped": n_clipped,
        "n_copies_rejected": n_thrown,
        "n_values": sum(map(len, pieces)) * len(data.representation.names),
        "while_training": alarm.summary(),
        "cost": {
            "n_weights": model.n_weights,
            "training_seconds": clock.seconds,
            "sampling_notes_per_second": sum(map(len, pieces)) / sampling_seconds,
            "n_threads": torch.get_num_threads(),
            "accelerator": _accelerator(trainer),
        },
    } | report.as_json()
    with atomic_write(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(_without_nan(figures), indent=2) + "\n", encoding="utf-8")
    _log_hyperparameters(trainer, config, figures)
    if config.report:
        write_report_or_warn([folder], folder / "report.html")
    log.info("%s", _closing_lines(folder, figures))
    return figures


def draw(model: MusicModel, config: TrainConfig, seed: int, **how: Any) -> tuple[list[Piece], int]:
    """A run's samples, as many and as long as its settings say, and how many were thrown away
    since they copied too much.
    """
    samples = config.samples

    def pieces(n: int, seed: int) -> list[Piece]:
        return model.sample(n_pieces=n, n_notes=samples.n_notes, seed=seed, **how)

    return without_copies(
        pieces,
        model.copy_filter,
        longest=samples.max_copied_notes,
        n_pieces=samples.n_pieces,
        seed=seed,
    )


def measure(pieces: Sequence[Piece], split: Split, config: TrainConfig) -> Evaluation:
    """A run's samples against its test split, with its training split for originality."""
    return evaluate(pieces, split.test, split.train, measure_settings(config))


def measure_settings(config: TrainConfig) -> EvaluationSettings:
    """How much of a run's samples is looked at.

    In windows of the measure's own length, whatever the run was trained on: figures of runs with
    different windows stand beside each other.
    """
    samples = config.samples
    return EvaluationSettings(
        max_pieces=samples.n_pieces, max_notes=samples.n_notes, seed=config.seed
    )


def _accelerator(trainer: Trainer) -> str:
    """What it was trained on: ``cpu``, say, or ``cuda (<name>)``."""
    device = trainer.strategy.root_device
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return device.type + name


def _picture(pieces: Sequence[Piece], test: Sequence[Piece], n_notes: int, path: Path) -> None:
    """The first samples below real music."""
    real = [("real music", p) for p in windows_or_pieces(test, n_notes, 2)]
    shown = [(f"sample {i + 1}", p) for i, p in enumerate(pieces[:3])]
    draw_piano_rolls([(title, p.cut(0, _SHOWN_NOTES)) for title, p in real + shown], path)


def _write_sounds(pieces: list[Piece], n_sounds: int, folder: Path) -> None:
    """The first minutes of the first samples to listen to, beside their MIDI files.

    No run is lost for want of sound.
    """
    try:
        if n_sounds:
            check_soundfont()
        for number, piece in enumerate(pieces[:n_sounds], 1):
            first = int(piece.onset[0]) if len(piece) else 0
            heard = piece.until(first + round(_HEARD_MINUTES * piece.tempo * piece.grid))
            write_sound(heard, folder / f"{sample_name(number, len(pieces))}.flac")
    except UserError as error:
        log.info("the samples are not written as sound: %s", error)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: undefined is null."""
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    return None if isinstance(value, float) and value != value else value


def _log_hyperparameters(trainer: Trainer, config: TrainConfig, figures: dict[str, Any]) -> None:
    logger = trainer.logger
    assert isinstance(logger, TensorBoardLogger)
    final = {f"final/{k}": v for k, v in _headline(figures).items() if v is not None}
    settings = {
        key: value if isinstance(value, int | float | bool) else str(value)
        for key, value in flatten(dataclasses.asdict(config)).items()
    }
    logger.log_hyperparams(settings, final | {"final/val_distance": figures["val_distance"]})
    logger.save()


def _headline(figures: dict[str, Any]) -> dict[str, float | None]:
    """A figure of each family."""
    figure_groups = figures["figures"]
    return {
        name: figure_groups[family][name]["generated"]
        for family, name in (
            ("mgeval", "oa_mean"),
            ("c2st", "accuracy"),
            ("prdc", "precision"),
            ("prdc", "coverage"),
            ("diversity", "distinct_pitch_4grams"),
            ("originality", "longest_copied_run_95th"),
        )
    }


def _closing_lines(folder: Path, figures: dict[str, Any]) -> str:
    rows = [(folder / "quality.txt").read_text(encoding="utf-8").rstrip()]
    if figures["n_clipped"]:
        rows.append(
            f"{figures['n_clipped']} of {figures['n_values']} values that no MIDI file can hold "
            "were clipped"
        )
    rows += [
        f"best epoch {figures['best_epoch']}, {figures['val_distance']:.3f} from validation music",
        f"all figures: {folder / 'metrics.json'}",
        *([f"report: {folder / 'report.html'}"] if (folder / "report.html").exists() else []),
        f"samples: {folder / 'samples'}, pictured in {folder / 'samples.png'}",
        f"checkpoints: {folder / 'checkpoints'} (best.ckpt, last.ckpt)",
        "losses: tensorboard --logdir outputs",
    ]
    return "\n".join(rows)
