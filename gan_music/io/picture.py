"""Notes -> a picture: piano rolls, one above the other on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gan_music.files import replacing
from gan_music.notes import Piece

_OCTAVES = np.arange(12, 128, 12)


def draw_piano_rolls(pieces: Sequence[tuple[str, Piece]], path: Path, *, beats: int = 32) -> None:
    """Draw titled pieces as piano rolls, the first ``beats`` quarters of each, into a PNG.

    A faint line for each quarter, a darker one for every fourth; pitches are named by octave. All
    rolls share the range of pitches that occur in any of them.
    """
    figure = Figure(figsize=(12, 1.9 * len(pieces) + 0.4), layout="constrained")
    axes = figure.subplots(len(pieces), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    pitches = np.concatenate([p.pitch for _, p in pieces])
    for axis, (title, piece) in zip(axes, pieces, strict=True):
        start = int(piece.onset[0]) // piece.grid * piece.grid
        onset = (piece.onset - start) / piece.grid
        boxes = [
            Rectangle((o, p - 0.45), d * 0.94, 0.9)
            for o, d, p in zip(onset, piece.duration / piece.grid, piece.pitch, strict=True)
            if o < beats
        ]
        axis.add_collection(PatchCollection(boxes, facecolor="#2b5b84", linewidth=0))
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_xticks(np.arange(0, beats + 1, 4))
        axis.set_xticks(np.arange(0, beats + 1), minor=True)
        axis.grid(axis="x", which="minor", color="#e6e6e6", linewidth=0.5)
        axis.grid(axis="x", which="major", color="#aaaaaa", linewidth=0.8)
        axis.set_yticks(_OCTAVES, [f"C{p // 12 - 1}" for p in _OCTAVES])
        axis.grid(axis="y", color="#cccccc", linewidth=0.5)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8, which="both", length=0)
    axes[0].set_xlim(0, beats)
    axes[0].set_ylim(pitches.min() - 2, pitches.max() + 2)
    axes[-1].set_xlabel("quarter notes", fontsize=8)
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=100)
