"""What the verdict says of real music against other real music.

    python benchmarks/verdicts.py FOLDER

For each size, 400 random pairs of sets of the folder's pieces, no piece in both: how often each
verdict falls, and how low each figure came relative to the other set's.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
from gan_music.metrics.collapse import THRESHOLDS, collapse_figures, relative_to, worst
from gan_music.music.piece import windows

WINDOW = 64
# pieces a side, windows of each
SIZES = ((2, 4), (4, 2), (4, 4), (8, 1), (8, 2), (16, 1), (16, 2), (16, 4), (32, 1))


def main() -> None:
    """The benchmark."""
    cache = NoteCache(default_cache_dir(), 24)
    pieces = extract(find_sources(Path(sys.argv[1]), ""), cache, min_notes=WINDOW).pieces
    for n_pieces, n_each in SIZES:
        verdicts: Counter[str | None] = Counter()
        lowest = dict.fromkeys(THRESHOLDS, np.inf)
        for seed in range(400):
            order = np.random.default_rng(seed).permutation(len(pieces))
            sides = [
                [w for i in part for w in windows([pieces[i]], WINDOW, n_each)]
                for part in (order[:n_pieces], order[n_pieces : 2 * n_pieces])
            ]
            n = min(map(len, sides))
            ratios = relative_to(*(collapse_figures(side[:n]) for side in sides))
            verdicts[worst(ratios)[0]] += 1
            lowest = {k: min(v, ratios[k]) for k, v in lowest.items()}
        print(f"{n_pieces} pieces of {n_each} windows: {dict(verdicts)}")
        print("  lowest: " + ", ".join(f"{k} {v:.2f}" for k, v in lowest.items()))


if __name__ == "__main__":
    main()
