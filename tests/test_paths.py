"""Paths with any characters, as they are typed, in every command."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from gan_music.io.read import read
from tests.conftest import TINY, run_command, sentence, succeed

NAME = "Für Elise (1) [a] {b}, c=d 'e' \"f\" #g & $h %i; 音"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """A folder with music, a folder of configs and a run, all in folders of that name."""
    cwd = tmp_path_factory.mktemp("place")
    for folder in ("music", "conf", "more"):
        (cwd / folder / NAME).mkdir(parents=True)
    shutil.copytree(midi_folder, cwd / "music" / NAME, dirs_exist_ok=True)
    (cwd / "conf" / NAME / "experiment").mkdir()
    (cwd / "conf" / NAME / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /data: midi\n"
    )
    words = (f"data.root=~/music/{NAME}", f"data.cache_dir=cache {NAME}", f"hydra.run.dir=~/{NAME}")
    config = ("--config-dir", f"conf/{NAME}", "experiment=mine", "trainer.max_epochs=1")
    done = run_command("train", *words, *TINY, *config, cwd=cwd, HOME=str(cwd))
    assert succeed(done).stdout.splitlines()[-1] == (
        f"losses: tensorboard --logdir {shlex.quote(NAME)}"
    )
    return cwd


def test_a_run(place: Path) -> None:
    run = place / NAME
    assert (run / "metrics.json").is_file()
    assert (run / "train.log").is_file()
    assert list((place / f"cache {NAME}").iterdir())
    words = (f"resume=./{NAME}", "trainer.max_epochs=2", "report=true")
    assert "epoch 2/2" in succeed(run_command("train", *words, cwd=place, HOME=str(place))).stdout
    assert (run / "report.html").is_file()


def test_generate_continues_a_file_by_a_runs_folder(place: Path) -> None:
    shutil.copy(place / "music" / NAME / "walk01.mid", place / f"{NAME}.mid")
    words = (f"checkpoint={NAME}", f"continue_from={NAME}.mid", f"out=more/{NAME}", "n_notes=8")
    done = succeed(run_command("generate", *words, "n_pieces=2", cwd=place))
    assert done.stdout.splitlines()[-1].endswith(f"continuations of {NAME}.mid")
    (primer,) = read(place / f"{NAME}.mid")
    (piece,) = read(place / "more" / NAME / "sample_02.mid")
    assert piece.notes()[: len(primer)] == primer.notes()
    line = sentence(run_command("generate", "format=wav", f"soundfont={NAME}.mid", cwd=place))
    assert f"{NAME}.mid is no SoundFont" in line


def test_evaluate_extract_export_and_report(place: Path) -> None:
    sets = (f"reference=music/{NAME}", f"generated=music/{NAME}/below", f"train=music/{NAME}")
    words = (f"out=figures/{NAME}", f"cache_dir=cache {NAME}", "n_bootstrap=2")
    succeed(run_command("evaluate", *sets, *words, cwd=place))
    assert (place / "figures" / NAME / "metrics.json").is_file()
    data = ("data=midi", f"data.root=music/{NAME}", f"pack=pack {NAME}")
    assert "files                   16" in succeed(run_command("extract", *data, cwd=place)).stdout
    assert (place / f"pack {NAME}").is_dir()
    succeed(run_command("export", f"checkpoint={NAME}", f"out=small {NAME}.ckpt", cwd=place))
    assert (place / f"small {NAME}.ckpt").is_file()
    succeed(run_command("report", NAME, f"--out=page {NAME}.html", cwd=place))
    assert (place / f"page {NAME}.html").is_file()


def test_a_sweep_of_paths(place: Path) -> None:
    roots = ",".join(f"music/{name}" for name in ("a é", "b"))
    for name in ("a é", "b"):
        shutil.copytree(place / "music" / NAME, place / "music" / name)
    words = ("-m", "data=midi", f"data.root={roots}", f"hydra.sweep.dir=sweep {NAME}")
    done = succeed(run_command("train", *words, *TINY, "trainer.max_epochs=1", cwd=place))
    assert (place / f"sweep {NAME}" / "1" / "metrics.json").is_file()
    lines = [
        line
        for line in done.stdout.splitlines()
        if "from validation music at epoch 1, verdict" in line
    ]
    assert [line.rsplit(": ", 1)[1] for line in lines] == [f"sweep {NAME}/{i}" for i in (0, 1)]
    assert "tensorboard" not in done.stdout


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command, key in (("generate", "checkpoint"), ("export", "checkpoint"), ("train", "resume")):
        given = (f"{key}=empty", *(("out=x",) if command == "export" else ()))
        line = sentence(run_command(command, *given, cwd=tmp_path))
        assert f"{key}=" in line
        assert "empty is a folder without checkpoints/" in line
    words = ("experiment=flagship", "data.root=.", "model.warm_start_from=empty")
    line = sentence(run_command("train", *words, "model.warm_start_epochs=0", cwd=tmp_path))
    assert line.startswith("error: model.warm_start_from=")
    assert "empty is a folder without checkpoints/best.ckpt" in line
