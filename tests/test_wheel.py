"""The wheel, installed: every command from an unrelated folder, with a user's own configs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from gan_music.io.read import read
from tests.conftest import SMALL, TINY, run_python

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment's Python, with the wheel, and with this environment's libraries."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = folder / "built"
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built)]
    subprocess.run([*build, str(ROOT)], check=True)
    (wheel,) = built.glob("gan_music-*.whl")
    assert wheel.stat().st_size < 5_000_000
    venv.create(folder / "venv", with_pip=False)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    subprocess.run([*pip, "install", "--no-deps", f"--target={site}", str(wheel)], check=True)
    # a path file names folders alone: the editable install of the package in them stays behind
    libraries = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    (site / "libraries.pth").write_text("\n".join(libraries))
    return folder / "venv" / "bin" / "python"


def test_the_wheel_runs_from_any_folder(python: Path, tmp_path: Path, midi_folder: Path) -> None:
    cwd = tmp_path / "empty"
    cwd.mkdir()

    def run(*arguments: str) -> str:
        cache = str(tmp_path / "cache")
        done = run_python(*arguments, cwd=cwd, python=python, XDG_CACHE_HOME=cache, PYTHONPATH="")
        assert done.returncode == 0, done.stderr
        return done.stdout

    package = run("-c", "import gan_music; print(gan_music.__file__)")
    assert Path(package).is_relative_to(python.parent.parent)
    assert (Path(package.strip()).parent / "py.typed").is_file()

    run("-m", "gan_music.generate", "n_pieces=2", "n_notes=40", "out=music")
    (piece,) = read(cwd / "music" / "sample_02.mid")
    assert len(piece) == 40

    data = ("data=midi", f"data.root={midi_folder}")
    assert "files                   16" in run("-m", "gan_music.extract", *data)

    mine = cwd / "my_conf"
    (mine / "experiment").mkdir(parents=True)
    (mine / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n"
        "  - override /data: midi\n"
        "  - override /model: narrow\n"
        "seed: 3\n"
    )
    (mine / "model").mkdir()
    (mine / "model" / "narrow.yaml").write_text("defaults: [gumbel_gan]\nlabel_smoothing: 0\n")
    choices = ("--config-dir", "my_conf", "experiment=mine", data[1], *TINY)
    run("-m", "gan_music.train", *choices, "trainer.max_epochs=1", "report=true")
    (folder,) = (cwd / "outputs" / "mine").iterdir()
    assert "</html>" in (folder / "report.html").read_text()
    config = (folder / "config.yaml").read_text()
    assert "seed: 3\n" in config
    assert "label_smoothing: 0.0\n" in config

    outside = tmp_path / "outside"  # code that is neither in the wheel nor in the working folder
    shutil.copytree(Path(__file__).parent / "outside", outside)
    words = ("--config-dir", str(outside / "my_conf"), "model=unigram", "trust_code=true")
    run("-m", "gan_music.train", *words, *data, *SMALL, "hydra.run.dir=outputs/unigram")
    assert (cwd / "outputs" / "unigram" / "metrics.json").is_file()

    folders = (f"reference={midi_folder}", "generated=music")
    table = run("-m", "gan_music.evaluate", *folders, "window=8", "n_bootstrap=2")
    assert "oa_mean" in table
    assert {p.name for p in cwd.iterdir()} == {"music", "my_conf", "outputs", "metrics.json"}
