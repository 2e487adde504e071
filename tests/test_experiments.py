"""The experiments as users run them, tiny: train, generate, resume."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint
from gan_music.config.validate import compose_run
from gan_music.io.read import read
from tests.conftest import SMALL, TINY, events_of, run_command, sentence, succeed
from tests.pages import checked_page

SHOWN = (*SMALL, "samples.show_every_n_epochs=1")
PAPER = ("model.hidden_size=8", "data.batch_size=64")
CRNN = ("model.hidden_size=8", "model.warm_start_epochs=1", "model.freeze_below=0.1")
LONG = (
    *(o for o in TINY if not o.startswith(("model.noise_size", "model.warm_start"))),
    "model.n_style_components=2",
)
D_SIZES = ("model.d_hidden_size=8", "model.d_embedding_size=4", "model.rollout_batch=6")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def train(experiment: str, midi_folder: Path, run: Path, *overrides: str) -> str:
    """What a run of this experiment in this folder prints."""
    words = (f"experiment={experiment}", f"data.root={midi_folder}", f"hydra.run.dir={run}")
    return succeed(run_command("train", *words, *overrides, cwd=run.parent)).stdout


def resume(run: Path, n_epochs: int) -> str:
    words = (f"resume={run / 'checkpoints' / 'last.ckpt'}", f"trainer.max_epochs={n_epochs}")
    return succeed(run_command("train", *words, "report=false", cwd=run.parent)).stdout


def generate(run: Path, *overrides: str) -> None:
    words = (f"checkpoint={run / 'checkpoints' / 'best.ckpt'}", "n_pieces=2", "n_notes=30")
    succeed(run_command("generate", *words, *overrides, cwd=run.parent))
    assert len(list((run.parent / "samples").glob("*.mid"))) == 2


def metrics(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return content


def test_the_paper(midi_folder: Path, run: Path) -> None:
    printed = train("paper", midi_folder, run, *SHOWN, *PAPER, "report=true")
    assert "training notes, each alone" in printed
    figures = metrics(run)
    # two epochs teach it hardly more than one pitch; the test split has one excerpt
    assert figures["while_training"] == {"last_variety": "collapsed", "first_collapsed_batch": 4}
    assert figures["verdict"] == "undefined"
    assert figures["n_clipped"] >= 0
    page = checked_page((run / "report.html").read_text())
    assert page.text.count("undefined there is too little music for a verdict") == 2
    assert "The first collapse was in batch 4." in page.text
    assert " Scores " in page.text
    assert set(events_of(run).Tags()["images"]) == {"rolls/real", "rolls/samples"}
    generate(run)
    (piece,) = read(run.parent / "samples" / "sample_01.mid")
    assert len(piece) == 30
    # one after the other: each note begins where the last one ends
    assert (piece.onset[1:] == (piece.onset + piece.duration)[:-1]).all()
    assert "epoch 3/3" in resume(run, 3)


def test_the_published_loaders_notes_are_enough_to_train_on(midi_folder: Path, run: Path) -> None:
    words = (*SMALL, *PAPER, "data.min_notes=1")
    printed = train("paper_as_published", midi_folder, run, *words)
    assert int(printed.split(" training notes, each alone")[0].rsplit(" ", 1)[1]) > 0


def test_crnn_gan(midi_folder: Path, run: Path) -> None:
    printed = train("crnn_gan", midi_folder, run, *SHOWN, *CRNN)
    assert "windows of 16 notes" in printed
    assert "epoch 1/2 (warm start)" in printed
    assert "loss_d" in printed.split("epoch 2/2")[1]
    assert metrics(run)["n_values"] == 2 * 24 * 4
    assert set(events_of(run).Tags()["images"]) == {"rolls/real", "rolls/samples"}
    generate(run)
    (piece,) = read(run.parent / "samples" / "sample_01.mid")
    assert len(piece) <= 30  # notes of one pitch may fall together in a file
    assert "epoch 3/3: loss_d" in resume(run, 3)


def test_markov(midi_folder: Path, run: Path) -> None:
    words = (*SHOWN, "report=true", "trainer.max_epochs=1")
    assert "epoch 1/1: val nll" in train("markov", midi_folder, run, *words)
    page = checked_page((run / "report.html").read_text())
    assert "gan_music \u00b7 ngram" in page.text
    assert "Likelihood of real music" in page.text
    assert " Losses " not in page.text
    assert set(events_of(run).Tags()["images"]) == {"rolls/real", "rolls/samples"}
    assert metrics(run)["best_epoch"] == 1
    assert metrics(run)["cost"]["n_weights"] == {"generator": 0, "all_networks": 0}
    last = run / "checkpoints" / "last.ckpt"
    fitted = load_checkpoint(last).state_dict
    generate(run, "meter=3/4")
    (first,) = read(run.parent / "samples" / "sample_01.mid")
    assert first.meters[:, 1:].tolist() == [[3, 4]]
    # there is nothing more to learn: one epoch, and the same counts
    printed = resume(run, 4)
    assert "epoch 2/4" in printed
    assert "epoch 3/4" not in printed
    again = load_checkpoint(last).state_dict
    assert all(torch.equal(again[k], fitted[k]) for k in fitted)


@pytest.mark.parametrize(
    ("experiment", "precision"), [("flagship", "32-true"), ("flagship_gpu", "bf16-mixed")]
)
def test_the_gan_of_long_sequences(
    midi_folder: Path, run: Path, experiment: str, precision: str
) -> None:
    phases = ("model.critic_pretrain_batches=3", "model.warm_start_epochs=1")
    more = (f"trainer.precision={precision}", "trainer.max_epochs=3")
    train(experiment, midi_folder, run, *LONG, *D_SIZES, *phases, *more)
    tags = events_of(run).Tags()["scalars"]
    assert {"train/loss_d", "train/loss_g", "train/advantage"} <= set(tags)
    generate(run, f"continue_from={next(midi_folder.glob('*.mid'))}")


def test_the_pure_gan_learns_from_no_likelihood(midi_folder: Path, run: Path) -> None:
    more = ("replay_batch=4", "critic_pretrain_batches=1", "entropy_weight=0.01")
    train("pure_gan", midi_folder, run, *LONG, *D_SIZES, *(f"model.{o}" for o in more))
    tags = events_of(run).Tags()["scalars"]
    assert {"train/loss_d", "train/loss_g", "train/entropy"} <= set(tags)
    assert "train/nll" not in tags


def test_a_warm_start_from_a_checkpoint(midi_folder: Path, tmp_path: Path) -> None:
    train("attention_lm", midi_folder, tmp_path / "lm", *LONG, "trainer.max_epochs=1")
    gan = (*LONG, "model.warm_start_epochs=0", "model.d_hidden_size=8")
    # learning rates of 0, so that the last weights are the initial ones
    still = ("model.lr_g=0", "model.weight_decay=0", "trainer.max_epochs=1")
    initial = "model.warm_start_from=lm/checkpoints/last.ckpt"
    train("flagship", midi_folder, tmp_path / "gan", *gan, *still, "model.rollout_batch=3", initial)
    theirs, ours = (
        load_checkpoint(tmp_path / run / "checkpoints" / "last.ckpt").state_dict
        for run in ("lm", "gan")
    )
    shared = [k for k in theirs if k.startswith("averaged.module.")]
    assert any("style_prior" in k for k in shared)
    assert all(torch.equal(theirs[k], ours[k]) for k in shared)

    words = ("experiment=flagship", f"data.root={midi_folder}", *gan, "model.n_style_components=3")
    for wrong, why in (
        (initial, "its generator is another"),
        (f"model.warm_start_from={PRETRAINED}", "its generator is another"),
        ("model.warm_start_from=nowhere.ckpt", "is no file"),
    ):
        done = run_command("train", *words, wrong, "hydra.run.dir=no", cwd=tmp_path)
        assert why in sentence(done)


NEO_SALEEM = {
    **{"name": "neo_saleem", "hidden_size": 256, "n_layers": 2, "noise_size": 100},
    **{"lr_g": 0.001, "lr_d": 0.001, "betas": [0.9, 0.999]},
}
CRNN_GAN = {
    **{"name": "crnn_gan", "hidden_size": 350, "n_layers": 2, "noise_size": 4, "lr": 0.1},
    **{"freeze_below": 0.7, "feature_matching": True, "warm_start_epochs": 6},
}
TRIPLES = {"name": "note_triples", "use_offsets": False}
QUADRUPLES = {"name": "note_quadruples", "hertz": True}
EVENTS = {"name": "note_events", "velocity": None, "n_tracks": None, "ends": False}
PAPER_DATA = {"batch_size": 64, "reader": "music21", "grid": 24, "val_rate": 0.1}
PUBLISHED_DATA = {"batch_size": 64, "reader": "published", "grid": 12, "val_rate": 0}


@pytest.mark.parametrize(
    ("experiment", "model", "representation", "data"),
    [
        ("paper", NEO_SALEEM, TRIPLES, PAPER_DATA),
        ("paper_as_published", NEO_SALEEM, TRIPLES, PUBLISHED_DATA),
        ("crnn_gan", CRNN_GAN, QUADRUPLES, {}),
        ("markov", {"name": "ngram"}, EVENTS, {}),
    ],
)
def test_the_settings_of_an_experiment(
    experiment: str, model: dict[str, Any], representation: dict[str, Any], data: dict[str, Any]
) -> None:
    settings = dataclasses.asdict(compose_run(f"experiment={experiment}", "data.root=x"))
    assert model.items() <= settings["model"].items()
    assert settings["representation"] == representation
    assert (data | {"transpose": 0}).items() <= settings["data"].items()
    if model is NEO_SALEEM:
        assert settings["model"] == NEO_SALEEM
        assert settings["trainer"]["max_epochs"] == 100
