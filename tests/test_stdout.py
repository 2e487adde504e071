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
