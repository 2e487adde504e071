from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gan_music.system.locks import lock

HOLD = """
import sys, time
from gan_music.system.locks import lock
file = open(sys.argv[1], "a")
print(lock(file.fileno()), flush=True)
time.sleep(60)
"""


def test_a_lock_vanishes_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("kept")
    arguments = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with path.open("a") as file:
            assert lock(file.fileno()) is False
            other.kill()
            other.wait()
            assert lock(file.fileno()) is True
    assert path.read_text() == "kept"


def test_file_systems_without_locks_are_told_from_taken_ones(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with (tmp_path / "a").open() as file:
        number = file.fileno()
    assert lock(number) is None  # closed, which fails as a missing lock does
