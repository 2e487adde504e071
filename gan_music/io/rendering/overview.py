"""Draws an overview of a data set: histograms of pitches, durations, offsets and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from gan_music.music.piece import Piece, attribute, quarters
from gan_music.system.atomic_files import atomic_write

_COLOUR = "#2b5b84"
_N_VALUES = 16


def draw_overview(pieces: Sequence[Piece], path: Path, *, title: str) -> None:
    """Draw four histograms of pieces with one grid into a PNG.

    Three show the share of notes by pitch, by duration and by offset from the note before (0 within
    a chord); durations and offsets have one bar for all but the most frequent values. The fourth
    shows the number of pieces by length.
    """
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    figure.suptitle(f"{title}\n", fontsize=11, x=0.01, ha="left", parse_math=False)
    axes = figure.subplots(2, 2)
    grid = pieces[0].grid
    _draw_pitches(axes[0, 0], attribute(pieces, "pitch"))
    _draw_values(axes[0, 1], attribute(pieces, "duration"), grid, "durations in quarter notes")
    title = "offsets from the note before, in quarter notes"
    _draw_values(axes[1, 0], attribute(pieces, "offset"), grid, title)
    _draw_lengths(axes[1, 1], np.array([len(p) for p in pieces]))
    for axis in axes.flat:
        axis.grid(axis="y", color="#e0e0e0", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8, length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=100)


def _draw_pitches(axis: Axes, pitch: np.ndarray) -> None:
    counts = np.bincount(pitch, minlength=128) / len(pitch)
    axis.bar(np.arange(128), counts, width=0.9, color=_COLOUR)
    octaves = np.arange(0, 128, 12)
    axis.set_xticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    axis.set_xlim(pitch.min() - 1.5, pitch.max() + 1.5)
    _share_of_notes(axis, "pitches")


def _draw_values(axis: Axes, steps: np.ndarray, grid: int, title: str) -> None:
    """Bars for the most frequent values, in ascending order, and one bar for all others."""
    values, counts = np.unique(steps, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:_N_VALUES])
    shares = [*(counts[kept] / max(1, len(steps)))]
    labels = [quarters(int(v), grid) for v in values[kept]]
    colours = [_COLOUR] * len(kept)
    if len(values) > len(kept):
        shares.append(1 - sum(shares))
        labels.append(f"{len(values) - len(kept)}\nothers")
        colours.append("#a9b8c4")
    axis.bar(np.arange(len(shares)), shares, width=0.8, color=colours)
    axis.set_xticks(np.arange(len(shares)), labels)
    _share_of_notes(axis, title)


def _draw_lengths(axis: Axes, lengths: np.ndarray) -> None:
    bins = np.geomspace(lengths.min(), max(lengths.max() + 1, 1.1 * lengths.min()), 25)
    axis.hist(lengths, bins=bins.tolist(), color=_COLOUR, rwidth=0.92)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_title("lengths of pieces in notes", fontsize=9, loc="left")
    axis.set_ylabel("pieces", fontsize=8)


def _share_of_notes(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=9, loc="left")
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_ylabel("notes", fontsize=8)
