"""README's Python runs, and the links of README and docs lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gan_music

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_python_of_readme_runs(
    tmp_path: Path,
    midi_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exec(code.replace('"DIR"', repr(str(midi_folder))), {})
    notes, figures = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ notes", notes)
    assert re.fullmatch(r"(collapsed|narrow|undefined) 0\.\d+", figures)


def test_readme_names_the_right_versions() -> None:
    readme = README.read_text()
    assert f"version = {{{gan_music.__version__}}}" in readme
    (torch,) = re.findall(r"torch==\S+", readme)
    assert torch in (ROOT / "constraints.txt").read_text().splitlines()
