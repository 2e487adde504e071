"""What a sweep's process keeps in memory after each of its jobs.

    python benchmarks/sweep_memory.py -m seed=1,2,3,4,5 trainer.max_epochs=1 hydra.sweep.dir=DIR

takes what ``python -m gan_music.train`` takes, and prints MiB resident after each job. Linux only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gan_music.training.run
from gan_music.train import main

_train = gan_music.training.run.train


def train(config: Any) -> float:
    """A job, and a line for it."""
    value = _train(config)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(f"resident MiB: {pages * os.sysconf('SC_PAGE_SIZE') / 2**20:.0f}", flush=True)
    return value


if __name__ == "__main__":
    gan_music.training.run.train = train
    main()
