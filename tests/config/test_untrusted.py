"""Config files from untrusted sources: they set values and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gan_music.config.untrusted import check_folder
from gan_music.system.errors import UserError
from tests.conftest import run_command

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


HOSTILE = [
    ("hydra: {job_logging: {handlers: {file: {filename: /tmp/a}}}}", "handlers is not a setting"),
    ("x: {(): os.system}", r"\(\) is not a setting"),
    ("hydra: {searchpath: [file:///tmp]}", "searchpath is not a setting"),
    ("hydra: {job: {env_set: {LD_PRELOAD: a}}}", "env_set is not a setting"),
    ("hydra: {launcher: '${oc.create:{_tar}}'}", "may refer only to a key"),
    ("a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(9)
    ), "more values than any settings"),
    ("a: " + "[" * 3000 + "]" * 3000, "nested too deep|more values than"),
    ("a: " + "x" * 2**20, "more than 1 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), HOSTILE)
def test_an_untrusted_config_may_only_set_values(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        check_folder(tmp_path)


def test_settings_defaults_and_references_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [quick, {override /model: big}]\nseed: 1\ndata: {root: '${oc.env:HOME}/music'}\n"
        "hydra: {run: {dir: 'outputs/${name}'}}\n"
        "s: {_target_: hydra_plugins.gan_music_sweepers.GridSweeper}\n"
    )
    check_folder(tmp_path)


# what would run, and where it is found: in Hydra's settings before a run, or in those of the run
CODE = [
    ("hydra: {callbacks: {a: {_target_: os.mkdir, path: MARK}}}", "hydra.callbacks.a._target_"),
    ("hydra: {launcher: {_target_: os.mkdir}}", "hydra.launcher._target_"),
    ("hydra: {sweeper: {_target_: os.mkdir}}", "hydra.sweeper._target_"),
    ("hydra: {mode: MULTIRUN}", "hydra.mode"),
    (
        "defaults: [{override /hydra/launcher: submitit_slurm}]\n"
        "hydra: {launcher: {setup: [touch MARK]}}",
        "hydra.launcher.setup",
    ),
    ("loss: {_target_: os.mkdir, path: MARK}", "loss._target_"),
    ("optimizer: {_target_: torch.load, f: MARK}", "optimizer._target_"),
    ('model: {"\\x5ftarget_": os.mkdir, path: MARK}', "model._target_"),
    ("data: {a: [{_target_: os.mkdir, path: MARK}]}", "data.a[0]._target_"),
]


@pytest.mark.parametrize(("text", "key"), CODE)
def test_the_command_refuses_code_in_an_untrusted_config(
    tmp_path: Path, text: str, key: str
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "c" / "experiment").mkdir(parents=True)
    mine = tmp_path / "c" / "experiment" / "mine.yaml"
    mine.write_text("# @package _global_\n" + text.replace("MARK", str(mark)) + "\n")
    for words in ((), ("-m",)):
        done = run_command("train", *words, "--config-dir", "c", "experiment=mine", cwd=tmp_path)
        assert done.returncode == 1
        assert key in done.stderr
        assert "add trust_code=true to the command" in done.stderr
        assert not mark.exists()


def test_mutated_files_load_or_are_refused(tmp_path: Path) -> None:
    from fuzz_checkpoints import fuzz

    lines, wrong = fuzz(12, 1, tmp_path)
    assert wrong == []
    text = "\n".join(lines)
    assert "checkpoints, mutated: 12 in" in text
    assert "configs: 6 in" in text
    assert ": refused" in text
    assert ": loaded" in text
