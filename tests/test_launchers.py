"""Sweeps by other launchers: submitit's local executor, which is close to Slurm's, and Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command, status_of

ONE_FAILS = ("-m", "model.hidden_size=8,-1", "trainer.max_epochs=1", "hydra.sweep.dir=s")


def check(train: Command, cwd: Path, *launcher: str) -> None:
    done = train(*ONE_FAILS, *launcher)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: 1 of 2 jobs failed"), done.stderr
    assert [status_of(cwd / "s" / n)["status"] for n in "01"] == ["done", "failed"]
    assert (cwd / "s" / "0" / "metrics.json").is_file()
    assert "Traceback" in (cwd / "s" / "1" / "train.log").read_text()
    (row,) = [r for r in (cwd / "s" / "ranking.txt").read_text().splitlines() if r[:1] == "1"]
    assert row.endswith("model.hidden_size=8")
    assert not (cwd / "outputs").exists()


def test_a_sweep_by_submitit(train: Command, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    check(train, tmp_path, "hydra/launcher=submitit_local")


@pytest.mark.slow  # a cluster of one machine takes most of a minute to start
def test_a_sweep_by_ray(train: Command, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    settings = ("num_cpus=1", "include_dashboard=false")
    local = [f"+hydra.launcher.ray.init.{s}" for s in settings]
    check(train, tmp_path, "hydra/launcher=ray", *local)
