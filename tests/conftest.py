"""Music and runs that the tests share."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
from tests.command_server import CommandServer


def make_piece(seed: int, n_notes: int = 96) -> Piece:
    """A walk in a scale over bass notes: two voices, eighth and quarter notes."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    steps = rng.integers(-2, 3, n_notes).cumsum() % 14
    melody = 60 + scale[steps % 7] + 12 * (steps // 7)
    onset = np.cumsum(rng.choice([12, 24], n_notes)) - 12
    bass = slice(0, n_notes, 4)
    return Piece.from_arrays(
        np.concatenate([onset, onset[bass]]),
        np.concatenate([rng.choice([6, 12, 24], n_notes), np.full(len(onset[bass]), 48)]),
        np.concatenate([melody, melody[bass] - 24]),
        grid=24,
        name=f"walk {seed}",
    )


@pytest.fixture(scope="session")
def midi_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen small MIDI files, some in a folder below."""
    root = tmp_path_factory.mktemp("midi")
    (root / "below").mkdir()
    for seed in range(16):
        folder = root / "below" if seed % 4 == 0 else root
        write_midi(make_piece(seed), folder / f"walk{seed:02d}.mid")
    return root


# Overrides that make a run small; the folder of music and the cache are added by the fixture.
SMALL = (
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.log_every_n_batches=1",
    "data.window=16",
    "data.stride=16",
    "data.batch_size=8",
    "data.min_notes=16",
    "collapse.every_n_batches=4",
    "collapse.n_windows=8",
    "samples.n_validation_windows=8",
    "samples.n_pieces=2",
    "samples.n_notes=24",
    # tests of their own ask for these
    "samples.show_every_n_epochs=null",
    "report=false",
)
# the same with a small Gumbel-softmax GAN
TINY = (
    *SMALL,
    "model.hidden_size=12",
    "model.embedding_size=4",
    "model.noise_size=4",
    "model.warm_start_epochs=1",
    "model.warm_start_d_every=2",
    "model.warm_start_lr=0.02",
    "model.ema_decay=0.5",
)


# a run with this code finds every sample collapsed
COLLAPSED = """
from gan_music.metrics import collapse
collapse.variety = lambda *_: collapse.Variety(collapse.COLLAPSED, "")
from gan_music.train import main
main()
"""


def events_of(run: Path) -> EventAccumulator:
    """All that TensorBoard has of a run."""
    sizes = {"scalars": 0, "images": 0, "audio": 0, "histograms": 0}
    events = EventAccumulator(str(run / "tensorboard"), size_guidance=sizes)
    events.Reload()
    return events


def hyperparameters(run: Path) -> Any:
    """A run's settings, as the HPARAMS tab has them."""
    found = events_of(run).PluginTagToContent("hparams")["_hparams_/session_start_info"]
    return HParamsPluginData.FromString(found).session_start_info.hparams


def status_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "status.json").read_text())
    return content


Command = Callable[..., subprocess.CompletedProcess[str]]


@functools.cache
def _server() -> CommandServer:
    return CommandServer()


def run_python(
    *arguments: str, cwd: Path, python: Path = Path(sys.executable), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, in a folder of its own, with a cache there.

    A module of the package or a program runs in a process that is forked from one that has imported
    everything.
    """
    is_ours = arguments[0] == "-m" or arguments[0].endswith(".py")
    if is_ours and python == Path(sys.executable) and "PYTHONPATH" not in environment:
        return _server().run(arguments, cwd=cwd, env=_variables(cwd) | environment)
    return subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env=_variables(cwd) | environment,
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )


def default_signals() -> None:
    """For a process that is to receive signals: SIGINT is ignored in the background of a script,
    SIGHUP under ``nohup``, and processes inherit that.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def signal_command(
    number: signal.Signals, line: str, name: str, *overrides: str, cwd: Path, nth: int = 1
) -> tuple[int, str]:
    """Exit code and output of a command that gets a signal at the n-th line that begins so."""
    with subprocess.Popen(
        [sys.executable, "-m", f"gan_music.{name}", *overrides],
        cwd=cwd,
        env=_variables(cwd),
        preexec_fn=default_signals,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        text, n_seen = "", 0
        for printed in process.stdout:
            text += printed
            n_seen += printed.startswith(line)
            if n_seen == nth:
                process.send_signal(number)
                break
        text += process.stdout.read()
    return process.returncode, text


def _variables(cwd: Path) -> dict[str, str]:
    variables = os.environ | {
        "XDG_CACHE_HOME": str(cwd / "cache"),
        "OMP_NUM_THREADS": "1",  # so small a network is slower on two
    }
    variables.pop("HYDRA_FULL_ERROR", None)
    return variables


def run_command(
    name: str, *overrides: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """``python -m gan_music.<name> ...`` as a user runs it, in a folder of its own."""
    python = Path(sys.executable)
    return run_python("-m", f"gan_music.{name}", *overrides, cwd=cwd, python=python, **environment)


def succeed(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The same process, which must have ended without an error."""
    assert done.returncode == 0, done.stderr
    return done


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence with which a command failed."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture
def train(tmp_path: Path, midi_folder: Path) -> Command:
    """The training command on the small folder, in a temporary folder."""

    def call(*overrides: str) -> subprocess.CompletedProcess[str]:
        return run_command(
            "train", "data=midi", f"data.root={midi_folder}", *TINY, *overrides, cwd=tmp_path
        )

    return call
