"""Training pieces in place of samples: alike, but not the same."""

from __future__ import annotations

import re
from pathlib import Path

from gan_music.io.write import write_midi
from tests.conftest import make_piece, run_python

COMMAND = Path(__file__).parents[2] / "benchmarks" / "training_pieces.py"


def test_training_pieces_are_measured_like_samples(tmp_path: Path) -> None:
    (tmp_path / "midi").mkdir()
    for seed in range(60):
        write_midi(make_piece(seed, 300), tmp_path / "midi" / f"work{seed:02d}.mid")
    done = run_python(str(COMMAND), "midi", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^(\S.*?) +(\d\.\d{3}) ± (\d\.\d{3})$", done.stdout, re.M)
    assert len(lines) == len(done.stdout.splitlines())
    found = {title: (float(mean), float(spread)) for title, mean, spread in lines}
    assert found["overlapped area"][0] > 0.8
    assert abs(found["two-sample accuracy"][0] - 0.5) < 0.2
    assert found["coverage"][0] > 0.4
    assert found["precision"][0] > 0.4
    assert any(spread > 0 for _, spread in found.values())  # of other pieces, other excerpts
    assert "longest copied run, 95 %" not in found
