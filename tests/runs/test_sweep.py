"""The folders of a sweep's jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from gan_music.config.validate import compose_run
from gan_music.runs import sweep as sweeps
from gan_music.system.errors import UserError


def settings(hidden_size: int, seed: int, root: str | None = None) -> dict[str, Any]:
    return {"data": {"root": root}, "model": {"hidden_size": hidden_size}, "seed": seed}


def write_job(
    folder: Path, values: dict[str, Any] | None, status: str = "done", **more: Any
) -> None:
    folder.mkdir(parents=True)
    if values:
        (folder / "config.yaml").write_text(yaml.safe_dump(values | {"debug": True}))
    (folder / "status.json").write_text(json.dumps({"status": status, "cwd": "/here"} | more))


def planned(*settings: dict[str, Any] | None) -> list[sweeps.PlannedJob]:
    return [sweeps.PlannedJob((), s) for s in settings]


def test_a_job_keeps_its_folder_and_others_get_free_ones(tmp_path: Path) -> None:
    write_job(tmp_path / "0", settings(8, 1))
    write_job(tmp_path / "1", settings(8, 2), "running")
    write_job(tmp_path / "2", settings(9, 1), "failed")
    write_job(tmp_path / "3", None, "failed")
    jobs = planned(settings(8, 3), settings(8, 2), None, settings(8, 1), settings(9, 1))
    found = [(f.name, done) for _, f, done in sweeps.assign_folders(jobs, "/here", tmp_path)]
    # 0 and 2 belong to others; 3 has no settings, so its number is free for no one
    assert found == [("5", False), ("1", False), ("6", False), ("0", True), ("2", False)]


def test_new_jobs_are_numbered(tmp_path: Path) -> None:
    jobs = planned(settings(8, 1), None, settings(8, 2))
    assert [f.name for _, f, _ in sweeps.assign_folders(jobs, "/here", tmp_path)] == ["0", "1", "2"]


def test_a_relative_data_root_depends_on_the_folder_of_the_command(tmp_path: Path) -> None:
    write_job(tmp_path / "0", settings(8, 1, "music"))
    (job,) = planned(settings(8, 1, "music"))
    assert [d for *_, d in sweeps.assign_folders([job], "/here", tmp_path)] == [True]
    assert [d for *_, d in sweeps.assign_folders([job], "/there", tmp_path)] == [False]


def test_the_newest_sweep_with_such_a_job_is_found(tmp_path: Path) -> None:
    for name, size in (("a", 8), ("b", 8), ("c", 9)):
        write_job(tmp_path / name / "0", settings(size, 1))
        (tmp_path / name / "multirun.yaml").touch()
    found = sweeps.find_sweep(planned(settings(7, 1), settings(8, 1)), "/here", tmp_path)
    assert found == tmp_path / "b"
    assert sweeps.find_sweep(planned(settings(7, 1), None), "/here", tmp_path) is None


def test_several_devices_are_refused_in_composed_and_in_validated_settings() -> None:
    for trainer in (compose_run("trainer.devices=2").trainer, OmegaConf.create({"devices": 2})):
        with pytest.raises(UserError, match=r"trainer\.devices=2 in a sweep"):
            sweeps.refuse_several_devices(trainer)
    sweeps.refuse_several_devices(compose_run().trainer)
