"""What the benchmarks share: arguments, music, data and models, and times of pairs in one run."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import music21
import numpy as np
import torch
from hydra.errors import HydraException
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf.errors import OmegaConfBaseException

from gan_music.config.explain import explain
from gan_music.config.schema import TrainConfig
from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.extraction import extract
from gan_music.data.pack import pitched
from gan_music.data.sources import Source, find_sources
from gan_music.io.write import write_midi
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError
from gan_music.training.factory import (
    build_data,
    build_decoding,
    build_model,
    build_representation,
)
from gan_music.training.run import quiet_lightning

GRID = 24  # steps of a quarter note
# settings of a run that is to be short, whatever it learns
SMALL = (
    *("trainer=cpu", "model.hidden_size=16", "collapse.n_windows=8"),
    *("samples.n_validation_windows=8", "samples.n_notes=64"),
)


class Parser(argparse.ArgumentParser):
    """A parser whose help is a module's docstring, and whose refusal is one sentence."""

    def __init__(self, doc: str | None) -> None:
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """End the program with code 2."""
        self.exit(2, f"error: {message}; see --help.\n")


def command(main: Callable[[], int | None]) -> NoReturn:
    """Run a program: a mistake of the user's gives one sentence and exit code 2."""
    try:
        sys.exit(main())
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {explain(error, TrainConfig)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def default_signals() -> None:
    """For a process that is to receive signals, wherever this one was started (nohup, ``&``)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def folder(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def music(root: Path | None) -> tuple[str, str]:
    """Overrides that read a folder, or else Monteverdi in music21's corpus."""
    if root is None:
        return "data=corpus", "data.query=monteverdi"
    return "data=midi", f"data.root={root}"


def override(text: str) -> str:
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"{text} is no override, KEY=VALUE")
    return text


def find_music(name: str) -> list[Source]:
    """The files of a folder, of a part of music21's corpus, or of all of it (``corpus``).

    Raises
    ------
    UserError
        If it is neither.
    """
    root = Path(name).expanduser().absolute()
    if name == "corpus" and not root.is_dir():
        root = Path(music21.__file__).parent / name
    return find_sources(root if root.is_dir() else None, name)


def read_pieces(music: str | Path, *, grid: int = GRID, min_notes: int = 64) -> Sequence[Piece]:
    """The pieces of what :func:`find_music` finds, without drums, through the user's cache."""
    cache = NoteCache(default_cache_dir(), grid)
    return pitched(extract(find_music(str(music)), cache, min_notes=min_notes).pieces)


def random_piece(seed: int, n_notes: int) -> Piece:
    """A piece of random notes, where the cost of a note does not depend on what it is."""
    rng = np.random.default_rng(seed)
    return Piece.from_arrays(
        rng.integers(0, 13, n_notes).cumsum(),
        rng.integers(1, 24, n_notes),
        rng.integers(36, 84, n_notes),
        grid=GRID,
        name=f"{seed % 1000:03}/{seed}.mid",
    )


@contextlib.contextmanager
def random_music(n_pieces: int = 12, n_notes: int = 2000) -> Iterator[tuple[str, str]]:
    """A temporary folder of random pieces, as the overrides that train on it."""
    with tempfile.TemporaryDirectory() as name:
        for seed in range(n_pieces):
            write_midi(random_piece(seed, n_notes), Path(name, f"{seed}.mid"))
        yield f"data.root={name}", f"data.cache_dir={name}/cache"


def build(config: TrainConfig) -> tuple[MusicDataModule, MusicModel]:
    """The data module, set up, and a new model."""
    data = read_data(config)
    decoding = build_decoding(config.trainer)
    return data, build_model(config.model, data.representation, decoding=decoding)


def build_untrained(config: TrainConfig) -> MusicModel:
    """A new model, whose representation is fitted to no music."""
    representation = build_representation(config.representation, config.data.grid)
    decoding, settings = build_decoding(config.trainer), dataclasses.asdict(config)
    return build_model(config.model, representation, config=settings, decoding=decoding)


def read_data(config: TrainConfig) -> MusicDataModule:
    """The data module of these settings, read and split.

    Raises
    ------
    UserError
        If the music cannot be read.
    """
    data = build_data(config.data, config.representation, seed=config.seed)
    data.prepare_data()
    data.setup()
    return data


class InTurn(Callback):
    """Times training batches, and after each round of batches other functions, in seconds.

    A batch is timed from the end of the previous one, so that its loading counts, except in the
    first batch of an epoch. Training ends after ``n_rounds`` rounds.

    Parameters
    ----------
    parts : the other functions, by name.
    n_batches : batches in a round; ``times["step"]`` holds their mean.
    clock : gives seconds.
    """

    n_warm_up = 2  # rounds that are not counted

    def __init__(
        self,
        parts: Mapping[str, Callable[[], object]],
        n_rounds: int,
        *,
        n_batches: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.parts, self.n_rounds, self.n_batches, self.clock = parts, n_rounds, n_batches, clock
        self.times: dict[str, list[float]] = {name: [] for name in ("step", *parts)}
        self._start, self._seconds = 0.0, [0.0]

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if not batch_idx:
            self._start = self._now()

    def on_train_batch_end(self, trainer: Trainer, *arguments: Any) -> None:
        self._seconds.append(self._now() - self._start)
        if len(self._seconds) > self.n_batches:
            self.times["step"].append(statistics.mean(self._seconds[1:]))
            self._seconds = [0.0]
            for name, part in self.parts.items():
                start = self._now()
                part()
                self.times[name].append(self._now() - start)
            if len(self.times["step"]) == self.n_warm_up + self.n_rounds:
                trainer.should_stop = True
                self.times = {k: v[self.n_warm_up :] for k, v in self.times.items()}
        self._start = self._now()

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return self.clock()


def fit(data: MusicDataModule, model: MusicModel, timer: InTurn, **settings: Any) -> None:
    """Train until the timer has seen enough; ``settings`` are the trainer's."""
    quiet_lightning()
    warnings.filterwarnings("ignore", ".*(checkpoint|logger|val_dataloader).*")
    trainer = Trainer(
        max_epochs=10_000,
        callbacks=[timer],
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"accelerator": "cpu", "logger": False} | settings,
    )
    trainer.fit(model, datamodule=data)


def print_times(times: Mapping[str, Sequence[float]]) -> None:
    for name, seconds in times.items():
        print(f"  {name:14}{1000 * statistics.median(seconds):8.1f} ms")


def print_ratio(times: Mapping[str, Sequence[float]], over: str, under: str) -> None:
    """The median ratio of two times of the same rounds, with its quartiles."""
    ratios = [a / b for a, b in zip(times[over], times[under], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"  {over} / {under:14}{middle:6.2f}  (quartiles {low:.2f} to {high:.2f})", flush=True)
