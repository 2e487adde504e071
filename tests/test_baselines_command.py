"""The baselines as users run them, tiny: train, generate, go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from gan_music.io.read import read
from tests.conftest import event_tags, run_command
from tests.pages import checked_page

TINY = (
    "trainer=cpu",
    "trainer.log_every_n_batches=1",
    "data.window=16",
    "data.stride=16",
    "data.batch_size=8",
    "data.min_notes=16",
    "collapse.n_windows=8",
    "samples.n_validation_windows=8",
    "samples.n_pieces=2",
    "samples.n_notes=24",
)
OF_MODEL = {
    "crnn_gan": (
        *("model.hidden_size=8", "model.warm_start_epochs=1", "model.freeze_below=0.1"),
        "report=false",
    ),
    "markov": (),
}


def train(experiment: str, midi_folder: Path, run: Path, *overrides: str) -> str:
    done = run_command(
        "train",
        f"experiment={experiment}",
        f"data.root={midi_folder}",
        f"hydra.run.dir={run}",
        *TINY,
        *OF_MODEL[experiment],
        *overrides,
        cwd=run.parent,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def weights(run: Path) -> dict[str, torch.Tensor]:
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return content["state_dict"]


def test_crnn_gan_trains_generates_and_goes_on(midi_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    printed = train("crnn_gan", midi_folder, run, "trainer.max_epochs=2")
    assert "windows of 16 tones" in printed
    assert "epoch 1/2 (warm start)" in printed
    assert "loss_d" in printed.split("epoch 2/2")[1]
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["n_values"] == 2 * 24 * 4
    assert set(event_tags(run)["images"]) == {"rolls/real", "rolls/samples"}
    done = run_command(
        "generate",
        f"checkpoint={run / 'checkpoints' / 'best.ckpt'}",
        "n_pieces=2",
        "n_notes=30",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (piece,) = read(tmp_path / "samples" / "sample_01.mid")
    assert len(piece) <= 30  # tones of one pitch may fall together in a file
    done = run_command(
        "train", f"resume={run / 'checkpoints' / 'last.ckpt'}", "trainer.max_epochs=3", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 3/3: loss_d" in done.stdout


def test_markov_is_fitted_generates_and_goes_on(midi_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    printed = train("markov", midi_folder, run)
    assert "epoch 1/1: val nll" in printed
    page = checked_page((run / "report.html").read_text())
    assert "gan_music \u00b7 markov" in page.text
    assert "Likelihood of real music" in page.text
    assert " Losses " not in page.text  # there are no players
    assert set(event_tags(run)["images"]) == {"rolls/real", "rolls/samples"}
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["best_epoch"] == 1
    assert figures["cost"]["n_weights"] == {"generator": 0, "all_networks": 0}
    fitted = weights(run)
    done = run_command(
        "generate",
        f"checkpoint={run / 'checkpoints' / 'best.ckpt'}",
        "n_pieces=1",
        "n_notes=30",
        "meter=3/4",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (first,) = read(tmp_path / "samples" / "sample_01.mid")
    assert first.meters.tolist() == [[0, 3, 4]]
    done = run_command(
        "train",
        f"resume={run / 'checkpoints' / 'last.ckpt'}",
        "trainer.max_epochs=4",
        "report=false",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    # there is nothing more to learn: one epoch, and the same counts
    assert "epoch 2/4" in done.stdout
    assert "epoch 3/4" not in done.stdout
    again = weights(run)
    assert all(torch.equal(again[k], fitted[k]) for k in fitted)


@pytest.mark.parametrize(
    ("experiment", "model", "representation"),
    [
        (
            "crnn_gan",
            {
                "name": "crnn_gan",
                "hidden_size": 350,
                "n_layers": 2,
                "noise_size": 4,
                "lr": 0.1,
                "freeze_below": 0.7,
                "feature_matching": True,
                "warm_start_epochs": 6,
            },
            {"name": "note_quadruples", "hertz": True},
        ),
        ("markov", {"name": "ngram"}, {"name": "note_events", "velocity": False}),
    ],
)
def test_the_settings_of_a_baseline(
    tmp_path: Path, experiment: str, model: dict, representation: dict
) -> None:
    done = run_command(
        "train", f"experiment={experiment}", "data.root=x", "--cfg", "job", cwd=tmp_path
    )
    config = yaml.safe_load(done.stdout)
    assert model.items() <= config["model"].items()
    assert config["representation"] == representation
    assert config["data"]["transpose"] == 0
