"""After training: samples, their evaluation, ``metrics.json``, and the closing lines."""

from __future__ import annotations

import json
import logging
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.invocation import shown
from gan_music.config.schema import SamplesConfig
from gan_music.config.validate import flatten
from gan_music.data.split import Split
from gan_music.decoding.copy_filter import in_order, without_copies
from gan_music.decoding.request import SampleRequest
from gan_music.io.rendering.piano_roll import draw_piano_rolls
from gan_music.io.rendering.sound import check_soundfont, write_sound
from gan_music.io.write import COMPOSER, sample_name, write_pieces
from gan_music.metrics.custom import PieceMetric
from gan_music.metrics.evaluation import EvaluationSettings, evaluate
from gan_music.metrics.table import HEADLINE, summary, table
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece, windows_or_pieces
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.training.callbacks.sample_quality import SampleQuality
from gan_music.training.factory import restore_model

log = logging.getLogger(__name__)

_PICTURE_NOTES = 256  # of each piece in samples.png
_SOUND_MINUTES = 2  # of each piece


def evaluate_run(
    samples: SamplesConfig,
    pieces: Split,
    folder: Path,
    *,
    seed: int,
    tempo: float,
    quality: SampleQuality,
    while_training: dict[str, Any],
    training_seconds: float,
    device: torch.device,
    metrics: Mapping[str, PieceMetric],
) -> tuple[dict[str, Any], str]:
    """Sample from the best checkpoint and evaluate the samples on the test split.

    Writes ``samples/``, ``samples.png``, ``quality.txt`` and ``metrics.json`` into the run's
    folder. Returns the content of ``metrics.json``, and the main figures as a table.
    """
    best = folder / "checkpoints" / "best.ckpt"
    checkpoint = load_checkpoint(best)
    model = restore_model(checkpoint, best)
    start = time.perf_counter()
    generated, n_rejected = draw(model, samples, seed, tempo=tempo)
    sampling_seconds = time.perf_counter() - start
    n_clipped, n_notes = model.n_clipped, sum(map(len, generated))
    # with another seed than the one that the checkpoint was selected by
    val_distance = quality.measure(model, seed + 1)["distance"]
    evaluation = evaluate(
        generated, pieces.test, pieces.train, evaluation_settings(samples, seed), metrics
    )
    write_pieces(generated, folder / "samples", composer=COMPOSER)
    _write_sounds(generated, samples.n_sounds, folder / "samples")
    _write_picture(generated, pieces.test, samples.n_notes, folder / "samples.png")
    with atomic_write(folder / "quality.txt") as temporary:
        temporary.write_text(table(evaluation) + "\n", encoding="utf-8")
    figures = {
        "best_epoch": checkpoint.epoch + 1,
        "val_distance": val_distance,
        "n_clipped": n_clipped,
        "n_copies_rejected": n_rejected,
        "n_ended": sum(p.ends for p in generated) if model.representation.ends else None,
        "n_values": n_notes * len(model.representation.names),
        "while_training": while_training,
        "cost": {
            "n_weights": model.n_weights,
            "training_seconds": training_seconds,
            "sampling_notes_per_second": n_notes / sampling_seconds,
            "n_threads": torch.get_num_threads(),
            "accelerator": _device_name(device),
        },
    } | evaluation.as_json()
    with atomic_write(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(_without_nan(figures), indent=2) + "\n", encoding="utf-8")
    return figures, summary(evaluation)


def draw(
    model: MusicModel, samples: SamplesConfig, seed: int, **request: Any
) -> tuple[list[Piece], int]:
    """The samples of a run, and how many others were rejected as copies of training pieces."""

    n_drawn = 0

    def sample(n: int, seed: int) -> list[Piece]:
        nonlocal n_drawn
        n_drawn += n
        return model.sample(SampleRequest(n, samples.n_notes, seed, **request))

    found = without_copies(
        sample,
        model.copy_filter,
        longest=samples.max_copied_notes,
        n_pieces=samples.n_pieces,
        seed=seed,
    )
    return in_order(found), n_drawn - samples.n_pieces


def evaluation_settings(samples: SamplesConfig, seed: int) -> EvaluationSettings:
    """How many of a run's samples are evaluated, and of what length.

    The window is the default one, whatever window the model was trained on, so that figures of
    different runs can be compared.
    """
    return EvaluationSettings(max_pieces=samples.n_pieces, max_notes=samples.n_notes, seed=seed)


def _device_name(device: torch.device) -> str:
    """``cpu``, say, or ``cuda (<name>)``."""
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return device.type + name


def _write_picture(
    pieces: Sequence[Piece], test: Sequence[Piece], n_notes: int, path: Path
) -> None:
    real = [("real music", p) for p in windows_or_pieces(test, n_notes, 2)]
    shown = [(f"sample {i + 1}", p) for i, p in enumerate(pieces[:3])]
    draw_piano_rolls([(title, p.cut(0, _PICTURE_NOTES)) for title, p in real + shown], path)


def _write_sounds(pieces: list[Piece], n_sounds: int, folder: Path) -> None:
    """The first minutes of the first samples as FLAC, beside their MIDI files.

    Without the extra audio, or with a broken SoundFont, a line is logged instead.
    """
    try:
        if n_sounds:
            check_soundfont()
        for number, piece in enumerate(pieces[:n_sounds], 1):
            first = int(piece.onset[0]) if len(piece) else 0
            start = piece.until(first + round(_SOUND_MINUTES * piece.tempo * piece.grid))
            write_sound(start, folder / f"{sample_name(number, len(pieces))}.flac")
    except UserError as error:
        log.info("the samples are not written as sound: %s", error)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: undefined is null."""
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    return None if isinstance(value, float) and value != value else value


def log_figures(trainer: Trainer, settings: dict[str, Any], figures: dict[str, Any]) -> None:
    """Log a run's main figures; in TensorBoard's HPARAMS tab, with its settings."""
    values = {name: figures["figures"][group][name]["generated"] for group, name in HEADLINE}
    final = {f"final/{name}": value for name, value in values.items() if value is not None}
    plain = {
        key: value if isinstance(value, int | float | bool) else str(value)
        for key, value in flatten(settings).items()
    }
    final |= {"final/val_distance": figures["val_distance"]}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(plain, final)
        else:
            logger.log_metrics(final, trainer.fit_loop.total_batch_idx)
        logger.save()


def closing_lines(folder: Path, figures: dict[str, Any], main_figures: str) -> str:
    """What a run prints at its end: its main figures, and where to find what exists of the rest."""
    rows = [main_figures]
    if figures["n_clipped"]:
        rows.append(
            f"{figures['n_clipped']} of {figures['n_values']} values that no MIDI file can hold "
            "were clipped"
        )
    rows.append(
        f"best epoch {figures['best_epoch']}, {figures['val_distance']:.3f} from validation music"
    )
    for what, names in (
        ("all figures", ("quality.txt", "metrics.json")),
        ("report", ("report.html",)),
        ("samples", ("samples", "samples.png")),
        ("checkpoints", ("checkpoints/best.ckpt", "checkpoints/last.ckpt")),
    ):
        if found := [shown(folder / name) for name in names if (folder / name).exists()]:
            rows.append(f"{what}: {', '.join(found)}")
    if (folder / "tensorboard").exists():
        rows.append(f"losses: tensorboard --logdir {shlex.quote(shown(folder))}")
    return "\n".join(rows)


def closing_line(folder: Path, figures: dict[str, Any]) -> str:
    """What a job of a sweep prints at its end."""
    return (
        f"{figures['val_distance']:.3f} from validation music at epoch {figures['best_epoch']}, "
        f"verdict {figures['verdict']}: {shown(folder)}"
    )
