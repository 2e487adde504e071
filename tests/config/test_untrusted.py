"""Config files from untrusted sources: they set values and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gan_music.config.untrusted import check_folder
from gan_music.system.errors import UserError
from tests.conftest import run_command, sentence

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


HOSTILE = [
    ("hydra: {callbacks: {a: {_target_: os.system}}}", "callbacks is not a setting"),
    ("a: [{_target_: builtins.eval}]", "_target_ names builtins.eval"),
    ('"\\x5ftarget_": os.system', "_target_ names os.system"),
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


def test_the_command_refuses_an_untrusted_config_first(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    mark = tmp_path / "mark"
    (tmp_path / "c" / "mine.yaml").write_text(
        f"hydra: {{callbacks: {{a: {{_target_: os.mkdir, path: {mark}}}}}}}\n"
    )
    done = run_command("train", "--config-dir", "c", "--config-name", "mine", cwd=tmp_path)
    assert "mine.yaml: callbacks is not a setting" in sentence(done)
    assert not mark.exists()


def test_mutated_files_load_or_are_refused(tmp_path: Path) -> None:
    from fuzz_checkpoints import fuzz

    lines, wrong = fuzz(60, 1, tmp_path)
    assert wrong == []
    text = "\n".join(lines)
    assert "checkpoints: 60 in" in text
    assert "configs: 30 in" in text
    assert ": refused" in text
    assert ": loaded" in text
