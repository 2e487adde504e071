"""More music than there is memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gan_music.data.pack import write_pack
from gan_music.music.piece import Piece
from tests.conftest import TINY, run_python, succeed

# bounds the heap of a process after its imports; memory-mapped files do not count
LIMITED = """
import resource, sys
import gan_music.training.run, gan_music.io.rendering.overview
from gan_music.data import worker
heap = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData")]
limit = int(heap[0]) * 1024 + int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
from gan_music.train import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit on data")
def test_a_run_on_more_music_than_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n_pieces, n_notes, memory = 200, 80_000, 320  # MiB
    onset = np.cumsum(rng.integers(0, 13, n_notes))
    piece = Piece.from_arrays(
        onset, rng.integers(1, 24, n_notes), rng.integers(40, 80, n_notes), grid=24
    )
    named = (Piece(**vars(piece) | {"name": f"{i:03}.mid"}) for i in range(n_pieces))
    write_pack(named, tmp_path / "pack", grid=24)
    assert n_pieces * n_notes * 4 * 8 > memory * 2**20  # more than the limit
    words = (
        *("data=midi", "data.root=pack", "data.cache_dir=cache", "hydra.run.dir=run", *TINY),
        *("model.hidden_size=4", "trainer.max_epochs=1", "data.max_held_out=1"),
    )
    paths = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    limited = ("-c", LIMITED, str(memory), *words, "data.stride=30000")
    done = succeed(run_python(*limited, cwd=tmp_path, **paths))
    assert "verdict" in done.stdout + done.stderr
    assert (tmp_path / "run" / "metrics.json").exists()
