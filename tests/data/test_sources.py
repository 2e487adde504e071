from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_music.config.help import first_comment
from gan_music.config.targets import conf_dir
from gan_music.data.sources import find_sources, printable
from gan_music.io.read import SUFFIXES
from gan_music.system.errors import UserError
from tests.conftest import run_command, sentence


def names(root: Path) -> list[str]:
    return [s.name for s in find_sources(root, "")]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_links_are_followed_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root / "z" / "a.mid")
    touch(outside / "b.mid")
    (root / "again").symlink_to(root / "z")  # found under its own name
    (root / "loop").symlink_to(root)
    (root / "up").symlink_to(tmp_path)  # holds root and outside
    (outside / "back").symlink_to(root)
    (root / "x.mid").symlink_to(root / "z" / "a.mid")
    assert names(root) == ["x.mid", "up/outside/b.mid", "z/a.mid"]


def test_files_of_other_kinds_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.mid", "a.pdf", "b.PDF", "README", "c.txt"):
        touch(tmp_path / name)
    with caplog.at_level(logging.INFO, logger="gan_music"):
        assert names(tmp_path) == ["a.mid"]
    assert "left alone 4 files of other kinds: .pdf 2" in caplog.text


def test_names_are_printable() -> None:
    assert printable("Für Elise, op. 1/“a” 音\u3000楽.mid") == "Für Elise, op. 1/“a” 音\u3000楽.mid"
    assert printable("a\nb\udcff\\c\u202e.mid") == r"a\nb\udcff\\c\u202e.mid"


odd = st.text(st.characters(codec=None) | st.sampled_from("\\nrtx0a\n\r\t\x00\udcff"), max_size=8)


@given(odd, odd)
def test_names_stay_apart_and_can_be_written(a: str, b: str) -> None:
    printable(a).encode()
    assert len(printable(a).splitlines()) <= 1
    assert (printable(a) == printable(b)) == (a == b)


def test_parts_of_the_corpus() -> None:
    def query(*parts: str) -> list[str]:
        return [s.name for s in find_sources(None, list(parts))]

    assert len(query("haydn")) == 9
    assert query("bach/bwv66") == ["bach/bwv66.6.mxl"]
    assert query("HAYDN") == query("haydn") == query("haydn/")
    both = query("weber", "haydn", "haydn/opus74no1")
    assert len(both) == len(query("weber")) + 9
    assert both == sorted(both)
    assert find_sources(None, "haydn") == find_sources(None, ["haydn"])
    assert not [n for n in query("schumann_clara") if "robert" in n]


@pytest.mark.parametrize("wrong", ["nobody", "", "/", "../..", "bac"])
def test_queries_that_match_nothing(wrong: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"data.query={wrong} matches nothing")):
        find_sources(None, ["bach", wrong])


def test_an_empty_list_of_queries() -> None:
    with pytest.raises(UserError, match="asks for nothing"):
        find_sources(None, [])


def test_the_corpus_has_what_help_says() -> None:
    text = first_comment((conf_dir() / "data" / "corpus.yaml").read_text())
    named = {n: int(k) for n, k in re.findall(r"([\w-]+) (\d+)(?:,|$)", text)}
    assert len(named) > 30
    assert {name: len(find_sources(None, name)) for name in named} == named
    for example in re.findall(r"(\w+/\w+)", text):
        assert find_sources(None, example)
    base = find_sources(None, "bach")[0].path.parents[1]
    holding = {p.relative_to(base).parts[0] for p in base.rglob("*") if p.suffix in SUFFIXES}
    assert named.keys() == holding


def test_a_list_on_the_command_line(tmp_path: Path) -> None:
    line = sentence(run_command("extract", "data.query=[weber,nobody]", cwd=tmp_path))
    assert line.startswith("error: data.query=nobody matches nothing in music21's corpus")


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_sources(tmp_path / "missing", "")
    (tmp_path / "notes.txt").write_text("no music")
    with pytest.raises(UserError, match="holds no music"):
        find_sources(tmp_path, "")
    with pytest.raises(UserError, match="is a file"):
        find_sources(tmp_path / "notes.txt", "")
