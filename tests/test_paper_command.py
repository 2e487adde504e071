"""The paper's experiments as users run them, tiny."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gan_music.io.read import read
from tests.conftest import event_tags, run_command
from tests.pages import checked_page

TINY = (
    "trainer=cpu",
    "trainer.max_epochs=2",
    "model.hidden_size=8",
    "data.min_notes=16",
    "collapse.n_windows=4",
    "samples.n_validation_windows=4",
    "samples.n_pieces=2",
    "samples.n_notes=24",
)


def test_the_papers_experiment(midi_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = run_command(
        "train",
        "experiment=paper",
        f"data.root={midi_folder}",
        f"hydra.run.dir={run}",
        *TINY,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "training notes, each alone" in done.stdout
    figures = json.loads((run / "metrics.json").read_text())
    # two epochs teach it hardly more than one pitch
    assert figures["verdict"] == "collapsed"
    assert figures["while_training"]["last_verdict"] == "collapsed"
    assert figures["n_clipped"] >= 0
    page = checked_page((run / "report.html").read_text())
    assert page.text.count("collapsed the samples hardly vary") == 2
    assert " Scores " in page.text
    assert set(event_tags(run)["images"]) == {"rolls/real", "rolls/samples"}
    for seed in (0, 0):
        done = run_command(
            "generate",
            f"checkpoint={run / 'checkpoints' / 'best.ckpt'}",
            "n_pieces=2",
            "n_notes=30",
            f"seed={seed}",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    (piece,) = read(tmp_path / "samples" / "sample_01.mid")
    assert len(piece) == 30
    # one after the other: each note begins where the last one ends
    assert (piece.onset[1:] == (piece.onset + piece.duration)[:-1]).all()
    resumed = run_command(
        "train",
        f"resume={run / 'checkpoints' / 'last.ckpt'}",
        "trainer.max_epochs=3",
        "report=false",
        cwd=tmp_path,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "epoch 3/3" in resumed.stdout


@pytest.mark.parametrize(
    ("experiment", "differs"),
    [
        ("paper", {"reader": "music21", "grid": 24, "val_rate": 0.1}),
        ("paper_as_published", {"reader": "published", "grid": 12, "val_rate": 0}),
    ],
)
def test_the_papers_settings(tmp_path: Path, experiment: str, differs: dict) -> None:
    done = run_command("train", f"experiment={experiment}", "--cfg", "job", cwd=tmp_path)
    config = yaml.safe_load(done.stdout)
    assert config["model"] == {
        "name": "neo_saleem",
        "hidden_size": 256,
        "n_layers": 2,
        "noise_size": 100,
        "lr_g": 0.001,
        "lr_d": 0.001,
        "betas": [0.9, 0.999],
    }
    assert config["representation"] == {"name": "note_triples", "use_offsets": False}
    assert config["trainer"]["max_epochs"] == 100
    assert config["data"]["batch_size"] == 64
    assert config["data"]["transpose"] == 0
    assert differs.items() <= config["data"].items()


def test_the_published_loaders_notes_are_enough_to_train_on(
    midi_folder: Path, tmp_path: Path
) -> None:
    done = run_command(
        "train",
        "experiment=paper_as_published",
        f"data.root={midi_folder}",
        *TINY,
        "data.min_notes=1",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    replay_size = int(done.stdout.split(" training notes, each alone")[0].rsplit(" ", 1)[1])
    assert replay_size > 0
