"""The status file: who holds a run's folder, what it says of the end, what can be resumed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gan_music.config.schema import TrainConfig
from gan_music.config.validate import known_fields
from gan_music.runs import status as jobs
from gan_music.system.errors import UserError
from tests.conftest import run_python, succeed

ROOT = Path(__file__).parents[2]


def finished_run(folder: Path, state: str, settings: str) -> Path:
    folder.mkdir(parents=True)
    jobs.begin_run(folder, {"overrides": [], "cwd": "."})
    jobs.end_run(folder, state, {"overrides": [], "cwd": "."})
    (folder / "config.yaml").write_text(settings)
    return folder


OURS = {"seed": 1, "data": {"root": None}}
THE_SAME = "seed: 1\ndata: {root: null}\n"


def test_the_newest_unfinished_run_is_found_and_claimed(tmp_path: Path) -> None:
    assert jobs.find_unfinished(OURS, ".", tmp_path) is None
    older = finished_run(tmp_path / "quick" / "1", jobs.INTERRUPTED, THE_SAME)
    newer = finished_run(tmp_path / "mine", jobs.FAILED, THE_SAME + "checkpoint: {every: 7}\n")
    for name, state in (("2", jobs.DONE), ("3", jobs.PRUNED)):
        finished_run(tmp_path / "quick" / name, state, THE_SAME)
    finished_run(tmp_path / "quick" / "4", jobs.INTERRUPTED, "seed: 2\ndata: {root: null}\n")
    os.utime(older / "status.json", (1, 1))
    assert jobs.find_unfinished(OURS, ".", tmp_path) == newer
    # another process passes it over
    code = (
        "import sys, pathlib, gan_music.runs.status as jobs\n"
        f"print(jobs.find_unfinished({OURS!r}, '.', pathlib.Path(sys.argv[1])))\n"
    )
    found = succeed(run_python("-c", code, str(tmp_path), cwd=ROOT))
    assert found.stdout.strip() == str(older)
    jobs.end_run(newer, jobs.DONE, {"overrides": [], "cwd": "."})


def test_what_has_no_effect_makes_no_other_run(tmp_path: Path) -> None:
    free = "report: false\nsamples: {n_sounds: 9, n_pieces: 4}\n"
    text = f"seed: 1\ndata: {{root: null, n_workers: 3, cache_dir: a, on_device: true}}\n{free}"
    run = finished_run(tmp_path / "a", jobs.FAILED, text)
    ours = OURS | {"samples": {"n_pieces": 4}}
    assert jobs.settings_in(run) == ours
    assert jobs.same_settings(ours, ".", run)
    assert not jobs.same_settings(OURS | {"samples": {"n_pieces": 5}}, ".", run)
    changing = ("seed", "data.timeout_s", "data.memory_mb", "data.root", "samples.n_pieces", "name")
    assert all(map(jobs.has_effect, changing))
    known = {key for key, _ in known_fields(TrainConfig)} | {"logger"}
    assert {k for k in jobs.WITHOUT_EFFECT if k != "checkpoint"} <= known


def test_a_folder_belongs_to_one_process_until_it_dies(tmp_path: Path) -> None:
    code = (
        "import sys, time, gan_music.runs.status as jobs, pathlib\n"
        "jobs.begin_run(pathlib.Path(sys.argv[1]), {'overrides': [], 'cwd': '.'})\n"
        "print('there', flush=True)\n"
        "time.sleep(60)\n"
    )
    call = {"overrides": ["seed=1"], "cwd": "."}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(UserError, match="another process is at work"):
            jobs.begin_run(tmp_path, call)
        jobs.end_run(tmp_path, jobs.FAILED, call, error="the folder is taken.")
        assert jobs.read_status(tmp_path)["pid"] == other.pid
        assert jobs.read_status(tmp_path)["status"] == jobs.RUNNING
        other.kill()
    jobs.begin_run(tmp_path, call)  # the lock has died with its process
    jobs.end_run(tmp_path, jobs.DONE, call, val_distance=0.25)
    assert jobs.read_status(tmp_path)["val_distance"] == 0.25
    assert jobs.read_status(tmp_path)["overrides"] == ["seed=1"]


def test_the_first_failure_of_several_processes_is_kept(tmp_path: Path) -> None:
    call = {"overrides": ["seed=1"], "cwd": "."}
    code = (
        "import sys, gan_music.runs.status as jobs, pathlib\n"
        "folder, call = pathlib.Path(sys.argv[1]), {'overrides': [], 'cwd': '.'}\n"
        "jobs.begin_run(folder, call)\n"
        "jobs.end_run(folder, jobs.FAILED, call, error='the cause.')\n"
    )
    jobs.begin_run(tmp_path, call)
    succeed(run_python("-c", code, str(tmp_path), cwd=ROOT, LOCAL_RANK="1"))
    assert jobs.read_status(tmp_path)["error"] == "the cause."
    jobs.end_run(tmp_path, jobs.FAILED, call, error="the other process is gone.")
    assert jobs.read_status(tmp_path)["error"] == "the cause."
    jobs.begin_run(tmp_path, call)
    assert jobs.read_status(tmp_path)["error"] is None
    jobs.end_run(tmp_path, jobs.FAILED, call, error="another cause.")
    assert jobs.read_status(tmp_path)["error"] == "another cause."


def test_a_run_whose_process_has_died_is_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for name, pid in (("0", dead.pid), ("1", os.getpid())):
        (tmp_path / name).mkdir()
        status = {"status": "running", "host": socket.gethostname(), "pid": pid}
        (tmp_path / name / "status.json").write_text(json.dumps(status))
    jobs.interrupt_cut_off(tmp_path)
    assert jobs.read_status(tmp_path / "0")["status"] == "interrupted"
    assert jobs.read_status(tmp_path / "1")["status"] == "running"
