"""What a long run keeps in memory and on the disk: 2,000 batches, 200 evaluations.

python benchmarks/long_run.py [--epochs 200] [KEY=VALUE ...]

An epoch is ten batches, a look for collapse, a validation with samples, and both checkpoints. Exit
code 1 if the second half of the run needs more memory than the first by over 16 MiB. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = (
    "data.query=monteverdi",
    "trainer=cpu",
    "trainer.log_every_n_batches=1",
    "checkpoint.every=3",
    "model.hidden_size=16",
    "model.warm_start_epochs=10",
    "data.window=16",
    "collapse.every_n_batches=5",
    "collapse.n_windows=8",
    "samples.n_validation_windows=8",
    "samples.n_pieces=4",
    "samples.n_notes=64",
    "samples.show_every_n_epochs=5",
)
BATCHES = 10  # an epoch


def resident(process: int) -> float:
    """MiB that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Run it, and print a line for every twentieth of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=200)
    given, words = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as place:
        run = Path(place, "run")
        command = [sys.executable, "-m", "gan_music.train", *SMALL, *words]
        command += [f"trainer.max_epochs={given.epochs}", f"hydra.run.dir={run}"]
        command += [f"data.cache_dir={place}/cache", f"data.batch_size={_batch_size(place, words)}"]
        held: list[float] = []
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("epoch "):
                    held.append(resident(process.pid))
                    if len(held) % max(1, given.epochs // 20) == 0:
                        print(f"epoch {len(held):4}: {held[-1]:6.0f} MiB resident", flush=True)
        events = sum(f.stat().st_size for f in (run / "tensorboard").iterdir())
        checkpoints = sorted(f.name for f in (run / "checkpoints").iterdir())
    if process.returncode or len(held) < 10:
        return 1
    half, fifth = len(held) // 2, len(held) // 5
    growth = max(held[half:]) - max(held[fifth:half])
    print(f"{len(held) * BATCHES} batches, {len(held)} evaluations")
    print(f"the second half needs {growth:+.1f} MiB more than the first (its first fifth aside)")
    print(f"event files {events / 2**20:.1f} MiB, checkpoints: {', '.join(checkpoints)}")
    return int(growth > 16)


def _batch_size(place: str, words: list[str]) -> int:
    """How many windows make an epoch of ten batches."""
    command = [sys.executable, "-m", "gan_music.train", *SMALL, *words, "trainer.max_epochs=1"]
    command += [f"hydra.run.dir={place}/first", f"data.cache_dir={place}/cache", "report=false"]
    text = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    n_windows = int(text.partition(" training windows")[0].rsplit(" ", 1)[1])
    return -(-n_windows // BATCHES)


if __name__ == "__main__":
    sys.exit(main())
