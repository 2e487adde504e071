"""Settings at their ends, and numbers that go wrong, in the real command: a sentence or a run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
from tests.conftest import SMALL, run_command, run_python, sentence, status_of, succeed

FEW = (
    *("model.hidden_size=8", "samples.n_sounds=0"),
    *("samples.n_validation_windows=4", "collapse.n_windows=4"),
)
SMALLEST = ("data.window=1", "data.stride=8", "data.batch_size=1")


@pytest.fixture
def one_pitch(tmp_path: Path) -> Path:
    """Pieces of one pitch, one duration, one offset."""
    root = tmp_path / "music"
    root.mkdir()
    steps = 24 * np.arange(24)
    for i in range(4):
        piece = Piece.from_arrays(steps, np.full(24, 24), np.full(24, 60), grid=24)
        write_midi(piece, root / f"{chr(97 + i)}.mid")
    return root


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=gumbel_gan", *(f"model.{k}=10" for k in ("lr_g", "lr_d", "warm_start_lr"))],
        ["model=attention_lm", "model.lr=10", "model.warmup_batches=0"],
        ["model=crnn_gan", "model.lr=10", "model.clip_norm=null"],
    ],
)
def test_extreme_settings_end_in_a_run_or_a_sentence(
    tmp_path: Path, one_pitch: Path, overrides: list[str]
) -> None:
    folder = tmp_path / "r"
    done = run_command(
        "train", "data=midi", f"data.root={one_pitch}", *SMALL, *FEW, *SMALLEST, *overrides,
        f"hydra.run.dir={folder}", cwd=tmp_path,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    assert "unexpected" not in done.stderr
    status = status_of(folder)
    if done.returncode:
        assert "is not finite" in done.stderr
        assert done.stderr == f"error: {status['error']}\n"
    else:
        assert (folder / "metrics.json").is_file()


# the command, with a loss that is NaN on two batches
PATCHED = """
from gan_music.losses import adversarial
from gan_music.train import main

real, calls = adversarial.generator_bce, [0]

def wrong(fake):
    calls[0] += 1
    return real(fake) * (float("nan") if calls[0] in (4, 7) else 1)

adversarial.generator_bce = wrong
main()
"""


def poisoned(folder: Path, music: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run_python(
        "-c", PATCHED, "data=midi", f"data.root={music}", "model=neo_saleem", *SMALL, *FEW,
        "data.batch_size=32", f"hydra.run.dir={folder}", *overrides, cwd=folder.parent,
    )  # fmt: skip


def test_a_loss_that_goes_wrong_ends_the_command_in_a_sentence(
    tmp_path: Path, one_pitch: Path
) -> None:
    done = poisoned(tmp_path / "r", one_pitch, "trainer.max_rollbacks=1", "trainer.max_epochs=20")
    line = sentence(done)
    assert line.startswith("error: epoch ")
    assert "batch 7: loss_g in the loss of the generator is not finite (loss_g nan)" in line
    assert "batch 4: loss_g in the loss of the generator is not finite" in done.stdout
    # what was good is there to go on from, and may step back once more
    last = tmp_path / "r" / "checkpoints" / "last.ckpt"
    more = ("trainer.max_rollbacks=5", "trainer.max_epochs=9")
    succeed(run_command("train", f"resume={last}", *more, cwd=tmp_path))
    assert (tmp_path / "r" / "metrics.json").is_file()
