"""Samples in TensorBoard while training: piano rolls, histograms and sound, beside real music."""

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

from gan_music.io.rendering.piano_roll import draw_piano_rolls
from gan_music.io.write import write_midi
from gan_music.models.base import MusicModel
from gan_music.music.piece import IntArray, Piece, windows, windows_or_pieces
from gan_music.page.record import PIECES
from gan_music.system.atomic_files import atomic_write
from gan_music.system.csv_cells import escape_formula

N_SHOWN = 8
_N_HEARD = 2
_WIDTH = 7.0  # inches: TensorBoard shows pictures small
_FEWEST_NOTES = 32  # of an excerpt of a longer piece
_SECONDS = 10.0  # of each sound: TensorBoard keeps them uncompressed


class SampleLogger(Callback):
    """Every so many epochs, and after the last: what the same noise has become.

    ``rolls/real`` and ``rolls/samples`` are pictures of as many pieces; ``notes/<what>_real`` and
    ``notes/<what>_samples`` histograms of their pitches, and of durations and offsets in quarters;
    ``sound/...`` the first of them, where sound is installed. Real ones are written once.
    """

    def __init__(
        self, real: Sequence[Piece], *, n_notes: int, tempo: float, seed: int, every_n_epochs: int
    ) -> None:
        self.real, self.n_notes, self.tempo = list(real), n_notes, tempo
        self.seed, self.every_n_epochs = seed, every_n_epochs
        self._shown = -1  # the batch

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fit_loop.total_batch_idx < 0:  # a run that is resumed has them already
            self._show(trainer, "real", self.real, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._shown != trainer.fit_loop.total_batch_idx:
            self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, model: LightningModule) -> None:
        assert isinstance(model, MusicModel)
        if not trainer.is_global_zero:
            return
        self._shown = trainer.fit_loop.total_batch_idx
        pieces = model.sample(
            n_pieces=N_SHOWN, n_notes=self.n_notes, seed=self.seed, tempo=self.tempo
        )
        self._show(trainer, "samples", pieces, self._shown)

    def _show(self, trainer: Trainer, side: str, pieces: Sequence[Piece], step: int) -> None:
        pieces = [p for p in pieces if len(p)]
        writers = [x.experiment for x in trainer.loggers if isinstance(x, TensorBoardLogger)]
        if not pieces or not writers:
            return
        (writer,) = writers
        grid = pieces[0].grid
        picture = _rolls(pieces, side.removesuffix("s"))
        writer.add_image(f"rolls/{side}", picture, step, dataformats="HWC")
        for what, values in _values(pieces).items():
            if not len(values):  # pieces of one note have no offsets
                continue
            unit = 1 if what == "pitch" else grid
            bins = _edges(values) / unit
            writer.add_histogram(f"notes/{what}_{side}", values / unit, step, bins=bins)
        for number, piece in enumerate(pieces[:_N_HEARD], 1):
            _add_sound(writer, f"sound/{side.removesuffix('s')}_{number}", piece, step)
        writer.flush()


def shown_of(pieces: Sequence[Piece], n_notes: int) -> list[Piece]:
    """Excerpts to show, evenly spread; each begins on the beat of its first note.

    They have ``n_notes`` notes, or half as many, and so on, where there are too few so long.
    """
    while len(windows(pieces, n_notes, N_SHOWN)) < N_SHOWN and n_notes >= 2 * _FEWEST_NOTES:
        n_notes //= 2
    return [p.from_its_beat() for p in windows_or_pieces(pieces, n_notes, N_SHOWN)]


def write_real(pieces: Sequence[Piece], folder: Path) -> None:
    """Write excerpts as ``real_1.mid`` and so on, and a table of the pieces they are from."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / PIECES) as temporary, temporary.open("w", encoding="utf-8") as file:
        rows = csv.writer(file)
        for number, piece in enumerate(pieces, 1):
            write_midi(piece, folder / f"real_{number}.mid")
            name = piece.name.encode(errors="replace").decode()
            rows.writerow([f"real_{number}.mid", escape_formula(name)])


def _values(pieces: Sequence[Piece]) -> dict[str, IntArray]:
    return {
        "pitch": np.concatenate([p.pitch for p in pieces]),
        "duration": np.concatenate([p.duration for p in pieces]),
        "offset": np.concatenate([np.diff(p.onset) for p in pieces]),
    }


def _rolls(pieces: Sequence[Piece], name: str) -> np.ndarray:
    """A picture, float ``[height, width, 3]`` from 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rolls.png"
        draw_piano_rolls([(f"{name} {i + 1}", p) for i, p in enumerate(pieces)], path, width=_WIDTH)
        return np.asarray(imread(path))[..., :3]


def _edges(values: IntArray, count: int = 512) -> np.ndarray:
    """Edges between the steps from the smallest value to the largest, no more than ``count``."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    step = -(-(high - low + 1) // count)
    return np.arange(low, high + step + 1, step) - 0.5


def _add_sound(writer: SummaryWriter, tag: str, piece: Piece, step: int) -> None:
    from gan_music.io.rendering.sound import sound_available, synthesize

    if not sound_available():
        return
    sound, rate = synthesize(piece.first_seconds(_SECONDS))
    # what a piano has above 11 kHz is not worth its bytes here
    half = np.clip(resample_poly(sound, 1, 2), -1, 1)
    writer.add_audio(tag, torch.from_numpy(half[None]), step, sample_rate=rate // 2)
