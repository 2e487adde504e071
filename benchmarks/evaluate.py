"""Seconds that each family of figures takes, on real music.

    python benchmarks/evaluate.py FOLDER [N_PIECES]

The folder's pieces are dealt into two sides of 64 (or N_PIECES) excerpts of 400 notes; all of them
are training music. Reading is not counted.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
from gan_music.metrics.evaluation import EvaluationSettings, evaluate


def main() -> None:
    """The benchmark."""
    folder, n_pieces = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 64
    cache = NoteCache(default_cache_dir(), 24)
    pieces = extract(find_sources(folder, ""), cache, min_notes=400).pieces
    order = np.random.default_rng(0).permutation(len(pieces))
    shuffled = [pieces[i] for i in order]
    sides = [shuffled[i::2][:n_pieces] for i in (0, 1)]
    start, cpu = time.perf_counter(), time.process_time()
    report = evaluate(*sides, pieces, EvaluationSettings(max_pieces=n_pieces))
    for name, seconds in report.seconds.items():
        print(f"{name:22}{seconds:6.2f} s")
    print(
        f"{'all':22}{time.perf_counter() - start:6.2f} s, {time.process_time() - cpu:.2f} s of "
        f"processor time: {n_pieces} pieces a side, {sum(map(len, pieces)):,} training notes"
    )


if __name__ == "__main__":
    main()
