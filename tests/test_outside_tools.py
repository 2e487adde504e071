"""Loggers, callbacks, metrics and readers from outside the package, by real commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from gan_music.page import overrides
from gan_music.page.record import read_run
from tests.conftest import TINY, make_piece, run_command, sentence, succeed

CONF = ("--config-dir", str(Path(__file__).parent / "outside" / "my_conf"))
TRUST = "trust_code=true"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a format that only the reader from outside knows, one of them broken."""
    root = tmp_path_factory.mktemp("pairs")
    for seed in range(8):
        piece = make_piece(seed)
        rows = (f"{p} {d / 24}" for p, d in zip(piece.pitch, piece.duration, strict=True))
        (root / f"walk{seed}.pairs").write_text("\n".join(rows))
    (root / "broken.pairs").write_text("60 one\n")
    return root


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory, pairs: Path) -> Path:
    """A folder with a run that uses all four, in ``run``."""
    folder = tmp_path_factory.mktemp("cwd")
    words = ("data=midi", f"data.root={pairs}", *TINY, "hydra.run.dir=run", TRUST)
    groups = ("logger=[csv,mine]", "callbacks=mine", "metrics=mine", "readers=mine")
    succeed(run_command("train", *CONF, *words, *groups, "callbacks.mine.file=n.txt", cwd=folder))
    return folder


def test_a_run_uses_all_of_them(cwd: Path) -> None:
    run = cwd / "run"
    lines = [json.loads(line) for line in (run / "scalars.jsonl").read_text().splitlines()]
    curve = read_run(run).curves["train/nll"]
    assert [line["train/nll"] for line in lines if "train/nll" in line] == curve.values.tolist()
    assert (run / "n.txt").read_text() == "2"
    assert (
        'broken.pairs,"the reader of .pairs files cannot read it (could not convert string'
        in (run / "rejects.csv").read_text()
    )
    assert json.loads((run / "environment.json").read_text())["data"]["n_pieces"] == 8
    figure = json.loads((run / "metrics.json").read_text())["figures"]["custom"]["range"]
    assert figure["best"] == "reference"
    assert figure["generated"] > 0
    assert 2 <= figure["reference"] <= 5  # octaves
    assert figure["one_note"] == 0
    assert "Metrics of your own" in (run / "quality.txt").read_text()


def test_the_report_repeats_the_choices(cwd: Path) -> None:
    words = shlex.split(overrides.command(read_run(cwd / "run").config))
    assert {"logger=[csv]", TRUST} <= set(words)
    assert "logger.mine._target_=my_tools.JsonLines" in words
    assert "callbacks.mine.file=n.txt" in words
    assert "readers.pairs.suffixes=['.pairs']" in words
    command = [w for w in words[3:] if not w.startswith("hydra.")]
    shown = succeed(run_command("train", *CONF, *command, "--cfg", "job", cwd=cwd)).stdout
    assert "_target_: my_tools.pitch_range" in shown


def test_the_other_commands_use_them(cwd: Path, pairs: Path) -> None:
    data = ("data=midi", f"data.root={pairs}", "data.min_notes=16")
    done = succeed(run_command("extract", *CONF, *data, "readers=mine", TRUST, cwd=cwd))
    assert re.search(r"pieces +8\n", done.stdout), done.stdout
    samples = cwd / "run" / "samples"
    done = succeed(
        run_command(
            "evaluate", *CONF, f"reference={pairs}", f"generated={samples}",
            "readers=mine", "metrics=mine", TRUST, cwd=cwd,
        )
    )  # fmt: skip
    assert "  range " in done.stdout
    checkpoint = f"checkpoint={cwd / 'run' / 'checkpoints' / 'best.ckpt'}"
    primer = f"continue_from={pairs / 'walk0.pairs'}"
    words = (checkpoint, primer, "n_pieces=1", "n_notes=8", "readers=mine", TRUST)
    done = succeed(run_command("generate", *CONF, *words, cwd=cwd))
    assert "1 pieces of 8 notes in samples, continuations of" in done.stdout


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("logger.mine", "my_tools.JsonLines"),
        ("callbacks.mine", "my_tools.EpochCount"),
        ("metrics.range", "my_tools.pitch_range"),
        ("readers.pairs", "my_tools.read_pairs"),
    ],
)
def test_nothing_runs_without_trust(key: str, target: str, tmp_path: Path) -> None:
    group = key.partition(".")[0]
    words = (f"{group}=mine", "hydra.run.dir=run")
    why = f"{key}._target_={target} is code from outside gan_music"
    assert why in sentence(run_command("train", *CONF, *words, cwd=tmp_path))
    assert why in sentence(run_command("train", f"{key}._target_={target}", cwd=tmp_path))
    assert not (tmp_path / "run" / "config.yaml").exists()
