"""Line and bar charts as static SVG, drawn by matplotlib, with the colours of the page's CSS."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from gan_music.page.record import Curve

N_COLOURS = 8
_INK, _RULE, _BAND = "#00000a", "#00000b", "#00000c"
# a placeholder colour in matplotlib's output -> the CSS property that replaces it
_PROPERTIES = {_INK: "--muted", _RULE: "--rule", _BAND: "--band"} | {
    f"#0000c{i}": f"--c{i}" for i in range(1, N_COLOURS + 1)
}
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
_N_POINTS = 240  # of a line: longer curves are averaged
_STEPS = [1, 2, 2.5, 5, 10]  # between ticks
_SIZE = (4.3, 2.5)  # inches of 72 px, about the width of a phone
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gan_music",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _RULE,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _RULE,
    "path.simplify_threshold": 0.5,
}
_numbers = itertools.count()


@dataclass(frozen=True)
class Line:
    """A labelled curve; colours are numbered from 1."""

    label: str
    curve: Curve
    colour: int


@dataclass(frozen=True)
class Chart:
    """A picture, and its title and legend, which are HTML."""

    title: str
    note: str
    legend: list[tuple[int, str, str]] = field(default_factory=list)  # colour, label, last value
    svg: str = ""

    @property
    def description(self) -> str:
        """A text alternative for screen readers."""
        ends = "; ".join(f"{label} ends at {value}" for _, label, value in self.legend if value)
        return f"{self.title}. {ends}." if ends else self.title


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    note: str = "",
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
    warm_until: int | None = None,
    level: float | None = None,
) -> Chart:
    """Curves against batches.

    Parameters
    ----------
    log : use a logarithmic scale, if all values are positive.
    low, high : values that the axis includes.
    warm_until : the last batch of the warm start, which is shaded.
    level : a value marked by a horizontal line.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]  # keys of matplotlib's own
        figure, axis = _figure()
        if warm_until:
            axis.axvspan(0, warm_until, color=_BAND, linewidth=0)
        if level is not None:
            axis.axhline(level, color=_INK, linewidth=0.8, linestyle=(0, (2, 2)))
        for line in lines:
            steps, values = _thinned(line.curve)
            axis.plot(
                steps,
                values,
                color=f"#0000c{line.colour}",
                linestyle=_DASHES[(line.colour - 1) // 4 % len(_DASHES)],
                linewidth=1.7,
                marker="o" if len(steps) == 1 else None,
                solid_capstyle="round",
                solid_joinstyle="round",
            )
        if log and all((line.curve.values > 0).all() for line in lines):
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter(NullFormatter())
        else:
            _include(axis, low, high)
            axis.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.xaxis.set_major_formatter(FuncFormatter(_batches))
        axis.set_xlabel("batches")
        svg = _svg(figure)
    legend = [(x.colour, x.label, short(float(x.curve.values[-1]))) for x in lines]
    return Chart(title, note, legend, svg)


def bar_chart(
    title: str,
    names: Sequence[str],
    histograms: Sequence[tuple[str, Sequence[float]]],
    *,
    note: str = "",
) -> Chart:
    """Labelled histograms as adjacent bars; an empty name has no tick."""
    with rc_context(_STYLE):  # type: ignore[arg-type]  # keys of matplotlib's own
        figure, axis = _figure()
        width = 0.8 / len(histograms)
        for number, (_, values) in enumerate(histograms):
            at = np.arange(len(names)) - 0.4 + width * (number + 0.5)
            axis.bar(at, [100 * v for v in values], width=width, color=f"#0000c{number + 1}")
        ticks = [i for i, name in enumerate(names) if name]
        axis.set_xticks(ticks, [names[i] for i in ticks])
        axis.set_xlim(-0.6, len(names) - 0.4)
        axis.set_ylabel("% of notes")
        axis.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        svg = _svg(figure)
    return Chart(title, note, [(i + 1, label, "") for i, (label, _) in enumerate(histograms)], svg)


def short(value: float) -> str:
    """A value in about three significant digits."""
    if value == 0 or 0.001 <= abs(value) < 10_000:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    figure.patch.set_visible(False)
    axis = figure.subplots()
    axis.patch.set_visible(False)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.grid(axis="y", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    return figure, axis


def _thinned(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    if len(curve.steps) <= _N_POINTS:
        return curve.steps, curve.values
    parts = np.linspace(0, len(curve.steps), _N_POINTS + 1).astype(int)[:-1]
    sizes = np.diff([*parts, len(curve.steps)])
    return tuple(np.add.reduceat(x, parts) / sizes for x in (curve.steps, curve.values))  # type: ignore[return-value]


def _include(axis: Axes, low: float | None, high: float | None) -> None:
    bottom, top = axis.get_ylim()
    axis.set_ylim(
        bottom if low is None else min(low, bottom if bottom < low else low),
        top if high is None else max(high, top if top > high else high),
    )


def _batches(value: float, _: object = None) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _svg(figure: Figure) -> str:
    """The figure's ``<svg>`` with ids that are unique on the page, and the page's colours."""
    file = io.StringIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    prefix = f"k{next(_numbers)}-"
    text = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' * (m[1] in used), text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    text = re.sub(r'(xlink:)?href="#', f'href="#{prefix}', text)
    text = re.sub(r"<svg[^>]*(viewBox=\"[^\"]*\")[^>]*>", r'<svg \1 aria-hidden="true">', text)
    for colour, name in _PROPERTIES.items():
        text = text.replace(colour, f"var({name})")
    text = re.sub(r"font:\s*([\d.]+)px[^;\"]*", r"font-size: \1px", text)
    return re.sub(r"<!--.*?-->\s*|\n\s*", " ", text, flags=re.DOTALL)
