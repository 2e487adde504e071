"""``--help`` names every setting and option, with the comments of the config files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gan_music.config.help import first_comment, help_text
from gan_music.config.targets import conf_dir

FILES = sorted(
    path
    for path in conf_dir().rglob("*.yaml")
    if path.parent != conf_dir() and "hydra" not in path.relative_to(conf_dir()).parts
)


def words(text: str) -> str:
    return " ".join(text.split())


def section(text: str, group: str) -> str:
    return text.partition(f"\n{group}=OPTION, where OPTION is one of\n")[2].partition("\n\n")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_option_is_in_the_help_with_its_comment(path: Path) -> None:
    comment = first_comment(path.read_text(encoding="utf-8"))
    assert re.match("[A-Z]", comment), f"{path} begins with no comment"
    shown = section(help_text("train"), path.parent.relative_to(conf_dir()).as_posix())
    (row,) = re.findall(rf"^  {path.stem}  (.*(?:\n   .*)*)", shown, re.MULTILINE)
    assert words(row).removeprefix("(the default) ") == words(comment)


def test_options_of_a_users_folder_are_in_the_help(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# A model of mine.\nname: gumbel_gan\n")
    (tmp_path / "model" / "ngram.yaml").write_text("# Another n-gram model.\n")
    shown = section(help_text("train", tmp_path), "model")
    assert "\n  mine           A model of mine.\n" in shown
    assert "  ngram          Another n-gram model." in shown
    assert "smoothed" not in shown


def test_settings_are_listed_with_their_comments() -> None:
    text = help_text("generate")
    assert text.startswith("Sample music from a trained model.\n\n  python -m gan_music.generate ")
    assert "\n  n_pieces=16\n" in text
    assert re.search(r"\n  meter=null +such as 3/4; null: drawn as training", text)
    assert "=OPTION" not in text
    assert re.search(r"\n  samples.n_notes=400 +in each of them\n", help_text("train"))
    assert "\n  corpus  (the default) A part of the corpus" in help_text("extract")


@pytest.mark.parametrize("command", ["train", "generate", "evaluate", "extract", "export"])
def test_lines_fit_a_screen(command: str) -> None:
    assert max(map(len, help_text(command).splitlines())) <= 102
