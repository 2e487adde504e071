"""Config files from untrusted sources: they set values and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gan_music.config.untrusted_files import read_untrusted
from gan_music.system.errors import UserError

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
    ("a: !!python/object/apply:os.mkdir [b]", "line 1: could not determine a constructor"),
    ("a: !!python/object/apply:pathlib.Path [b]", "PosixPath is no kind of value"),
    ("a: 1\na: 2", "line 2: found duplicate key a"),
    ("a: 1\n---\na: 2", "expected a single document|but found another document"),
    ("- a", "holds no settings"),
    ("a: " + "9" * 5000, "is not valid YAML"),
    ("a: 0x" + "f" * 5000, "a number beyond 64 bits"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), HOSTILE)
def test_an_untrusted_config_may_only_set_values(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        read_untrusted(file)
    assert str(file) in str(caught.value)


def test_settings_defaults_and_references_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "# mine\ndefaults: [quick, {override /model: big}]\n"
        "seed: 1\ndata: {root: '${oc.env:HOME}/music'}\n"
        "hydra: {run: {dir: 'outputs/${name}'}}\n"
        "s: {_target_: hydra_plugins.gan_music_sweepers.GridSweeper}\n"
        "lr: 1e-3\ndate: 2001-99-99\n"
    )
    text, content = read_untrusted(file)
    assert text.startswith("# mine\n")
    assert content["lr"] == 0.001  # as OmegaConf reads it
    assert content["date"] == "2001-99-99"


def test_mutated_files_load_or_are_refused(tmp_path: Path) -> None:
    from fuzz_checkpoints import fuzz

    lines, wrong = fuzz(12, 1, tmp_path)
    assert wrong == []
    text = "\n".join(lines)
    assert "checkpoints, mutated: 12 in" in text
    assert "configs: 6 in" in text
    assert ": refused" in text
    assert ": loaded" in text
