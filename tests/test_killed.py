"""Runs that are killed, asked to end, started twice, or repeated: the commands, tiny."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from gan_music.data.cache import NoteCache
from gan_music.runs import status as jobs
from gan_music.runs.provenance import environment, warn_of_differences, write_environment
from gan_music.system.atomic_files import atomic_write
from gan_music.training.run import write_config
from tests.conftest import TINY, Command, make_piece, run_command, start_command


def status(folder: Path) -> str:
    return str(json.loads((folder / "status.json").read_text())["status"])


MANY = ("trainer.max_epochs=8", "checkpoint.every=3", "samples.n_sounds=0")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """The folder of a run that nobody disturbed, its files read by one process."""
    cwd = tmp_path_factory.mktemp("calm")
    words = ("data=midi", f"data.root={midi_folder}", *TINY, *MANY, "data.n_workers=1")
    done = run_command("train", *words, "hydra.run.dir=run", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "run"


def stopped(cwd: Path, number: signal.Signals, line: str, *words: str) -> tuple[int, str]:
    """Exit code and output of a run that gets a signal once it prints what begins like this."""
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
        del found["cost"]  # it holds seconds
    assert figures[0] == figures[1]


def test_a_run_that_is_stopped_and_killed_ends_as_if_nothing_had_happened(
    calm: Path, midi_folder: Path, tmp_path: Path
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
    if not batches["is_last_batch"]:  # which it may be where the epoch just ended
        where = f"after batch {batches['total']['ready']}, within epoch {content['epoch'] + 1}"
    else:
        where = f"after epoch {content['epoch'] + 1}"

    # the same command finds it, and is killed while its samples are measured
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
    assert_equal_runs(calm, folder)


def test_a_run_is_repeated_from_what_it_leaves(calm: Path, tmp_path: Path) -> None:
    made = json.loads((calm / "environment.json").read_text())
    assert made["versions"]["torch"] == torch.__version__
    assert made["data"]["n_pieces"] == 16
    again = ("--config-dir", str(calm), "--config-name", "config", "data.n_workers=2")
    done = run_command("train", *again, "data.cache_dir=other", "hydra.run.dir=b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the data are not those" not in done.stdout
    assert_equal_runs(calm, tmp_path / "b")
    assert json.loads((tmp_path / "b" / "environment.json").read_text()) == made


def test_the_line_that_repeats_a_run_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my runs & more"
    folder.mkdir()
    write_config({"seed": 1}, folder / "config.yaml")
    line = (folder / "config.yaml").read_text().splitlines()[0]
    words = "python -m gan_music.train --config-dir", str(folder), "--config-name config"
    call = shlex.split(line.removeprefix("# Repeat this run: "))
    assert call == [*words[0].split(), words[1], *words[2].split()]


def test_other_data_or_versions_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = [make_piece(seed) for seed in range(3)]
    made = environment(pieces)
    write_environment(made, tmp_path)
    warn_of_differences(environment([make_piece(seed) for seed in range(3)]), tmp_path)
    assert not caplog.messages
    warn_of_differences(environment(pieces[1:]), tmp_path)
    assert f"the data are not those of {tmp_path}: it had 3 pieces with 360 notes" in caplog.text
    caplog.clear()
    # a note that is another, with as many of them
    warn_of_differences(environment([make_piece(7), *pieces[1:]]), tmp_path)
    assert "and these are 3 with 360" in caplog.text
    caplog.clear()
    here = made["cpu"]
    assert here
    made["versions"]["torch"], made["cpu"] = "1.0", "abacus"
    write_environment(made, tmp_path)
    warn_of_differences(environment(pieces), tmp_path)
    (message,) = caplog.messages
    assert f"torch 1.0 (here {torch.__version__})" in message
    assert f"cpu abacus (here {here})" in message


def leave_a_run(folder: Path, state: str, settings: str) -> Path:
    folder.mkdir(parents=True)
    jobs.begin_run(folder, {"overrides": [], "cwd": "."})
    jobs.end_run(folder, state, {"overrides": [], "cwd": "."})
    (folder / "config.yaml").write_text(settings)
    return folder


OURS = {"seed": 1, "data": {"root": None}}
THE_SAME = "seed: 1\ndata: {root: null}\n"


def test_the_newest_unfinished_run_is_the_one_to_go_on_with(tmp_path: Path) -> None:
    assert jobs.find_unfinished(OURS, ".", tmp_path) is None
    older = leave_a_run(tmp_path / "quick" / "1", jobs.INTERRUPTED, THE_SAME)
    newer = leave_a_run(tmp_path / "mine", jobs.FAILED, THE_SAME + "checkpoint: {every: 7}\n")
    for name, state in (("2", jobs.DONE), ("3", jobs.PRUNED)):
        leave_a_run(tmp_path / "quick" / name, state, THE_SAME)
    leave_a_run(tmp_path / "quick" / "4", jobs.INTERRUPTED, "seed: 2\ndata: {root: null}\n")
    os.utime(older / "status.json", (1, 1))
    assert jobs.find_unfinished(OURS, ".", tmp_path) == newer
    # while another process is at work there, it is passed over: each gets one of its own
    code = (
        "import sys, pathlib, gan_music.runs.status as jobs\n"
        f"print(jobs.find_unfinished({OURS!r}, '.', pathlib.Path(sys.argv[1])))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(older)
    jobs.end_run(newer, jobs.DONE, {"overrides": [], "cwd": "."})


def test_what_a_killed_writer_left_goes_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / f".last.ckpt.{'0' * 32}.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with atomic_write(tmp_path / "checkpoints" / "best.ckpt") as temporary:
        temporary.write_bytes(b"whole")
        jobs.begin_run(tmp_path, {"overrides": [], "cwd": "."})
        assert not left.exists()
        assert temporary.exists()  # its writer lives
    jobs.end_run(tmp_path, jobs.DONE, {"overrides": [], "cwd": "."})
    assert (tmp_path / "checkpoints" / "best.ckpt").read_bytes() == b"whole"
    entry = tmp_path / "ab" / f".{'ab' * 32}.npz.{'0' * 32}.tmp"
    entry.parent.mkdir()
    entry.write_bytes(b"half")
    NoteCache(tmp_path, 24).remove_temporaries()
    assert not list(tmp_path.rglob("*.tmp"))


def test_four_jobs_that_start_at_once_have_a_folder_each(train: Command, tmp_path: Path) -> None:
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
