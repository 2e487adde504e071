"""``python -m gan_music.evaluate`` as users run it, in temporary folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_music.io.write import write_midi
from tests.conftest import make_piece, run_command, sentence, succeed

SMALL = ("n_bootstrap=8", "n_workers=1")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of music, of no files and of damaged files."""
    root = tmp_path_factory.mktemp("folders")
    for name, first in (("reference", 0), ("other", 8)):
        (root / name).mkdir()
        for i in range(8):
            write_midi(make_piece(first + i), root / name / f"{i}.mid")
    (root / "empty").mkdir()
    (root / "damaged").mkdir()
    (root / "damaged" / "a.mid").write_bytes(b"no music")
    return root


def test_table_and_figures(folders: Path) -> None:
    sets = ("reference=reference", "generated=other", "train=reference")
    done = succeed(run_command("evaluate", *sets, "out=new/out", *SMALL, cwd=folders))
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[-1] == "verdict: indistinguishable"
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("  coverage ") for line in lines)
    found = json.loads((folders / "new" / "out" / "metrics.json").read_text())
    assert (found["verdict"], found["variety"]) == ("indistinguishable", "varied")
    assert found["figures"]["originality"]["copied_4gram_rate"]["reference"] == 1
    assert found["figures"]["prdc"]["coverage"]["best"] == "higher"
    assert list(found["figures"]) == [
        "mgeval", "c2st", "prdc", "pitch", "rhythm", "harmony", "voice_leading", "texture", "form",
        "diversity", "structure", "originality",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "error: reference has no value: give a folder of music, reference=DIR."),
        (("reference=reference",), "error: generated has no value"),
        (("reference=reference", "generated=empty"), "error: generated="),
        (("reference=nowhere", "generated=other"), "error: reference="),
        (("reference=reference", "generated=damaged"), "error: generated=damaged: none of 1 files"),
        (("reference=reference", "generated=other", "train=empty"), "error: train="),
        (
            ("reference=reference", "generated=other", "window=2"),
            "error: window=2 must be at least 8",
        ),
        (("refrence=reference",), "error: the key refrence does not exist: did you mean reference"),
    ],
)
def test_errors_are_one_sentence(folders: Path, overrides: tuple[str, ...], words: str) -> None:
    assert sentence(run_command("evaluate", *overrides, cwd=folders)).startswith(words)
