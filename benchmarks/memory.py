"""What a long run, or a sweep, keeps in memory: MiB resident after each epoch. Linux only.

    python benchmarks/memory.py [--epochs 200] [KEY=VALUE ...]
    python benchmarks/memory.py --jobs 6 [KEY=VALUE ...]

A run of 200 epochs has 2,000 batches; after each epoch there are a check for collapse, a validation
with samples, and both checkpoints. With ``--jobs N``, a sweep trains N runs of one epoch in one
process. Exit code 1 if the second half needs more memory than the first by over 16 MiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import common

SMALL = (
    *common.SMALL,
    *("data.query=monteverdi", "data.window=16", "data.batch_size=192"),  # ten batches an epoch
    *("trainer.log_every_n_batches=1", "checkpoint.every=3", "model.warm_start_epochs=10"),
    *("collapse.every_n_batches=5", "samples.n_pieces=4", "samples.show_every_n_epochs=5"),
)
LIMIT_MB = 16


def resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def train(words: list[str], n_lines: int) -> list[float] | None:
    """MiB after each epoch; None if the command fails."""
    held: list[float] = []
    command = [sys.executable, "-m", "gan_music.train", *SMALL, *words]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch "):
                held.append(resident(process.pid))
                if len(held) % max(1, n_lines // 20) == 0:
                    print(f"epoch {len(held):4}: {held[-1]:6.0f} MiB resident", flush=True)
    return None if process.returncode else held


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("--epochs", type=common.count, default=200)
    parser.add_argument("--jobs", type=common.count)
    parser.add_argument("overrides", type=common.override, nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        words = [*given.overrides, f"data.cache_dir={place}/cache"]
        if given.jobs:
            words += ["-m", f"seed=range({given.jobs})", "trainer.max_epochs=1"]
            held = train([*words, f"hydra.sweep.dir={place}/sweep"], given.jobs)
        else:
            words += [f"trainer.max_epochs={given.epochs}", f"hydra.run.dir={place}/run"]
            held = train(words, given.epochs)
        runs = sorted(Path(place).glob("**/tensorboard"))
        events = sum(f.stat().st_size for run in runs for f in run.iterdir())
        checkpoints = sorted({f.name for f in Path(place).glob("**/*.ckpt")})
    if held is None:
        return 1
    half, fifth = len(held) // 2, len(held) // 5
    growth = max(held[half:]) - max(held[fifth:half], default=held[0])
    print(f"the second half needs {growth:+.1f} MiB more than the first (its first fifth aside)")
    print(f"event files {events / 2**20:.1f} MiB, checkpoints: {', '.join(checkpoints)}")
    return int(growth > LIMIT_MB)


if __name__ == "__main__":
    common.command(main)
