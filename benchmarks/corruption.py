"""How the figures of likeness rank music that was spoiled on purpose.

    python benchmarks/corruption.py FOLDER [SEED]

The folder's pieces are dealt into two sides of 64. One side, as it is and with its pitches
shuffled within each piece in 5, 25 and 100 % of the notes, is measured against the other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
from gan_music.metrics import figure_groups
from gan_music.metrics.excerpts import sample_excerpts
from gan_music.metrics.reference_sets import prepare
from gan_music.music.piece import Piece

FIGURES = (
    "oa_mean", "kl_mean", "accuracy", "accuracy_long_window", "precision", "recall",
    "density", "coverage", "frechet_distance",
)  # fmt: skip


def with_pitches_shuffled(piece: Piece, rate: float, seed: int) -> Piece:
    """That share of the notes gets each other's pitches."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(piece))[: round(rate * len(piece))]
    pitch = piece.pitch.copy()
    pitch[chosen] = pitch[rng.permutation(chosen)]
    return Piece.from_arrays(
        piece.onset, piece.duration, pitch, grid=piece.grid, meters=piece.meters
    )


def measured(generated: Sequence[Piece], reference: Sequence[Piece]) -> figure_groups.FigureGroup:
    """MGEval, C2ST and PRDC."""
    excerpts = sample_excerpts(
        generated, reference, max_pieces=64, max_notes=400, long_window=256, seed=0
    )
    sets = prepare(excerpts, window=64, long_window=256, n_draws=200, seed=0)
    return (
        figure_groups.mgeval_group(sets)
        | figure_groups.c2st_group(sets, 0)
        | figure_groups.prdc_group(sets, 5)
    )


def main() -> None:
    """The benchmark."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    cache = NoteCache(default_cache_dir(), 24)
    pieces = extract(find_sources(folder, ""), cache, min_notes=64).pieces
    order = np.random.default_rng(seed).permutation(len(pieces))
    ours, theirs = ([pieces[i] for i in order[k : k + 64]] for k in (0, 64))
    columns = {"real": measured(ours, theirs)}
    for rate in (0.05, 0.25, 1.0):
        spoiled = [with_pitches_shuffled(p, rate, seed) for p in ours]
        columns[f"{rate:.0%}"] = measured(spoiled, theirs)
    names = ("ceiling", *columns, "shuffled", "one note")
    print(f"{'':18}" + "".join(f"{name:>10}" for name in names))
    for name in FIGURES:
        real = columns["real"][name]
        values = [real.reference.value, *(c[name].generated.value for c in columns.values())]
        print(f"{name:18}" + "".join(f"{v:10.3f}" for v in [*values, real.shuffled, real.one_note]))


if __name__ == "__main__":
    main()
