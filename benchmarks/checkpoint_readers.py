"""Each reader of checkpoints, in a process of its own, with its time, memory and output."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import read_data
from lightning.pytorch import Callback, seed_everything
from omegaconf import OmegaConf

import gan_music
from gan_music.checkpoints.checkpoint import load_checkpoint, sampler_part, save_sampler
from gan_music.config.explain import explain
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked, compose_run
from gan_music.data.datamodule import MusicDataModule
from gan_music.system.errors import UserError
from gan_music.training.callbacks.epoch_log import EpochLog
from gan_music.training.callbacks.last_checkpoint import LastCheckpoint
from gan_music.training.factory import build_model, label, pretrained_model, restore_model
from gan_music.training.resume import Resumed
from gan_music.training.resumed_state import check_state
from gan_music.training.run import quiet_lightning
from gan_music.training.trainer import build_trainer, checkpoints, collapse_alarm

SECONDS = 5.0  # of CPU, which other programs on the machine do not change
MEGABYTES = 500  # beyond the size of the file
_PATIENCE = 300.0  # seconds, before a process is ended
SMALL = {
    "hidden_size": 4,
    "embedding_size": 2,
    "noise_size": 2,
    "n_style_components": 2,
    "d_hidden_size": 4,
    "d_embedding_size": 2,
    "rollout_batch": 4,
    "replay_size": 8,
    "replay_batch": 4,
    "warm_start_epochs": 0,
    "critic_pretrain_batches": 1,
    "warmup_batches": 2,
}
MODELS = ("gumbel_gan", "lstm_lm", "reinforce_gan", "neo_saleem", "crnn_gan", "ngram")


class _ReachedError(Exception):
    """The batch that a run was to reach has been trained."""


class _Stop(Callback):
    def __init__(self, n_batches: int) -> None:
        self.left = n_batches

    def on_train_batch_end(self, *_: Any) -> None:
        self.left -= 1
        if not self.left:
            raise _ReachedError


class Run:
    """A small run of a model, which leaves a checkpoint, and resumes from others."""

    def __init__(self, model: str, music: tuple[str, ...], folder: Path) -> None:
        words = ("trainer=cpu", "data.window=16", "data.stride=16", "data.batch_size=16")
        rest = ("data.min_notes=16", "collapse.n_windows=4", "samples.n_validation_windows=4")
        config = compose_run(f"model={model}", *words, *rest, *music, "data.n_workers=1")
        for key, value in SMALL.items():
            if hasattr(config.model, key):
                setattr(config.model, key, value)
        self.config, self.folder = config, folder
        self.data: MusicDataModule = read_data(config)
        (folder / "checkpoints").mkdir(parents=True)

    def fit(self, config: TrainConfig, resumed: Resumed | None, n_batches: int) -> None:
        """Train some batches, from a checkpoint if there is one."""
        seed_everything(config.seed, verbose=False)
        model = build_model(
            config.model, self.data.representation, config=dataclasses.asdict(config)
        )
        pieces = self.data.pieces
        assert pieces is not None
        alarm = collapse_alarm(
            config.collapse, pieces.train, window=config.data.window, seed=0, stops=False
        )
        last = LastCheckpoint(
            self.folder / "checkpoints" / "last.ckpt",
            every_n_batches=1,
            keeps_end=True,
        )
        callbacks = [
            alarm,
            EpochLog(),
            *checkpoints(self.folder, last, patience=3)[: None if n_batches > 1 else 3],
            _Stop(n_batches),
        ]
        content = None if resumed is None else resumed.content
        trainer = build_trainer(config.trainer, callbacks, {}, self.folder, content)
        with contextlib.suppress(_ReachedError):
            trainer.fit(
                model, datamodule=self.data, ckpt_path=None if resumed is None else resumed.path
            )

    def content(self) -> dict[str, Any]:
        """What the run has saved after three batches."""
        self.fit(self.config, None, 3)
        last = self.folder / "checkpoints" / "last.ckpt"
        content: dict[str, Any] = torch.load(last, weights_only=True)
        states = content["callbacks"]
        for key, state in states.items():
            if key.startswith("ModelCheckpoint"):  # as after an epoch
                best = str(self.folder / "checkpoints" / "best.ckpt")
                score = torch.tensor(0.5)
                state |= {"best_model_path": best, "best_model_score": score, "kth_value": score}
                state |= {"best_k_models": {best: score}, "kth_best_model_path": best}
        return content


def generate(path: Path) -> None:
    """As ``gan_music.generate`` and :func:`gan_music.load` do."""
    gan_music.load(path).generate(n_pieces=1, n_notes=12)


def export(path: Path) -> None:
    checkpoint = load_checkpoint(path)
    model = restore_model(checkpoint, path)
    save_sampler(sampler_part(checkpoint, model.sampled_from), path.with_suffix(".small"))


def warm_start(path: Path, runs: list[Run]) -> None:
    config = next(r.config for r in runs if label(r.config.model) == "reinforce_gan")
    settings = dataclasses.replace(config.model, warm_start_from=str(path))
    pretrained_model(settings, config.representation, config.data.grid)


def resume(path: Path, runs: list[Run]) -> None:
    """As ``resume=`` does, through the first batch, where the data are those of one of the runs."""
    checkpoint = load_checkpoint(path, to_train=True)
    config = checked(TrainConfig, OmegaConf.create(checkpoint.config))
    check_state(checkpoint, config, path)
    assert checkpoint.training is not None
    for run in runs:
        parts = (run.config.data, run.config.representation)
        if (config.data, config.representation) == parts:
            config.callbacks, config.logger = {}, {}
            run.fit(config, Resumed(path, checkpoint.training), 1)
            return


@dataclass
class Outcome:
    """How one reader took one file."""

    reader: str
    kind: str
    fault: str
    seconds: float
    megabytes: float


def _sentence(error: BaseException) -> str:
    """What is wrong with an error's sentence; empty if nothing is."""
    sentence = explain(error, TrainConfig)
    is_one = sentence.endswith((".", "?")) and len(sentence) < 2000
    starts_well = not sentence.startswith("unexpected") and sentence.isprintable()
    return "" if is_one and starts_well else f"{sentence[:300]} <- {error.__cause__!r:.200}"


def _memory(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def _measure(name: str, read: Callable[[Path], None], path: Path, output: Path) -> Outcome:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is this moment's
    before, start, said = _memory("VmRSS"), time.process_time(), output.stat().st_size
    kind, fault = "loaded", ""
    try:
        read(path)
    except UserError as error:
        kind, fault = "refused", _sentence(error)
    except Exception as error:
        kind, fault = "refused", _sentence(error)
    seconds = time.process_time() - start
    megabytes = _memory("VmHWM") - before - path.stat().st_size / 2**20
    sys.stdout.flush()
    sys.stderr.flush()
    if kind == "refused" and not fault and output.stat().st_size > said:
        fault = f"it says {output.read_bytes()[said : said + 200]!r}"
    if not fault and seconds > SECONDS:
        fault = f"{seconds:.1f} s"
    if not fault and megabytes > MEGABYTES:
        fault = f"{megabytes:.0f} MiB"
    return Outcome(name, kind, fault, seconds, megabytes)


def read_by_all(data: bytes, path: Path, runs: list[Run]) -> list[Outcome]:
    """How each reader takes a file, in a child process."""
    path.write_bytes(data)
    readers: dict[str, Callable[[Path], None]] = {
        "generate": generate,
        "export": export,
        "warm_start_from": lambda p: warm_start(p, runs),
        "resume": lambda p: resume(p, runs),
    }
    found = path.with_suffix(".json")
    found.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile() as output:
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            quiet_lightning()
            outcomes = []
            for name, read in readers.items():
                outcomes.append(vars(_measure(name, read, path, Path(output.name))))
                found.write_text(json.dumps(outcomes))
            os._exit(0)
        ended = _wait(child)
        rows = json.loads(found.read_text()) if found.exists() else []
        outcomes = [Outcome(**row) for row in rows]
        if len(outcomes) < len(readers):
            name = list(readers)[len(outcomes)]
            output.seek(0)
            text = f"{ended}: {output.read()[-200:]!r}"
            outcomes.append(Outcome(name, "refused", text, _PATIENCE, 0.0))
    return outcomes


def _wait(child: int) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return f"ended with {status}"
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"over {_PATIENCE:.0f} s"
