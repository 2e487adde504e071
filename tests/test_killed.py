"""Runs that are killed, asked to end, started twice, or repeated: the commands, tiny."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from gan_music import jobs
from gan_music.data.cache import NoteCache
from gan_music.files import replacing
from tests.conftest import TINY, Command, run_command, run_python, start_command

ROOT = Path(__file__).parent.parent


def status(folder: Path) -> str:
    return str(json.loads((folder / "status.json").read_text())["status"])


def test_a_run_that_is_killed_ends_as_if_nothing_had_happened(
    midi_folder: Path, tmp_path: Path
) -> None:
    # once each while it trains, saves, reads
    done = run_python(
        str(ROOT / "benchmarks" / "kills.py"),
        *("--kills", "3", "--root", str(midi_folder)),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "that differ from the undisturbed run: none" in done.stdout
    assert "compared: 11 (" in done.stdout  # two checkpoints, metrics.json, eight samples


def test_sigterm_saves_and_the_run_goes_on_alone(midi_folder: Path, tmp_path: Path) -> None:
    words = ("data=midi", f"data.root={midi_folder}", *TINY, "trainer.max_epochs=300")
    with start_command("train", *words, cwd=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read()
    assert process.returncode == 128 + signal.SIGTERM, rest
    assert "Traceback" not in rest
    (folder,) = (tmp_path / "outputs" / "quick").iterdir()
    last = folder / "checkpoints" / "last.ckpt"
    assert rest.splitlines()[-1].endswith(f"go on by: python -m gan_music.train resume={last}")
    assert status(folder) == "interrupted"
    content = torch.load(last, weights_only=True)
    n_batches = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"]

    # the same command finds it; another setting does not
    other = run_command("train", *words, "trainer.max_epochs=1", "resume=auto", cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    assert "no unfinished run has these settings: a fresh start" in other.stdout
    with start_command("train", *words, "resume=auto", cwd=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("going on"):
                break
        assert line.rstrip().endswith(str(folder))
        if "within" in line:
            assert f"after batch {n_batches}, " in line
        process.kill()
    assert len(list((tmp_path / "outputs" / "quick").iterdir())) == 2


def test_a_repeated_run_is_the_same_and_says_when_its_data_are_others(
    train: Command, midi_folder: Path, tmp_path: Path
) -> None:
    first = train("trainer.max_epochs=1", "data.n_workers=1", f"hydra.run.dir={tmp_path / 'a'}")
    assert first.returncode == 0, first.stderr
    made = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert made["versions"]["torch"] == torch.__version__
    assert made["data"]["n_pieces"] == 16
    again = ("--config-dir", str(tmp_path / "a"), "--config-name", "config")
    # in another process, read by as many workers as there are processors, into another cache
    done = run_command(
        "train", *again, "data.n_workers=2", "data.cache_dir=other", "hydra.run.dir=b", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "the data are not those" not in done.stdout
    a, b = (
        torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in "ab"
    )
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert made["data"] == json.loads((tmp_path / "b" / "environment.json").read_text())["data"]

    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for path in sorted(midi_folder.rglob("*.mid"))[1:]:
        (fewer / path.name).write_bytes(path.read_bytes())
    changed = run_command("train", *again, f"data.root={fewer}", "hydra.run.dir=c", cwd=tmp_path)
    assert changed.returncode == 0, changed.stderr
    assert f"the data are not those of {tmp_path / 'a'}: it had 16 pieces" in changed.stdout


def leave_a_run(folder: Path, state: str, settings: str) -> Path:
    folder.mkdir(parents=True)
    jobs.begin(folder, {"overrides": [], "cwd": "."})
    jobs.end(folder, state, {"overrides": [], "cwd": "."})
    (folder / "config.yaml").write_text(settings)
    return folder


OURS = {"seed": 1, "data": {"root": None}}
THE_SAME = "seed: 1\ndata: {root: null}\n"


def test_the_newest_unfinished_run_is_the_one_to_go_on_with(tmp_path: Path) -> None:
    assert jobs.unfinished(OURS, ".", tmp_path) is None
    older = leave_a_run(tmp_path / "quick" / "1", jobs.INTERRUPTED, THE_SAME)
    newer = leave_a_run(tmp_path / "mine", jobs.FAILED, THE_SAME + "checkpoint: {every: 7}\n")
    for name, state in (("2", jobs.DONE), ("3", jobs.PRUNED)):
        leave_a_run(tmp_path / "quick" / name, state, THE_SAME)
    leave_a_run(tmp_path / "quick" / "4", jobs.INTERRUPTED, "seed: 2\ndata: {root: null}\n")
    os.utime(older / "status.json", (1, 1))
    assert jobs.unfinished(OURS, ".", tmp_path) == newer
    # while another process is at work there, it is passed over: each gets one of its own
    code = (
        "import sys, pathlib, gan_music.jobs as jobs\n"
        f"print(jobs.unfinished({OURS!r}, '.', pathlib.Path(sys.argv[1])))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(older)
    jobs.end(newer, jobs.DONE, {"overrides": [], "cwd": "."})


def test_what_a_killed_writer_left_goes_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / f".last.ckpt.{'0' * 32}.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with replacing(tmp_path / "checkpoints" / "best.ckpt") as temporary:
        temporary.write_bytes(b"whole")
        jobs.begin(tmp_path, {"overrides": [], "cwd": "."})
        assert not left.exists()
        assert temporary.exists()  # its writer lives
    jobs.end(tmp_path, jobs.DONE, {"overrides": [], "cwd": "."})
    assert (tmp_path / "checkpoints" / "best.ckpt").read_bytes() == b"whole"
    entry = tmp_path / "ab" / f".{'ab' * 32}.npz.{'0' * 32}.tmp"
    entry.parent.mkdir()
    entry.write_bytes(b"half")
    NoteCache(tmp_path, 24).remove_leftovers()
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
        assert (folder / "train.log").read_text().count("training sequence_gan") == 1
    assert not list(tmp_path.rglob("*.tmp"))
