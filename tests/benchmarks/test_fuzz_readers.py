from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gan_music.data.extraction import Extraction
from gan_music.io.read import READERS

COMMAND = Path(__file__).parents[2] / "benchmarks" / "fuzz_readers.py"


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(COMMAND.parent)
    return importlib.import_module("fuzz_readers")


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, COMMAND, "160", "--keep", tmp_path / "files"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "files").iterdir())) == 160
    for reader in set(READERS) - {"published"}:
        assert f"{reader}: " in done.stdout
    assert done.stdout.count("failures: 0") == len(READERS) - 1


def test_a_seed_makes_the_same_files(tmp_path: Path, fuzz: ModuleType) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fuzz.write_files(tmp_path / name, 60, seed=1)
        made.append([(p.name, p.read_bytes()) for p in sorted((tmp_path / name).iterdir())])
    assert len(made[0]) == 60
    assert made[0] == made[1]


def test_every_mutation_changes_what_it_is_given(fuzz: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix, content in fuzz.documents(tmp_path, rng):
        for name, mutation in fuzz.MUTATIONS[suffix].items():
            assert any(mutation(content, rng) != content for _ in range(20)), (suffix, name)


def test_a_lost_file_is_a_failure(
    fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mid").write_text("<html>")
    (tmp_path / "b.mid").write_text("<html>")
    lossy = Extraction(rejects={"a.mid": ""}, n_files=2)
    monkeypatch.setattr(fuzz, "extract", lambda *_, **__: lossy)
    _, wrong, _ = fuzz.run_reader(tmp_path, "music21")
    assert wrong == ["no notes and no reason: b.mid", "an empty reason: a.mid"]
