"""docs/add-a-model.md is followed to its end, and links of README and docs lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.conftest import SMALL, run_python, succeed

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "add-a-model.md"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_guide_adds_a_model_that_trains_and_samples(tmp_path: Path, midi_folder: Path) -> None:
    for folder in ("gan_music", "conf"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    blocks = re.findall(
        r"^```(\w*) ?(\S*) ?(\S*)\n(.*?\n)```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE
    )
    for _, file, place, text in blocks:
        path = tmp_path / file
        if path.is_file():  # settings, before the table of models, or a line of that
            before, table, after = re.split(
                r"^(MODELS\b.*\n)", path.read_text(), maxsplit=1, flags=re.M
            )
            added = table + text if place else f"{text}\n\n{table}"
            path.write_text(before + added + after)
        elif file:
            path.write_text(text)
    (commands,) = (text for language, _, _, text in blocks if not language)
    train, generate = (shlex.split(line)[1:] for line in commands.splitlines())
    train = [a.replace("data.root=MIDI", f"data.root={midi_folder}") for a in train]
    for arguments in ((*train, *SMALL), generate):
        done = succeed(run_python(*arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path)))
    assert "4 pieces of 64 notes" in done.stdout
    figures = json.loads((tmp_path / "outputs" / "mine" / "metrics.json").read_text())
    assert figures["n_values"] == 2 * 24 * 3  # two samples of 24 notes
