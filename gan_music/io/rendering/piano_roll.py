"""Draws piano rolls with bars and beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gan_music.music.bars import Bar, bars_until
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import atomic_write

_COLOUR = "#2b5b84"
_BARLINE, _BEAT, _OCTAVE, _BLACK_KEY = "#8a8a8a", "#e0e0e0", "#c4c4c4", "#f4f4f4"
_OCTAVES = np.arange(0, 128, 12)
_BLACK_KEYS = (1, 3, 6, 8, 10)
_ROW = 32  # quarter notes per row of a whole piece; a longer bar has its own row
_MAX_ROWS = 40


class _Scale(NamedTuple):
    """The pitch range of all rolls in a picture, and their colours if velocities differ."""

    low: int
    high: int
    colours: ScalarMappable | None

    @property
    def height(self) -> float:
        """Height of one roll in inches."""
        return float(np.clip(0.042 * (self.high - self.low), 1.0, 3.2))


def draw_piano_rolls(
    pieces: Sequence[tuple[str, Piece]], path: Path, *, beats: int = 32, width: float = 12
) -> None:
    """Draw titled pieces as piano rolls, one above the other, into a PNG.

    Each roll begins with the bar of its first note. Bars have numbered lines, beats fainter ones.
    The rows of black keys are shaded and each C is labelled. All rolls share one range of pitches
    and one of velocities, where louder is darker. If all velocities are equal, there is one colour.

    Parameters
    ----------
    beats : quarter notes per roll.
    width : width in inches of 100 pixels.
    """
    shown = []
    for title, piece in pieces:
        start = int(piece.onset[0] - piece.bars()[1][0]) if len(piece) else 0
        shown.append((title, piece, start, start + beats * piece.grid))
    scale = _scale([_between(piece, start, stop) for _, piece, start, stop in shown])
    figure, axes = _figure(len(shown), scale, width)
    for axis, (title, piece, start, stop) in zip(axes, shown, strict=True):
        bars = [b for b in bars_until(piece, stop) if b.stop > start]
        _draw(axis, piece, bars, start, stop, scale)
        axis.set_xlim(0, beats)
        axis.set_title(title, fontsize=9, loc="left", parse_math=False)
    _save(figure, axes, scale, path)


def draw_piece(piece: Piece, path: Path) -> None:
    """Draw a whole piece into a PNG: a piano roll in rows of bars, like the systems of a score.

    Lines and colours are those of :func:`draw_piano_rolls`. At most forty rows are drawn; if the
    piece is longer, the title says so.
    """
    end = int((piece.onset + piece.duration).max(initial=1))
    bars = bars_until(piece, end)
    rows = _rows(bars, _ROW * piece.grid)
    shown = rows[:_MAX_ROWS]
    stops = [row[-1].stop for row in shown]
    scale = _scale([_between(piece, 0, int(stops[-1]))])
    figure, axes = _figure(len(shown), scale)
    widest = max(row[-1].stop - row[0].start for row in shown)
    before: Bar | None = None
    for axis, row in zip(axes, shown, strict=True):
        _draw(axis, piece, row, int(row[0].start), int(row[-1].stop), scale, before)
        before = row[-1]
        axis.set_xlim(0, float(widest / piece.grid))
    title = f"{piece.name or 'piece'}, {piece.tempo:.0f} quarter notes a minute"
    if len(rows) > len(shown):
        title += f": bars {shown[0][0].number} to {shown[-1][-1].number} of {bars[-1].number}"
    axes[0].set_title(title, fontsize=9, loc="left", parse_math=False)
    _save(figure, axes, scale, path)


def _rows(bars: Sequence[Bar], steps: int) -> list[list[Bar]]:
    """Bars in rows of at most ``steps`` steps. A longer bar has its own row."""
    rows: list[list[Bar]] = []
    for bar in bars:
        if rows and bar.stop - rows[-1][0].start <= steps:
            rows[-1].append(bar)
        else:
            rows.append([bar])
    return rows


def _between(piece: Piece, start: int, stop: int) -> Piece:
    """The notes from the first to the last that sounds between two steps."""
    sounding = np.flatnonzero((piece.onset < stop) & (piece.onset + piece.duration > start))
    return piece.cut(int(sounding[0]), int(sounding[-1]) + 1) if len(sounding) else piece.cut(0, 0)


def _scale(pieces: Sequence[Piece]) -> _Scale:
    pitches = np.concatenate([p.pitch for p in pieces])
    velocities = np.concatenate([p.velocity for p in pieces])
    if not len(pitches):
        return _Scale(58, 74, None)
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    if high - low < 16:  # at least an octave
        low, high = low - (16 - high + low) // 2, high + (17 - high + low) // 2
    colours = None
    if velocities.min() < velocities.max():
        colours = ScalarMappable(Normalize(velocities.min(), velocities.max()), _louder_is_darker())
    return _Scale(low, high, colours)


def _louder_is_darker() -> Colormap:
    """Viridis without its palest end: perceptually uniform, and safe for colour-blind readers."""
    return ListedColormap(matplotlib.colormaps["viridis_r"](np.linspace(0.12, 1, 256)))


def _figure(n_rolls: int, scale: _Scale, width: float = 12) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, (scale.height + 0.45) * n_rolls + 0.4), layout="constrained")
    axes = figure.subplots(n_rolls, 1, squeeze=False)[:, 0]
    return figure, list(axes)


def _draw(
    axis: Axes,
    piece: Piece,
    bars: Sequence[Bar],
    start: int,
    stop: int,
    scale: _Scale,
    before: Bar | None = None,
) -> None:
    """Draw one roll from ``start`` to ``stop`` in steps. Its axis is in quarter notes.

    The first meter is labelled if it differs from that of the bar ``before``.
    """

    def quarters(step: int | Fraction) -> float:
        return float(step - start) / piece.grid

    width = quarters(stop)
    for pitch in range(scale.low, scale.high + 1):
        if pitch % 12 in _BLACK_KEYS:
            axis.add_patch(
                Rectangle((0, pitch - 0.5), width, 1, facecolor=_BLACK_KEY, linewidth=0, zorder=0)
            )
    octaves = [p for p in _OCTAVES if scale.low <= p <= scale.high]
    axis.hlines([p - 0.5 for p in octaves], 0, width, colors=_OCTAVE, linewidth=0.6, zorder=1)
    axis.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    ends = (scale.low - 0.5, scale.high + 0.5)
    beats = [b for bar in bars for b in bar.beats(piece.grid)[1:] if start <= b <= stop]
    axis.vlines([quarters(b) for b in beats], *ends, colors=_BEAT, linewidth=0.6, zorder=1)
    lines = [b.start for b in bars if b.start >= start] + [b.stop for b in bars if b.stop <= stop]
    places = sorted({quarters(b) for b in lines})
    axis.vlines(places, *ends, colors=_BARLINE, linewidth=0.9, zorder=2, clip_on=False)
    _label_bars(axis, bars, quarters, width)
    _label_meters(axis, bars, quarters, before)
    axis.set_ylim(*ends)
    axis.tick_params(labelsize=8, length=0)
    axis.spines[:].set_visible(False)

    part = _between(piece, start, stop)
    boxes = []
    for onset, duration, pitch in part.notes():
        left, right = max(0.0, quarters(onset)), min(width, quarters(onset + duration))
        # A gap separates repeated notes.
        boxes.append(
            Rectangle((left, pitch - 0.45), max(0.6 * (right - left), right - left - 0.06), 0.9)
        )
    colour: Any = _COLOUR if scale.colours is None else scale.colours.to_rgba(part.velocity)
    # Snapping to whole pixels would make some notes thicker than others.
    notes = PatchCollection(boxes, facecolor=colour, linewidth=0, zorder=3, snap=False)
    axis.add_collection(notes)


def _label_bars(
    axis: Axes, bars: Sequence[Bar], quarters: Callable[[int | Fraction], float], width: float
) -> None:
    """Number the bars below their lines, as many as fit."""
    every = next(n for n in (1, 2, 4, 5, 10, 20, 50, 100) if len(bars) / n <= 24 or n == 100)
    named = [b for i, b in enumerate(bars) if i % every == 0 and 0 <= quarters(b.start) < width]
    axis.set_xticks([quarters(b.start) for b in named], [str(b.number) for b in named])


def _label_meters(
    axis: Axes,
    bars: Sequence[Bar],
    quarters: Callable[[int | Fraction], float],
    before: Bar | None,
) -> None:
    """Label each meter at its first bar."""
    for bar in bars:
        if before is None or bar[-2:] != before[-2:]:
            axis.annotate(
                f"{bar.numerator}/{bar.denominator}",
                (max(0.0, quarters(bar.start)), 1),
                (3, -2),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                fontsize=7,
                color="#606060",
                va="top",
                zorder=4,
            )
        before = bar


def _save(figure: Figure, axes: Sequence[Axes], scale: _Scale, path: Path) -> None:
    axes[-1].set_xlabel("bar", fontsize=8, loc="left")
    if scale.colours is not None:
        shrink = min(1.0, 4 / figure.get_figheight())
        bar = figure.colorbar(
            scale.colours, ax=list(axes), pad=0.01, aspect=30, shrink=shrink, anchor=(0, 1)
        )
        bar.set_label("velocity", fontsize=8)
        bar.ax.tick_params(labelsize=8, length=0)
        bar.outline.set_visible(False)
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=100)
