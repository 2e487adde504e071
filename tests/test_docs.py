"""docs/add-a-model.md: its code is the package's; following it under a new name gives a model."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import TINY, run_python

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "add-a-model.md"


class Block(NamedTuple):
    """A block of code: its language, the file it belongs to (and where in it), its text."""

    language: str
    file: str
    place: str
    text: str


def blocks() -> list[Block]:
    found = re.findall(
        r"^```(\w*) ?(\S*) ?(\S*)\n(.*?)\n```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE
    )
    return [Block(*f) for f in found]


def renamed(text: str) -> str:
    """What someone writes who calls the model ``mine``."""
    for old, new in (
        (r"\blstm_lm\b", "mine"),
        (r"\blanguage_model:LanguageModel\b", "mine:MineModel"),
        (r"\bLanguageModel(Config)?\b", r"MineModel\1"),
        (r'"language_model"', '"mine"'),
        (r"name: language_model\b", "name: mine"),
        (r"\blanguage_model\.py\b", "mine.py"),
    ):
        text = re.sub(old, new, text)
    return text


def test_every_block_of_a_file_is_what_the_file_says() -> None:
    of_files = [b for b in blocks() if b.file]
    assert {b.file for b in of_files} == {
        "gan_music/config/model_settings.py",
        "gan_music/models/language_model.py",
        "conf/model/lstm_lm.yaml",
        "conf/experiment/lstm_lm.yaml",
        "tests/models/test_language_model.py",
    }
    for block in of_files:
        assert block.text in (ROOT / block.file).read_text(), block.file
    # new files stand there as a whole
    for file in {b.file for b in of_files} - {
        "gan_music/config/model_settings.py",
        "tests/models/test_language_model.py",
    }:
        together = "\n\n".join(b.text for b in of_files if b.file == file)
        assert together + "\n" == (ROOT / file).read_text(), file


def test_every_block_is_of_a_file_or_is_run() -> None:
    assert {b.language for b in blocks() if not b.file} == {"python", ""}
    commands = [line for b in blocks() if not b.language for line in b.text.splitlines()]
    assert [shlex.split(c)[:3] for c in commands] == [
        ["python", "-m", "gan_music.train"],
        ["python", "-m", "gan_music.generate"],
    ]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to which the guide's model was added as ``mine``."""
    root = tmp_path_factory.mktemp("followed")
    for folder in ("gan_music", "conf"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    schema = root / "gan_music" / "config" / "model_settings.py"
    for block in blocks():
        text = renamed(block.text) + "\n"
        if block.place == "MODELS":
            (start,) = re.findall(r"^MODELS.*\n", schema.read_text(), re.MULTILINE)
            schema.write_text(schema.read_text().replace(start, start + text))
        elif block.file == "gan_music/config/model_settings.py":
            before, after = schema.read_text().split("class ModelEntry", 1)
            schema.write_text(f"{before}{text}\n\nclass ModelEntry{after}")
        elif block.file and not block.file.startswith("tests/"):
            file = root / renamed(block.file)
            written = file.read_text() + "\n" if file.exists() else ""
            file.write_text(written + text)
    return root


def run(folder: Path, *arguments: str) -> str:
    done = run_python(*arguments, cwd=folder, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def tiny(midi_folder: Path) -> list[str]:
    """Overrides that make a run of the guide's model small, on a folder of ours."""
    unknown = ("noise_size", "warm_start", "max_epochs")
    return [
        f"data.root={midi_folder}",
        "trainer.max_epochs=1",
        *(t for t in TINY if not any(u in t for u in unknown)),
    ]


def test_its_python_runs(followed: Path, midi_folder: Path) -> None:
    overrides = ", ".join(f'"{o}"' for o in tiny(midi_folder))
    script = "\n".join(renamed(b.text) for b in blocks() if b.language == "python" and not b.file)
    assert script.count('"data.root=MIDI"') == 1
    printed = run(followed, "-c", script.replace('"data.root=MIDI"', overrides))
    assert "torch.Size([8, 16, 5]) torch.int64" in printed
    assert re.search(r"^\d+ weights$", printed, re.MULTILINE)
    assert "oa_mean" in printed
    assert printed.splitlines()[-1].startswith("[(")
    assert len(list((followed / "untrained").glob("*.mid"))) == 8


def test_its_commands_run(followed: Path, midi_folder: Path) -> None:
    (commands,) = (b.text for b in blocks() if not b.language)
    train, generate = (shlex.split(renamed(c))[1:] for c in commands.splitlines())
    train.remove("data.root=MIDI")
    assert "training mine (" in run(followed, *train, *tiny(midi_folder))
    outputs = followed / "outputs" / "mine"
    assert {"quality.txt", "metrics.json"} <= {p.name for p in outputs.iterdir()}
    assert "4 pieces of 64 notes" in run(followed, *generate)
