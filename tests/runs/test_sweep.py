"""Which folder a job has, and how jobs are ranked."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from gan_music.config.validate import compose_run
from gan_music.runs import ranking
from gan_music.runs import sweep as sweeps
from gan_music.system.errors import UserError

SETTINGS: dict[str, Any] = {"data": {"root": None}, "model": {"hidden_size": 8}, "seed": 0}


def settings(hidden_size: int, seed: int, root: str | None = None) -> dict[str, Any]:
    values = copy.deepcopy(SETTINGS)
    values["model"]["hidden_size"] = hidden_size
    values["seed"] = seed
    values["data"]["root"] = root
    return values


def write_job(
    folder: Path, values: dict[str, Any] | None, status: str = "done", **more: Any
) -> None:
    folder.mkdir(parents=True)
    if values:
        (folder / "config.yaml").write_text(yaml.safe_dump(values | {"debug": True}))
    (folder / "status.json").write_text(json.dumps({"status": status, "cwd": "/here"} | more))


def planned(*settings: dict[str, Any] | None) -> list[sweeps.PlannedJob]:
    return [sweeps.PlannedJob((), s) for s in settings]


def test_a_job_is_found_by_its_settings_and_others_get_free_folders(tmp_path: Path) -> None:
    write_job(tmp_path / "0", settings(8, 1))
    write_job(tmp_path / "1", settings(8, 2), "running")
    write_job(tmp_path / "2", settings(9, 1), "failed")
    write_job(tmp_path / "3", None, "failed")
    jobs = planned(settings(8, 3), settings(8, 2), None, settings(8, 1), settings(9, 1))
    found = [(f.name, done) for _, f, done in sweeps.assign_folders(jobs, "/here", tmp_path)]
    # 0 and 2 are taken by others; what failed without a config is in nobody's way
    assert found == [("5", False), ("1", False), ("6", False), ("0", True), ("2", False)]


def test_fresh_jobs_are_numbered(tmp_path: Path) -> None:
    jobs = planned(settings(8, 1), None, settings(8, 2))
    assert [f.name for _, f, _ in sweeps.assign_folders(jobs, "/here", tmp_path)] == ["0", "1", "2"]


def test_a_relative_folder_of_music_is_another_one_elsewhere(tmp_path: Path) -> None:
    write_job(tmp_path / "0", settings(8, 1, "music"))
    (job,) = planned(settings(8, 1, "music"))
    assert [d for *_, d in sweeps.assign_folders([job], "/here", tmp_path)] == [True]
    assert [d for *_, d in sweeps.assign_folders([job], "/there", tmp_path)] == [False]


def test_the_newest_sweep_with_such_a_job_is_gone_on_with(tmp_path: Path) -> None:
    for name, size in (("a", 8), ("b", 8), ("c", 9)):
        write_job(tmp_path / name / "0", settings(size, 1))
        (tmp_path / name / "multirun.yaml").touch()
    found = sweeps.find_sweep(planned(settings(7, 1), settings(8, 1)), "/here", tmp_path)
    assert found == tmp_path / "b"
    assert sweeps.find_sweep(planned(settings(7, 1), None), "/here", tmp_path) is None


def test_jobs_are_ranked_by_the_mean_over_seeds(tmp_path: Path) -> None:
    def job(name: str, size: int, seed: int, status: str = "done", **more: Any) -> None:
        overrides = ["data=midi", f"model.hidden_size={size}", f"seed={seed}", "skip_done=True"]
        write_job(tmp_path / name, settings(size, seed), status, overrides=overrides, **more)

    job("0", 8, 1, val_distance=0.5, verdict="healthy")
    job("1", 8, 2, val_distance=0.7, verdict="narrow")
    job("2", 9, 1, val_distance=0.4, verdict="healthy")
    job("10", 9, 2, "failed", error="it fell.")
    job("9", 7, 1, "running")
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    job("11", 7, 2, "running", pid=dead.pid, host=socket.gethostname())
    job("12", 7, 3, "running", pid=os.getpid(), host=socket.gethostname())
    job("13", 7, 4, "running", pid=dead.pid, host="elsewhere")
    ranking.write(tmp_path)
    assert (tmp_path / "ranking.txt").read_text().splitlines() == [
        "ranked by validation distance, smallest first: mean ± standard deviation over seeds",
        "rank  val distance   seeds  verdicts        jobs  settings",
        "1     0.400          1      healthy         2     model.hidden_size=9",
        # of 0.5 and 0.7: 0.1 times the square root of 2
        "2     0.600 ± 0.141  1,2    healthy,narrow  0,1   model.hidden_size=8",
        "job 9 (model.hidden_size=7 seed=1) running",
        "job 10 (model.hidden_size=9 seed=2) failed: it fell.",
        "job 11 (model.hidden_size=7 seed=2) cut off",
        "job 12 (model.hidden_size=7 seed=3) running",
        "job 13 (model.hidden_size=7 seed=4) running",
    ]


def test_jobs_without_one_that_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_job(tmp_path / "0", None, "failed", overrides=["seed=1"], error="it fell.")
    ranking.write(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "job 0 (seed=1) failed: it fell."


def test_several_devices_are_refused_in_composed_and_in_validated_settings() -> None:
    for trainer in (compose_run("trainer.devices=2").trainer, OmegaConf.create({"devices": 2})):
        with pytest.raises(UserError, match=r"trainer\.devices=2 in a sweep"):
            sweeps.refuse_several_devices(trainer)
    sweeps.refuse_several_devices(compose_run().trainer)
