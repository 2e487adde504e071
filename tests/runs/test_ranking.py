from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gan_music.runs import ranking
from tests.runs.test_sweep import settings, write_job


def test_jobs_are_ranked_by_the_mean_over_seeds(tmp_path: Path) -> None:
    def job(name: str, size: int, seed: int, status: str = "done", **more: Any) -> None:
        overrides = ["data=midi", f"model.hidden_size={size}", f"seed={seed}", "skip_done=True"]
        write_job(tmp_path / name, settings(size, seed), status, overrides=overrides, **more)

    job("0", 8, 1, val_distance=0.5, verdict="near")
    job("1", 8, 2, val_distance=0.7, verdict="narrow")
    job("2", 9, 1, val_distance=0.4, verdict="near")
    job("10", 9, 2, "failed", error="no music.")
    job("9", 7, 1, "running")
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    job("11", 7, 2, "running", pid=dead.pid, host=socket.gethostname())
    job("12", 7, 3, "running", pid=os.getpid(), host=socket.gethostname())
    job("13", 7, 4, "running", pid=dead.pid, host="elsewhere")
    ranking.write(tmp_path)
    assert (tmp_path / "ranking.txt").read_text().splitlines() == [
        "ranked by validation distance, smallest first: mean ± standard deviation over seeds",
        "rank  val distance   seeds  verdicts     jobs  settings",
        "1     0.400          1      near         2     model.hidden_size=9",
        # of 0.5 and 0.7: 0.1 times the square root of 2
        "2     0.600 ± 0.141  1,2    narrow,near  0,1   model.hidden_size=8",
        "job 9 (model.hidden_size=7 seed=1) running",
        "job 10 (model.hidden_size=9 seed=2) failed: no music.",
        "job 11 (model.hidden_size=7 seed=2) cut off",
        "job 12 (model.hidden_size=7 seed=3) running",
        "job 13 (model.hidden_size=7 seed=4) running",
    ]


def test_a_sweep_without_a_finished_job_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_job(tmp_path / "0", None, "failed", overrides=["seed=1"], error="no music.")
    ranking.write(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "job 0 (seed=1) failed: no music."
