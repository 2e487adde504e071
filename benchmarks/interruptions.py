"""Interrupt a sweep at random moments, and check how it ends; at last, continue it.

    python benchmarks/interruptions.py [--signals 20] [--seed 0] [--root DIR] [OVERRIDE ...]

The music is Monteverdi's in music21's corpus unless ``--root`` names a folder; overrides are of the
sweep, such as ``hydra/launcher=submitit_local``. In turn a sweep of two jobs gets SIGTERM, SIGTERM
for its process group, both as by ``timeout``, SIGHUP and SIGINT for the group, at any moment from
0.1 s on. Each time it must end with the signal's exit code and a line that says what to do next,
without a traceback; no process, temporary file or torn checkpoint may be left, and a job that had
begun must be ``interrupted`` or ``done``. Exit code 1 if anything else happens. A signal that kills
the interpreter at its end, when all jobs are done, is counted apart, and another one is sent.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import common
from crash_recovery import SMALL, half_written
from killed_commands import temporaries

from gan_music.system.errors import UserError

# name -> signal, whether the process gets it, whether its group does
KINDS = {
    "SIGTERM": (signal.SIGTERM, True, False),
    "SIGTERM to the group": (signal.SIGTERM, False, True),
    "timeout": (signal.SIGTERM, True, True),
    "SIGHUP to the group": (signal.SIGHUP, False, True),
    "SIGINT to the group": (signal.SIGINT, False, True),
}
NEXT = ("resume by: ", "continue the sweep by ", "give the same command again")
JOBS = ("0", "1")


class Sweep:
    """A process of the training command with two jobs, in a process group of its own."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.folder, self.output = folder, folder.with_suffix(".txt")
        with self.output.open("a") as file:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gan_music.train", "-m", *SMALL, *words, "seed=1,2"),
                    *(f"hydra.sweep.dir={folder}", "skip_done=true"),
                ],
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                cwd=folder.parent,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=common.default_signals,
            )

    def interrupt(self, kind: str, after: float) -> bool:
        """Send the signal of a kind after so many seconds; False if the sweep has ended by then."""
        try:
            self.process.wait(after)
        except subprocess.TimeoutExpired:
            number, alone, group = KINDS[kind]
            if alone:
                self.process.send_signal(number)
            if group:
                os.killpg(self.process.pid, number)
            return True
        return False

    def statuses(self) -> dict[str, str]:
        found = {}
        for path in self.folder.glob("*/status.json"):
            found[path.parent.name] = str(json.loads(path.read_text())["status"])
        return found

    def was_over(self, kind: str) -> bool:
        """Whether the signal came after the last job, and so killed an interpreter at its end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            is_killed = self.process.wait(120) == -KINDS[kind][0]
            return is_killed and self.statuses() == dict.fromkeys(JOBS, "done")
        return False

    def complaints(self, kind: str) -> list[str]:
        """What is wrong with how it ended."""
        found = []
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return ["it did not end"]
        if code != 128 + KINDS[kind][0]:
            found.append(f"exit code {code}")
        with contextlib.suppress(ProcessLookupError):
            for _ in range(50):  # what it has killed may take a moment
                os.killpg(self.process.pid, 0)
                time.sleep(0.1)
            found.append("a process is left")
            os.killpg(self.process.pid, signal.SIGKILL)
        text = self.output.read_text()
        if not any(words in text for words in NEXT):
            found.append("nothing says what to do next")
        found += [f"it printed {w}" for w in ("Traceback", "unexpected", "Exception") if w in text]
        found += [f"{path.name} is left" for path in temporaries(self.folder.parent)]
        found += [f"{n} is torn" for job in JOBS for n in half_written(self.folder / job)]
        statuses = self.statuses()
        found += [f"job {n}: {s}" for n, s in statuses.items() if s not in ("interrupted", "done")]
        return found


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("--signals", type=common.count, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=common.folder)
    parser.add_argument("overrides", nargs="*", type=common.override)
    given = parser.parse_args()
    random.seed(given.seed)
    music = common.music(given.root)
    ends: collections.Counter[str] = collections.Counter()
    n_wrong = n_sent = n_begun = n_over = 0
    with tempfile.TemporaryDirectory() as place:
        words = (*music, *given.overrides)
        start = time.monotonic()
        whole = Sweep(Path(place, "whole"), (*words, "data.cache_dir=first"))
        if whole.process.wait():
            raise UserError((whole.output.read_text().splitlines() or ["no output"])[-1])
        seconds = time.monotonic() - start
        while n_sent < given.signals:
            kind = list(KINDS)[n_sent % len(KINDS)]
            after = random.uniform(0.1, seconds)
            n_begun += 1
            folder, cache = Path(place, f"sweep_{n_begun}"), f"data.cache_dir=cache_{n_begun}"
            sweep = Sweep(folder, (*words, cache))
            if not sweep.interrupt(kind, after):
                seconds = after  # the machine is faster now
                continue
            if sweep.was_over(kind):
                n_over += 1
                print(f"   {kind:21} {after:5.1f} s: not counted, all jobs were done")
                continue
            n_sent += 1
            wrong = sweep.complaints(kind)
            n_wrong += bool(wrong)
            state = " ".join(f"{n} {s}" for n, s in sorted(sweep.statuses().items())) or "none"
            ends[state] += 1
            print(f"{n_sent:2} {kind:21} {after:5.1f} s: jobs: {state}; {wrong or 'well'}")
            print(sweep.output.read_text() if wrong else "", end="", flush=True)
        again = Sweep(folder, (*words, cache))
        code, statuses = again.process.wait(), again.statuses()
    print(f"signals: {n_sent} within {seconds:.0f} s; jobs then: {dict(ends)}")
    print(f"ended in another way: {n_wrong}; not counted, since all was done: {n_over}")
    is_whole = code == 0 and statuses == dict.fromkeys(JOBS, "done")
    print(f"the last one continued: {'done' if is_whole else statuses}")
    return int(bool(n_wrong) or not is_whole)


if __name__ == "__main__":
    common.command(main)
