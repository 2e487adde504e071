"""Sweeps by the command: killed, continued, failing; and their memory."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from gan_music.runs.sweep import hold, refuse_busy
from tests.conftest import (
    COLLAPSED,
    TINY,
    Command,
    run_python,
    sentence,
    signal_command,
    status_of,
    succeed,
)


def status(folder: Path) -> str:
    return str(status_of(folder)["status"])


def interrupted_sweep(
    cwd: Path, midi_folder: Path, number: signal.Signals, job: int, *words: str
) -> str:
    """The output of a sweep that gets a signal in the second epoch of its ``job``-th job."""
    sweep = ("train", "-m", "data=midi", f"data.root={midi_folder}", *TINY, *words)
    code, text = signal_command(number, "epoch 2/", *sweep, cwd=cwd, nth=job)
    assert code == (130 if number == signal.SIGINT else -number), text
    return text


def test_a_sweep_that_was_killed_is_continued(
    train: Command, midi_folder: Path, tmp_path: Path
) -> None:
    words = ("seed=1,2", "trainer.max_epochs=3")
    interrupted_sweep(tmp_path, midi_folder, signal.SIGKILL, 2, *words)
    (sweep,) = (tmp_path / "outputs" / "quick").iterdir()
    assert (status(sweep / "0"), status(sweep / "1")) == ("done", "running")
    before = (sweep / "0" / "metrics.json").stat().st_mtime_ns

    done = succeed(train("-m", "seed=1,2,3", "trainer.max_epochs=3", "skip_done=true"))
    assert "1 of 3 jobs are done already" in done.stdout
    assert f"resuming after epoch 1: {sweep / '1'}" in done.stdout
    assert (sweep / "0" / "metrics.json").stat().st_mtime_ns == before
    assert [status(sweep / n) for n in "012"] == ["done"] * 3
    last = torch.load(sweep / "1" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 2
    row, *others = (sweep / "ranking.txt").read_text().splitlines()[2:]
    assert " 1,2,3  " in row
    reason = "both sets have fewer than two excerpts to compare"
    assert others == [f"job {n}: the verdict is undefined: {reason}" for n in "012"]
    assert not (sweep / "report.html").exists()  # report=false

    # a job whose settings differ is never skipped
    done = succeed(train("-m", "seed=1", "trainer.max_epochs=1", "skip_done=true"))
    assert "done already" not in done.stdout
    (other,) = set((tmp_path / "outputs" / "quick").iterdir()) - {sweep}
    assert status(other / "0") == "done"


def test_a_job_that_collapses_fails_and_the_others_continue(
    midi_folder: Path, tmp_path: Path
) -> None:
    words = ("-m", "stop_on_collapse=true,false", "hydra.sweep.dir=s", "trainer.max_epochs=2")
    more = ("data=midi", f"data.root={midi_folder}", *TINY, "model.warm_start_epochs=0")
    done = run_python("-c", COLLAPSED, *words, *more, "collapse.patience=1", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 of 2 jobs failed" in done.stderr
    assert [status(tmp_path / "s" / n) for n in "01"] == ["failed", "done"]
    log = (tmp_path / "s" / "0" / "train.log").read_text()
    assert "Traceback" in log
    assert "the samples had collapsed (checks in a row: 1)" in log
    # its samples and figures are written all the same
    assert (tmp_path / "s" / "0" / "samples" / "sample_01.mid").is_file()
    assert json.loads((tmp_path / "s" / "0" / "metrics.json").read_text())["best_epoch"] == 1


def test_ctrl_c_ends_the_whole_sweep_and_says_how_to_continue(
    midi_folder: Path, tmp_path: Path
) -> None:
    words = ("seed=1,2,3", "trainer.max_epochs=3", "hydra.sweep.dir=s")
    text = interrupted_sweep(tmp_path, midi_folder, signal.SIGINT, 1, *words)
    assert "skip_done=true hydra.sweep.dir=s" in text.splitlines()[-1]
    assert "Traceback" not in text
    assert [status(tmp_path / "s" / n) for n in "0"] == ["interrupted"]
    assert not (tmp_path / "s" / "1").exists()


def test_a_job_that_calls_sys_exit_fails(midi_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, gan_music.training.run, gan_music.train\n"
        "gan_music.training.run.train = lambda config: sys.exit(7) if config.seed == 1 else 0.5\n"
        "gan_music.train.main()\n"
    )
    arguments = ("-m", f"data.root={midi_folder}", "seed=1,2", "hydra.sweep.dir=s")
    done = run_python("-c", code, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: 1 of 2 jobs failed")
    assert status(tmp_path / "s" / "0") == "failed"
    assert "SystemExit: 7" in (tmp_path / "s" / "0" / "train.log").read_text()
    assert (tmp_path / "s" / "1").is_dir()


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        (False, ("seed=1,2",)),
        (False, ("seed=1,2", "skip_done=true")),
        (False, ("sweep=tpe",)),
        (True, ("seed=1,2",)),  # a search is at work there
    ],
)
def test_a_second_sweep_in_a_folder_is_refused(
    train: Command, tmp_path: Path, shared: bool, words: tuple[str, ...]
) -> None:
    with hold(tmp_path / "s", shared=shared) as first:
        first.write("the first")
        first.flush()
        line = sentence(train("-m", "hydra.sweep.dir=s", *words))
        assert line.startswith("error: another sweep is at work in")
        assert line.endswith("s: wait for it, or name another hydra.sweep.dir.")
    assert [(p.name, p.read_text()) for p in (tmp_path / "s").iterdir()] == [
        ("multirun.yaml", "the first")
    ]
    refuse_busy(tmp_path / "s")


@pytest.mark.parametrize(
    ("override", "start", "hint"),
    [
        ("trainer.devices=2", "error: trainer.devices=2 in a sweep", ""),
        ("model.dropout=interval(0,0.5)", "error: model.dropout=interval(0,0.5)", "sweep=tpe"),
        ("resume=auto", "error: resume=auto is for one run", "skip_done=true"),
    ],
)
def test_what_a_sweep_refuses(
    train: Command, tmp_path: Path, override: str, start: str, hint: str
) -> None:
    line = sentence(train("-m", "seed=1,2", override))
    assert line.startswith(start)
    assert hint in line
    assert not (tmp_path / "outputs").exists()
