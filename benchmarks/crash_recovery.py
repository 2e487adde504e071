"""Kill commands at random times, repeat them, and compare with what is undisturbed.

    python benchmarks/crash_recovery.py [--kills 20] [--seed 0] [--root DIR] [--of KIND ...]

The music is Monteverdi's in music21's corpus unless ``--root`` names a folder. SIGKILL is sent as
often as ``--kills`` says in each kind:

- ``train``: while files are read (after the cache is emptied), in training, while a checkpoint is
  written, and in the final evaluation, equally often; the same command with ``resume=auto``
  restarts the run
- ``page``: to a run, while it writes its report after its evaluation
- ``extract``, ``worker``: to ``extract``, or to one of the processes that read for it
- ``report``: to the command that writes the report of a finished run

Exit code 1 if results differ or a file is left half-written.
"""

from __future__ import annotations

import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common
import killed_commands
import torch
from killed_commands import Kills, temporaries

from gan_music.system.errors import UserError

READING, TRAINING, SAVING, EVALUATING = "reading", "training", "saving", "evaluating"
EVERY = 5  # batches
N_EPOCHS = 4
KINDS = ("train", "page", "extract", "worker", "report")

SMALL = (
    *common.SMALL,
    *(f"trainer.max_epochs={N_EPOCHS}", f"checkpoint.every={EVERY}", "report=false"),
    *("model.embedding_size=4", "model.noise_size=4"),
    *("model.warm_start_epochs=2", "model.warmup_batches=20", "collapse.every_n_batches=10"),
    *("data.window=32", "data.stride=16", "data.batch_size=8", "data.min_notes=16"),
    *("samples.n_pieces=8", "samples.n_sounds=0", "samples.show_every_n_epochs=null"),
)


class Run:
    """A process of the training command on one folder and cache, and its phase."""

    def __init__(self, folder: Path, words: tuple[str, ...]) -> None:
        self.folder = folder
        self.phase, self.since = READING, time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gan_music.train", *SMALL, *words),
                *(f"hydra.run.dir={folder}", f"data.cache_dir={folder.parent / 'cache'}"),
                "resume=auto",
            ],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.lines: list[str] = []
        self.seconds: dict[str, float] = {}
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    def _follow(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("training "):
                self._enter(TRAINING)
            elif line.startswith((f"epoch {N_EPOCHS}/", "resuming after epoch 4:")):
                self._enter(EVALUATING)

    def _enter(self, phase: str) -> None:
        if phase != self.phase:
            now = time.monotonic()
            self.seconds[self.phase] = now - self.since
            self.phase, self.since = phase, now

    def wait(self) -> None:
        """Wait for its end, which must be that of a finished run."""
        code = self.process.wait()
        self._reader.join()
        self.seconds[self.phase] = time.monotonic() - self.since
        if code:
            raise UserError("".join(self.lines[-1:]))

    def kill_in(self, phase: str, after: float) -> str | None:
        """Kill it ``after`` seconds in a phase, or while it saves; return its phase, if any."""
        began = TRAINING if phase == SAVING else phase
        order = (READING, TRAINING, EVALUATING)
        while self.process.poll() is None:
            passed = order.index(self.phase) > order.index(began)
            due = self.phase == began and time.monotonic() - self.since >= after
            if phase == SAVING and self.phase == TRAINING:
                due = bool(temporaries(self.folder / "checkpoints"))
            if due or passed:
                self.process.kill()
                self.process.wait()
                return SAVING if phase == SAVING and not passed else self.phase
            time.sleep(0 if phase == SAVING else 0.005)
        return None


def content(folder: Path) -> dict[str, Any]:
    """The results of a finished run that must not depend on kills."""
    found: dict[str, Any] = {}
    for name in ("last", "best"):
        checkpoint = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        found[name] = [checkpoint[k] for k in ("state_dict", "optimizer_states", "epoch")]
        found[name].append(checkpoint["gan_music"]["rng"])
    figures = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    del figures["cost"]  # it holds seconds
    found["metrics.json"] = figures
    for path in sorted((folder / "samples").iterdir()):
        found[path.name] = path.read_bytes()
    return found


def same(a: Any, b: Any) -> bool:
    """Whether two nested values are equal, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def half_written(folder: Path) -> list[str]:
    broken = []
    for path in (folder / "checkpoints").glob("*.ckpt"):
        try:
            torch.load(path, weights_only=True)
        except Exception:  # torch raises many kinds for a torn file
            broken.append(path.name)
    return broken


@dataclass
class Tally:
    """Counts over all kills: kills by phase, temporary files found, torn checkpoints."""

    hits: collections.Counter[str] = field(default_factory=collections.Counter)
    n_left: int = 0
    broken: list[str] = field(default_factory=list)


def kill_until_done(
    folder: Path, words: tuple[str, ...], phases: list[str], seconds: dict[str, float], tally: Tally
) -> list[str]:
    """Kill a run once in each of these phases until it ends by itself; return the phases left."""
    share = {READING: 1.0, TRAINING: 0.3, EVALUATING: 0.6, SAVING: 0.0}
    while phases:
        if phases[0] == READING:
            shutil.rmtree(folder.parent / "cache", ignore_errors=True)
        run = Run(folder, words)
        after = random.uniform(0, share[phases[0]]) * seconds.get(phases[0], 0)
        hit = run.kill_in(phases[0], after)
        if hit is None:
            run.wait()
            print(f"ended before it could be killed in {phases[0]}", flush=True)
            seconds |= run.seconds  # the machine is faster now
            return phases
        phases = phases[1:]
        tally.hits[hit] += 1
        left = len(temporaries(folder.parent))
        tally.n_left += left
        tally.broken += half_written(folder)
        started = next((x.strip() for x in run.lines if x.startswith("resuming")), "a fresh start")
        where = started.partition(":")[0]
        print(f"kill {tally.hits.total():2}: {hit:10} ({where}); {left} leftovers", flush=True)
    Run(folder, words).wait()
    return []


def killed_runs(
    place: Path, words: tuple[str, ...], phases: list[str], seconds: dict[str, float], tally: Tally
) -> list[Path]:
    """Finished runs that were killed once in each of these phases in all.

    Where one ends before it is killed, the next run takes its remaining kills.
    """
    folders: list[Path] = []
    while phases:
        folders.append(place / f"killed_{len(folders)}" / "run")
        before = len(phases)
        phases = kill_until_done(folders[-1], words, phases, seconds, tally)
        if len(phases) == before:
            raise UserError(f"a whole run ended before it could be killed in {phases[0]}.")
    return folders


def killed_training(place: Path, words: tuple[str, ...], first: Run, n_kills: int) -> bool:
    """Kill runs in every phase, and print what was lost; whether anything was."""
    tally = Tally()
    order = (TRAINING, SAVING, READING, EVALUATING)
    phases = [order[i % 4] for i in range(n_kills)]
    random.shuffle(phases)
    phases.sort(key=EVALUATING.__eq__)  # last, since training is over then
    folders = killed_runs(place, words, phases, first.seconds, tally)
    at_end = sum(len(temporaries(f.parent)) for f in folders)
    a = content(first.folder)
    differ = set()
    for folder in folders:
        b = content(folder)
        differ |= {k for k in a.keys() | b.keys() if not same(a.get(k), b.get(k))}
    hits = ", ".join(f"{n} {p}" for p, n in tally.hits.items())
    print(f"kills: {tally.hits.total()} ({hits}) of {len(folders)} runs")
    print(f"checkpoints that could not be read after a kill: {len(tally.broken)}")
    print(f"temporary files found after kills: {tally.n_left}; at the end: {at_end}")
    print(f"compared: {len(a)} (both checkpoints, metrics.json, samples)")
    print(f"different from the undisturbed run: {', '.join(sorted(differ)) or 'none'}", flush=True)
    return bool(differ or tally.broken or at_end)


def killed_pages(place: Path, words: tuple[str, ...], first: Run, n_kills: int) -> Kills:
    """Kill a run while it writes its report, every second time while the file is written."""
    folder, words, kills = place / "page" / "run", (*words, "report=true"), Kills()
    status, page, old = folder / "status.json", folder / "report.html", "<html>old</html>"
    Run(folder, words).wait()
    seconds = 0.0
    while kills.n_hits < n_kills or not seconds:
        values = json.loads(status.read_text(encoding="utf-8"))
        status.write_text(json.dumps(values | {"status": "interrupted"}), encoding="utf-8")
        page.write_text(old, encoding="utf-8")
        (folder / "metrics.json").unlink(missing_ok=True)
        run = Run(folder, words)
        while run.process.poll() is None and not (folder / "metrics.json").exists():
            time.sleep(0.005)
        began, after = time.monotonic(), random.uniform(0, seconds)
        if not seconds:  # the first time it is only measured
            run.wait()
            seconds = time.monotonic() - began
            continue
        while run.process.poll() is None:
            saving = kills.n_hits % 2 == 0 or temporaries(folder)
            if time.monotonic() - began >= after and saving:
                run.process.kill()
                kills.n_hits += 1
                break
            time.sleep(0.001)
        run.process.wait()
        kills.n_writing += bool(temporaries(folder))
        text = page.read_text(encoding="utf-8")
        is_whole = text == old or text.rstrip().endswith("</html>")
        kills.wrong += half_written(folder) + ([] if is_whole else ["report.html is torn"])
    Run(folder, words).wait()
    a, b = content(first.folder), content(folder)
    kills.wrong += [f"{k} differs" for k in a.keys() | b.keys() if not same(a.get(k), b.get(k))]
    kills.wrong += [f"{path.name} is left" for path in temporaries(folder)]
    return kills


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("--kills", type=common.count, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=common.folder)
    parser.add_argument("--of", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    random.seed(given.seed)
    words = common.music(given.root)
    is_lost = False
    with tempfile.TemporaryDirectory() as name:
        place, n = Path(name), given.kills
        if {"train", "page", "report"} & set(given.of):
            first = Run(place / "undisturbed" / "run", words)
            first.wait()
        for kind in given.of:
            if kind == "train":
                is_lost |= killed_training(place, words, first, n)
                continue
            if kind == "page":
                kills = killed_pages(place, words, first, n)
            elif kind == "report":
                kills = killed_commands.killed_report(place, first.folder, n)
            else:
                is_worker = kind == "worker"
                kills = killed_commands.killed_extract(place, words, n, worker=is_worker)
            print(kills.line(kind), flush=True)
            is_lost |= bool(kills.wrong)
    return int(is_lost)


if __name__ == "__main__":
    common.command(main)
