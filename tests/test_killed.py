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
from tests.conftest import TINY, Command, run_command, signal_command, status_of, succeed

MANY = ("trainer.max_epochs=8", "checkpoint.every=3", "samples.n_sounds=0")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """The folder of an uninterrupted run, its files read by one process."""
    cwd = tmp_path_factory.mktemp("undisturbed")
    words = ("data=midi", f"data.root={midi_folder}", *TINY, *MANY, "data.n_workers=1")
    succeed(run_command("train", *words, "hydra.run.dir=run", cwd=cwd))
    return cwd / "run"


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
    again = ("train", *words, "resume=auto")
    code, text = signal_command(signal.SIGTERM, "epoch 2/", *again, cwd=tmp_path)
    assert code == 128 + signal.SIGTERM, text
    assert "Traceback" not in text
    assert "no unfinished run has these settings: a fresh start" in text
    (folder,) = (tmp_path / "outputs" / "quick").iterdir()
    last = folder / "checkpoints" / "last.ckpt"
    by = f"resume by: python -m gan_music.train resume={folder.relative_to(tmp_path)}"
    assert text.splitlines()[-1].endswith(by)
    assert status_of(folder)["status"] == "interrupted"
    content = torch.load(last, weights_only=True)
    batches = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    if not batches["is_last_batch"]:
        where = f"after batch {batches['total']['ready']}, within epoch {content['epoch'] + 1}"
    else:
        where = f"after epoch {content['epoch'] + 1}"

    # the same command resumes it, and is killed while its samples are measured
    code, text = signal_command(signal.SIGKILL, "epoch 8/", *again, cwd=tmp_path)
    assert code == -signal.SIGKILL, text
    assert f"resuming {where}: {folder}" in text
    assert status_of(folder)["status"] == "running"
    left = last.with_name(f".last.ckpt.{'0' * 32}.tmp")
    left.write_bytes(b"half")
    succeed(run_command(*again, cwd=tmp_path))
    assert list((tmp_path / "outputs" / "quick").iterdir()) == [folder]
    assert not list(tmp_path.rglob("*.tmp"))
    assert_equal_runs(undisturbed, folder)


def test_a_run_is_reproduced_from_its_folder(undisturbed: Path, tmp_path: Path) -> None:
    made = json.loads((undisturbed / "environment.json").read_text())
    assert made["versions"]["torch"] == torch.__version__
    assert made["data"]["n_pieces"] == 16
    again = ("--config-dir", str(undisturbed), "--config-name", "config", "data.n_workers=2")
    done = succeed(run_command("train", *again, "data.cache_dir=other", cwd=tmp_path))
    assert "the data are not those" not in done.stdout
    (folder,) = (tmp_path / "outputs" / "quick").iterdir()
    assert_equal_runs(undisturbed, folder)
    assert json.loads((folder / "environment.json").read_text()) == made


def test_the_command_that_reproduces_a_run_is_quoted_for_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my runs & more"
    folder.mkdir()
    write_config({"seed": 1}, folder / "config.yaml")
    line = (folder / "config.yaml").read_text().splitlines()[0]
    call = shlex.split(line.removeprefix("# Repeat this run: "))
    start = ["python", "-m", "gan_music.train", "--config-dir"]
    assert call == [*start, str(folder), "--config-name", "config"]


def test_four_runs_that_start_at_once_have_four_folders(train: Command, tmp_path: Path) -> None:
    def call(number: int) -> subprocess.CompletedProcess[str]:
        return train("trainer.max_epochs=1", "resume=auto", f"samples.n_notes={24 + number % 2}")

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(call, range(4)))
    assert [d.returncode for d in done] == [0] * 4, [d.stderr for d in done]
    folders = list((tmp_path / "outputs" / "quick").iterdir())
    assert len(folders) == 4
    for folder in folders:
        assert status_of(folder)["status"] == "done"
        assert (folder / "train.log").read_text().count("training gumbel_gan") == 1
    assert not list(tmp_path.rglob("*.tmp"))
