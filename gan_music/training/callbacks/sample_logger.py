"""Samples during training: piano rolls, histograms and sound, beside real music."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.image import imread
from scipy.signal import resample_poly
from torch.utils.tensorboard import SummaryWriter

from gan_music.decoding.request import SampleRequest
from gan_music.io.rendering.piano_roll import draw_piano_rolls
from gan_music.io.write import write_midi
from gan_music.models.base import MusicModel
from gan_music.music.bars import from_its_opening
from gan_music.music.piece import IntArray, Piece, attribute, windows, windows_or_pieces
from gan_music.page.record import PIECES
from gan_music.system.atomic_files import atomic_write
from gan_music.system.csv_cells import escape_formula
from gan_music.training.loggers import log_picture, takes_pictures

N_SHOWN = 8
_N_SOUNDS = 2
_WIDTH = 7.0  # inches; TensorBoard shows small pictures
_MIN_NOTES = 32  # of an excerpt of a longer piece
_SECONDS = 10.0  # of each sound; TensorBoard stores them uncompressed


class SampleLogger(Callback):
    """Every so many epochs, and after the last: samples of the same noise.

    ``rolls/real`` and ``rolls/samples`` are piano rolls of :data:`N_SHOWN` pieces;
    ``notes/<quantity>_real`` and ``notes/<quantity>_samples`` histograms of pitches, and of
    durations and offsets in quarter notes; ``sound/...`` the first pieces as sound, where the extra
    audio is installed. Real music is logged once. TensorBoard gets all of it, W&B and MLflow the
    piano rolls, other loggers nothing.
    """

    def __init__(
        self, real: Sequence[Piece], *, n_notes: int, tempo: float, seed: int, every_n_epochs: int
    ) -> None:
        self.real, self.n_notes, self.tempo = list(real), n_notes, tempo
        self.seed, self.every_n_epochs = seed, every_n_epochs
        self._last_batch = -1  # the batch of the last samples

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fit_loop.total_batch_idx < 0:  # a resumed run has logged them already
            self._log(trainer, "real", self.real, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._log_samples(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._last_batch != trainer.fit_loop.total_batch_idx:
            self._log_samples(trainer, pl_module)

    def _log_samples(self, trainer: Trainer, model: LightningModule) -> None:
        assert isinstance(model, MusicModel)
        if not trainer.is_global_zero or not any(map(takes_pictures, trainer.loggers)):
            return
        self._last_batch = trainer.fit_loop.total_batch_idx
        request = SampleRequest(
            n_pieces=N_SHOWN, length=self.n_notes, seed=self.seed, tempo=self.tempo
        )
        self._log(trainer, "samples", model.sample(request), self._last_batch)

    def _log(self, trainer: Trainer, kind: str, pieces: Sequence[Piece], step: int) -> None:
        pieces = [p for p in pieces if len(p)]
        loggers = [logger for logger in trainer.loggers if takes_pictures(logger)]
        if not pieces or not loggers or not trainer.is_global_zero:
            return
        picture = _piano_rolls(pieces, kind.removesuffix("s"))
        for logger in loggers:
            if isinstance(logger, TensorBoardLogger):
                _add_to_tensorboard(logger.experiment, picture, kind, pieces, step)
            else:
                log_picture(logger, f"rolls/{kind}", picture, step)


def excerpts(pieces: Sequence[Piece], n_notes: int) -> list[Piece]:
    """Excerpts of ``n_notes`` notes, evenly spread over the pieces; each begins with its
    music.

    ``n_notes`` is halved until there are :data:`N_SHOWN` of them, down to 32 notes.
    """
    while len(windows(pieces, n_notes, N_SHOWN)) < N_SHOWN and n_notes >= 2 * _MIN_NOTES:
        n_notes //= 2
    return [from_its_opening(p) for p in windows_or_pieces(pieces, n_notes, N_SHOWN)]


def write_real(pieces: Sequence[Piece], folder: Path) -> None:
    """Write excerpts as ``real_1.mid`` and so on, and a table of the pieces that they are from."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        atomic_write(folder / PIECES) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        for number, piece in enumerate(pieces, 1):
            write_midi(piece, folder / f"real_{number}.mid")
            rows.writerow([f"real_{number}.mid", escape_formula(piece.name)])


def _piano_rolls(pieces: Sequence[Piece], name: str) -> np.ndarray:
    """A picture, float ``[height, width, 3]`` in 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rolls.png"
        draw_piano_rolls([(f"{name} {i + 1}", p) for i, p in enumerate(pieces)], path, width=_WIDTH)
        return np.asarray(imread(path))[..., :3]


def _add_to_tensorboard(
    writer: SummaryWriter, picture: np.ndarray, kind: str, pieces: Sequence[Piece], step: int
) -> None:
    writer.add_image(f"rolls/{kind}", picture, step, dataformats="HWC")
    for quantity in ("pitch", "duration", "offset"):
        values = attribute(pieces, quantity)
        if not len(values):  # pieces of one note have no offsets
            continue
        unit = 1 if quantity == "pitch" else pieces[0].grid
        bins = _bin_edges(values) / unit
        writer.add_histogram(f"notes/{quantity}_{kind}", values / unit, step, bins=bins)
    for number, piece in enumerate(pieces[:_N_SOUNDS], 1):
        _add_sound(writer, f"sound/{kind.removesuffix('s')}_{number}", piece, step)
    writer.flush()


def _bin_edges(values: IntArray, count: int = 512) -> np.ndarray:
    """Edges of at most ``count`` bins of whole steps, from the smallest value to the largest."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    step = -(-(high - low + 1) // count)
    return np.arange(low, high + step + 1, step) - 0.5


def _add_sound(writer: SummaryWriter, tag: str, piece: Piece, step: int) -> None:
    from gan_music.io.rendering.sound import sound_available, synthesize

    if not sound_available():
        return
    sound, rate = synthesize(piece.first_seconds(_SECONDS))
    # half the sampling rate: a piano has little above 11 kHz
    half = np.clip(resample_poly(sound, 1, 2), -1, 1)
    writer.add_audio(tag, torch.from_numpy(half[None]), step, sample_rate=rate // 2)
