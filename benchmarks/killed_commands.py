"""Kills of ``extract`` and ``report``, for ``crash_recovery.py``.

After each kill, whatever is there must be complete; the same command again must leave what an
undisturbed one does, byte for byte, and no temporary file.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_music.system.errors import UserError

Content = dict[str, object]


@dataclass
class Kills:
    """What was found after the kills of one kind."""

    n_hits: int = 0
    n_writing: int = 0  # of them, those that left a temporary file
    wrong: list[str] = field(default_factory=list)

    def line(self, kind: str) -> str:
        return (
            f"{kind}: {self.n_hits} kills ({self.n_writing} while a file was written): "
            f"{', '.join(self.wrong) or 'nothing lost'}"
        )


def temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.tmp"))


def start(words: Sequence[str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def children(pid: int) -> list[int]:
    """The ids of a process's children that are alive, from /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(path.parent.name))
    return found


def files(folder: Path) -> Content:
    """Each file's bytes, without the times in archives."""
    found: Content = {}
    for path in folder.rglob("*"):
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                found[str(path.relative_to(folder))] = {
                    n: archive.read(n) for n in archive.namelist()
                }
        elif path.is_file() and path.suffix != ".tmp":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def finish(words: Sequence[str], cwd: Path) -> float:
    """Run a command to its end; return its seconds."""
    began = time.monotonic()
    process = start(words, cwd)
    text = process.communicate()[0]
    if process.returncode:
        raise UserError((text.splitlines() or ["no output"])[-1])
    return time.monotonic() - began


def kill(
    words: Sequence[str], cwd: Path, after: float, *, saving: bool, worker: bool = False
) -> bool:
    """Kill a command or one of its workers after so many seconds, or later while it saves.

    Returns False if it ended before. Workers must end with it.
    """
    process, began = start(words, cwd), time.monotonic()
    while process.poll() is None:
        theirs = children(process.pid) if worker or not saving else []
        if time.monotonic() - began >= after and (not saving or temporaries(cwd)):
            if worker and theirs:
                os.kill(random.choice(theirs), 9)
                process.communicate()
                return True
            if not worker:
                process.kill()
                process.communicate()
                end = time.monotonic() + 5
                while any(Path(f"/proc/{p}/fd").exists() for p in theirs):
                    if time.monotonic() > end:
                        raise UserError("a worker outlives its command by five seconds.")
                return True
        time.sleep(0.001)
    process.communicate()
    return False


def kill_often(
    words: Sequence[str],
    cwd: Path,
    n_kills: int,
    *,
    prepare: Callable[[], None],
    seconds: float,
    worker: bool = False,
) -> Kills:
    """Kill a command at random moments, every second time while it writes a file."""
    whole, kills = files(cwd), Kills()
    for attempt in range(20 * n_kills):
        if kills.n_hits == n_kills:
            break
        prepare()
        kept = files(cwd)
        saving = bool(attempt % 2) and not worker
        if not kill(words, cwd, random.uniform(0, seconds), saving=saving, worker=worker):
            continue
        kills.n_hits += 1
        kills.n_writing += bool(temporaries(cwd))
        # complete: as it was before, or as it is to be
        for name, found in files(cwd).items():
            if found not in (kept.get(name), whole.get(name)):
                kills.wrong.append(f"{name} is torn")
        finish(words, cwd)
        again = files(cwd)
        kills.wrong += [
            f"{n} differs" for n in whole.keys() | again.keys() if again.get(n) != whole.get(n)
        ]
        kills.wrong += [f"{path.name} is left" for path in temporaries(cwd)]
    return kills


def killed_extract(place: Path, music: Sequence[str], n_kills: int, *, worker: bool) -> Kills:
    """Kill ``extract``, or one of its workers."""
    cwd = place / f"extract_{worker}"
    cwd.mkdir()
    words = ["gan_music.extract", *music, "data.cache_dir=kept", "data.n_workers=2"]
    words += ["picture=true", "out=shown"]
    seconds = finish(words, cwd)

    def prepare() -> None:
        for path in cwd.rglob("*.npz"):
            if random.random() < 0.7:
                path.unlink()

    return kill_often(words, cwd, n_kills, prepare=prepare, seconds=seconds, worker=worker)


def killed_report(place: Path, run: Path, n_kills: int) -> Kills:
    """Kill ``report`` of a finished run, whose page of another version is there before."""
    cwd = place / "report"
    shutil.copytree(run, cwd / "run")
    words = ["gan_music.report", "run"]
    seconds = finish(words, cwd)

    def prepare() -> None:
        (cwd / "run" / "report.html").write_text("<html>of another version</html>")

    return kill_often(words, cwd, n_kills, prepare=prepare, seconds=seconds)
