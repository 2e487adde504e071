"""``--config-dir``: models, representations and losses that are no part of the package."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import gan_music
from gan_music.system.errors import UserError
from tests.conftest import SMALL, run_command, run_python, sentence, succeed

OUTSIDE = Path(__file__).parent / "outside"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of somebody's own, with an accent and a space in its name."""
    folder = tmp_path / "Müller's work"
    shutil.copytree(OUTSIDE, folder, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    return folder


def common(mine: Path, midi: Path, out: Path) -> tuple[str, ...]:
    run_dir = f"hydra.run.dir={out}"
    return ("--config-dir", str(mine / "my_conf"), "data=midi", f"data.root={midi}", run_dir)


def test_a_model_from_outside_trains_samples_and_resumes(
    tmp_path: Path, midi_folder: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = ("model=unigram", *common(mine, midi_folder, run), *SMALL)
    why = sentence(run_command("train", *words, cwd=elsewhere))
    assert "model._target_=my_models.Unigram is code from outside gan_music" in why
    wrong = run_command("train", *words, "trust_code=true", "model.lr=-1", cwd=elsewhere)
    assert sentence(wrong) == "error: model.lr=-1 must be at least 0."
    done = succeed(run_command("train", *words, "trust_code=true", cwd=elsewhere))
    assert "training Unigram (" in done.stdout
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["n_values"] == 2 * 24 * 3  # two samples of 24 notes

    # its checkpoint names that code, too
    best = run / "checkpoints" / "best.ckpt"
    sampling = (f"checkpoint={best}", "n_pieces=2", "n_notes=20", f"out={tmp_path / 'out'}")
    why = sentence(run_command("generate", *sampling, cwd=elsewhere))
    assert f"checkpoint {best}: model._target_=my_models.Unigram is code from outside" in why
    trusted = ("--config-dir", str(mine / "my_conf"), "trust_code=true")
    done = succeed(run_command("generate", *trusted, *sampling, cwd=elsewhere))
    assert "2 pieces of 20 notes" in done.stdout
    monkeypatch.syspath_prepend(str(mine))
    with pytest.raises(UserError, match=r"model\._target_=my_models\.Unigram is code from outside"):
        gan_music.load(run)
    model = gan_music.load(run, trust_code=True)
    assert [len(p) for p in model.generate(n_pieces=2, n_notes=20)] == [20, 20]
    with pytest.raises(UserError, match="is code from outside"):
        gan_music.load(run)
    last = run / "checkpoints" / "last.ckpt"
    more = (f"resume={last}", "trainer.max_epochs=3")
    why = sentence(run_command("train", *more, cwd=elsewhere))
    assert "model._target_=my_models.Unigram is code from outside gan_music" in why
    succeed(run_command("train", *trusted, *more, cwd=elsewhere))
    assert json.loads((run / "status.json").read_text())["status"] == "done"


def test_piano_rolls_and_a_loss_from_outside(tmp_path: Path, midi_folder: Path, mine: Path) -> None:
    run = tmp_path / "run"
    words = ("model=roll_gan", "loss=logistic", *common(mine, midi_folder, run), *SMALL)
    done = succeed(run_command("train", *words, "trust_code=true", cwd=tmp_path))
    assert "training windows of 16 steps" in done.stdout
    assert "loss_d" in done.stdout
    assert len(list((run / "samples").glob("*.mid"))) == 2
    assert "_target_: my_rolls.Saturating" in (run / "config.yaml").read_text()
    # the run's own line repeats it
    again = ("--config-dir", str(run), "--config-name", "config", "trust_code=true")
    path = os.pathsep.join([str(mine), *filter(None, [os.environ.get("PYTHONPATH")])])
    elsewhere = f"hydra.run.dir={tmp_path / 'again'}"
    words = ("-m", "gan_music.train", *again, elsewhere)
    done = run_python(*words, cwd=tmp_path, PYTHONPATH=path)
    succeed(done)


def test_time_scales_need_one_row_a_note(tmp_path: Path, midi_folder: Path, mine: Path) -> None:
    words = ("model=roll_gan", *common(mine, midi_folder, tmp_path / "run"), *SMALL)
    more = ("trust_code=true", "data.time_scales=[1.0,2.0]")
    why = sentence(run_command("train", *words, *more, cwd=tmp_path))
    assert why == (
        "error: data.time_scales=[1.0, 2.0]: pieces of steps have other lengths at each scale, so "
        "give data.time_scales=[1.0]."
    )
