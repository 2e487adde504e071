"""Runs that are killed, interrupted, started twice or reproduced: the commands, tiny."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from gan_music.training.run import write_config
from tests.conftest import TINY, Command, run_command, start_command


def status(folder: Path) -> str:
    return str(json.loads((folder / "status.json").read_text())["status"])


MANY = ("trainer.max_epochs=8", "checkpoint.every=3", "samples.n_sounds=0")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """The folder of an uninterrupted run, its files read by one process."""
    cwd = tmp_path_factory.mktemp("undisturbed")
    words = ("data=midi", f"data.root={midi_folder}", *TINY, *MANY, "data.n_workers=1")
    done = run_command("train", *words, "hydra.run.dir=run", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "run"


def stopped(cwd: Path, number: signal.Signals, line: str, *words: str) -> tuple[int, str]:
    """Exit code and output of a run that gets a signal when it prints a line that begins so."""
    with start_command("train", *words, "resume=auto", cwd=cwd) as process:
        assert process.stdout is not None
        text = ""
        for printed in process.stdout:
            text += printed
            if printed.startswith(line):
                process.send_signal(number)
                break
        text += process.stdout.read()
    return process.returncode, text


def assert_equal_runs(a: Path, b: Path) -> None:
    for name in ("last", "best"):
        one, other = (
            torch.load(f / "checkpoints" / f"{name}.ckpt", weights_only=True) for f in (a, b)
        )
        assert one["epoch"] == other["epoch"]
        assert one["state_dict"].keys() == other["state_dict"].keys()
        assert all(torch.equal(v, other["state_dict"][k]) for k, v in one["state_dict"].items())
    samples = [{p.name: p.read_bytes() for p in (f / "samples").iterdir()} for f in (a, b)]
    assert samples[0] == samples[1] != {}
    figures = [json.loads((f / "metrics.json").read_text()) for f in (a, b)]
    for found in figures:
        del found["cost"]  # seconds
    assert figures[0] == figures[1]


def test_a_run_that_is_interrupted_and_killed_ends_like_an_undisturbed_one(
    undisturbed: Path, midi_folder: Path, tmp_path: Path
) -> None:
    words = ("data=midi", f"data.root={midi_folder}", *TINY, *MANY, "data.n_workers=1")
    code, text = stopped(tmp_path, signal.SIGTERM, "epoch 2/", *words)
    assert code == 128 + signal.SIGTERM, text
    assert "Traceback" not in text
    assert "no unfinished run has these settings: a fresh start" in text
    (folder,) = (tmp_path / "outputs" / "quick").iterdir()
    last = folder / "checkpoints" / "last.ckpt"
    assert text.splitlines()[-1].endswith(f"go on by: python -m gan_music.train resume={last}")
    assert status(folder) == "interrupted"
    content = torch.load(last, weights_only=True)
    batches = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    if not batches["is_last_batch"]:
        where = f"after batch {batches['total']['ready']}, within epoch {content['epoch'] + 1}"
    else:
        where = f"after epoch {content['epoch'] + 1}"

    # the same command resumes it, and is killed while its samples are measured
    code, text = stopped(tmp_path, signal.SIGKILL, "epoch 8/", *words)
    assert code == -signal.SIGKILL, text
    assert f"going on {where}: {folder}" in text
    assert status(folder) == "running"
    left = last.with_name(f".last.ckpt.{'0' * 32}.tmp")
    left.write_bytes(b"half")
    done = run_command("train", *words, "resume=auto", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "outputs" / "quick").iterdir()) == [folder]
    assert not list(tmp_path.rglob("*.tmp"))
    assert_equal_runs(undisturbed, folder)


def test_a_run_is_reproduced_from_its_folder(undisturbed: Path, tmp_path: Path) -> None:
    made = json.loads((undisturbed / "environment.json").read_text())
    assert made["versions"]["torch"] == torch.__version__
    assert made["data"]["n_pieces"] == 16
    again = ("--config-dir", str(undisturbed), "--config-name", "config", "data.n_workers=2")
    done = run_command("train", *again, "data.cache_dir=other", "hydra.run.dir=b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the data are not those" not in done.stdout
    assert_equal_runs(undisturbed, tmp_path / "b")
    assert json.loads((tmp_path / "b" / "environment.json").read_text()) == made


def test_the_command_that_reproduces_a_run_is_quoted_for_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my runs & more"
    folder.mkdir()
    write_config({"seed": 1}, folder / "config.yaml")
    line = (folder / "config.yaml").read_text().splitlines()[0]
    words = "python -m gan_music.train --config-dir", str(folder), "--config-name config"
    call = shlex.split(line.removeprefix("# Repeat this run: "))
    assert call == [*words[0].split(), words[1], *words[2].split()]


def test_four_runs_that_start_at_once_have_four_folders(train: Command, tmp_path: Path) -> None:
    def call(number: int) -> subprocess.CompletedProcess[str]:
        return train("trainer.max_epochs=1", "resume=auto", f"samples.n_notes={24 + number % 2}")

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(call, range(4)))
    assert [d.returncode for d in done] == [0] * 4, [d.stderr for d in done]
    folders = list((tmp_path / "outputs" / "quick").iterdir())
    assert len(folders) == 4
    for folder in folders:
        assert status(folder) == "done"
        assert (folder / "train.log").read_text().count("training gumbel_gan") == 1
    assert not list(tmp_path.rglob("*.tmp"))
