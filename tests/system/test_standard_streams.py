from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_help_is_cut_short_without_a_word(tmp_path: Path) -> None:
    command = f"{sys.executable} -m gan_music.generate --help | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_a_command_without_standard_output_works(tmp_path: Path) -> None:
    command = f"{sys.executable} -m gan_music.generate n_pieces=1 n_notes=16 out=out >&-"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, text=True, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.mid"))) == 1
