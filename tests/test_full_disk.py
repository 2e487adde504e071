"""A full disk, a full memory, a lack of rights: one sentence, and earlier files stay complete."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_music.config.explain import explain
from gan_music.config.schema import TrainConfig
from gan_music.io.read import read
from gan_music.training.callbacks.last_checkpoint import AtomicCheckpointIO
from tests.conftest import TINY, Command, run_command, run_python, sentence, succeed

Disk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A function that mounts a disk of so many KiB, or resizes it."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size: int) -> Path:
        again = "remount," if place.is_mount() else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{again}size={size}k", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        return place

    if not shutil.which("mount"):
        pytest.skip("there is no mount here")
    yield mount
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def test_a_disk_that_fills_up_while_caching(midi_folder: Path, tmp_path: Path, disk: Disk) -> None:
    cache = disk(48)
    words = ("data=midi", f"data.root={midi_folder}", f"data.cache_dir={cache}", "data.n_workers=1")
    assert "No space left" in sentence(run_command("extract", *words, cwd=tmp_path))
    entries = list(cache.rglob("*.npz"))
    assert entries
    for entry in entries:
        with np.load(entry) as arrays:
            assert len(arrays["notes"]) == 5
    assert not list(cache.rglob("*.tmp"))


def test_a_disk_that_fills_up_while_saving(train: Command, tmp_path: Path, disk: Disk) -> None:
    # a checkpoint takes 400 KiB: there is room for two, but not for a third
    run = disk(1100) / "run"
    words = (f"hydra.run.dir={run}", f"data.cache_dir={tmp_path / 'kept'}", "resume=auto")
    line = sentence(train(*words))
    assert "best.ckpt: No space left" in line or "last.ckpt: No space left" in line
    for name in ("best", "last"):
        content = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert content["epoch"] == 0
    assert not list(run.rglob("*.tmp"))
    disk(8192)
    done = succeed(train(*words))
    assert f"resuming after epoch 1: {run}" in done.stdout
    assert (run / "metrics.json").is_file()


def test_a_disk_that_fills_up_while_writing_samples(tmp_path: Path, disk: Disk) -> None:
    out = disk(32)
    words = ("n_pieces=16", "n_notes=16", f"out={out}")
    assert "No space left" in sentence(run_command("generate", *words, cwd=tmp_path))
    files = list(out.iterdir())
    assert files
    assert all(len(read(f)[0]) == 16 for f in files)


def test_a_checkpoint_that_cannot_be_written_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # simulates a full disk where none can be mounted
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    before, write = path.read_bytes(), Path.write_bytes

    def full(self: Path, data: Any) -> int:
        write(self, bytes(data)[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as caught:
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert explain(caught.value, TrainConfig).startswith(f"{path}: No space left on device; make")


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such limit")
def test_a_model_larger_than_the_memory(midi_folder: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))\n"
        "from gan_music.train import main\n"
        "main()\n"
    )
    words = (*TINY, "data=midi", f"data.root={midi_folder}", "model.hidden_size=16384")
    line = sentence(run_python("-c", code, *words, "hydra.run.dir=run", cwd=tmp_path))
    assert "the memory is full" in line
    assert "model.hidden_size" in line
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("command", "key"),
    [("train", "hydra.run.dir"), ("train", "data.cache_dir"), ("generate", "out")],
)
def test_folders_that_cannot_be_written(
    midi_folder: Path, tmp_path: Path, command: str, key: str
) -> None:
    # root may write everywhere, so its capabilities are dropped and the folder is another user's
    is_root = os.geteuid() == 0
    without_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if is_root else []
    if is_root and not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o755 if is_root else 0o555)
    if is_root:
        os.chown(locked, 65534, 65534)
    words = [f"{key}={locked / 'below'}"]
    if command == "train":
        words += ["data=midi", f"data.root={midi_folder}", *TINY, "data.n_workers=1"]
    done = subprocess.run(
        [*without_rights, sys.executable, "-m", f"gan_music.{command}", *words],
        cwd=tmp_path,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        text=True,
        capture_output=True,
        check=False,
    )
    line = sentence(done)
    assert "Permission denied" in line
    assert str(locked) in line
    assert not list(locked.iterdir())
