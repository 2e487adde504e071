"""The report as a table that fits a screen of 100 columns."""

from __future__ import annotations

import textwrap

from gan_music.metrics.bootstrap import Estimate
from gan_music.metrics.evaluation import Report
from gan_music.metrics.reference_sets import Figure

WIDTH = 100

TITLES = {
    "likeness": "Likeness of distributions (MGEval): overlapped area, KL divergence",
    "judge": "A judge that tells generated from real (two-sample test); reference: null interval",
    "quality": "Quality and diversity apart",
    "pitch": "Pitch accuracy",
    "rhythm": "Rhythmic coherence",
    "harmony": "Harmonic progression",
    "diversity": "Diversity",
    "structure": "Structure",
    "originality": "Originality, against the training pieces",
}
_SIGNS = {"higher": "+", "lower": "-", "0.5": "0.5", "reference": "="}


def table(report: Report) -> str:
    """All figures, what was measured on what, and the verdict as the last line."""
    lines = [
        _line("figure", "best", "generated [95 %]", "reference [95 %]", "shuffled", "one note"),
        "-" * WIDTH,
    ]
    for family, figures in report.figure_groups.items():
        lines += [TITLES[family]]
        lines += [_row(name, figure) for name, figure in figures.items()]
        lines += [""]
    lines += [
        "best: + higher, - lower, 0.5 nearer to it, = nearer to the reference's value.",
        "reference: its halves against each other; shuffled: its notes in random order.",
        *(line for note in report.notes for line in textwrap.wrap(note, WIDTH)),
        "",
        f"verdict: {report.verdict or 'undefined, there are too few notes to tell'}",
    ]
    return "\n".join(lines)


def _row(name: str, figure: Figure) -> str:
    return _line(
        "  " + name,
        _SIGNS[figure.best],
        _estimate(figure.generated),
        _estimate(figure.reference),
        number(figure.shuffled),
        number(figure.one_note),
    )


def _line(*cells: str) -> str:
    widths = (35, 4, 22, 22, 9, 8)
    head, *rest = (
        c.ljust(w) if i == 0 else c.rjust(w)
        for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    )
    return head + "".join(rest)


def _estimate(e: Estimate) -> str:
    if e.value != e.value:
        return "NaN" + " " * 15
    interval = f"[{number(e.low)}, {number(e.high)}]" if e.low == e.low else " " * 14
    return f"{number(e.value)} {interval}"


def number(value: float) -> str:
    """Four characters or so: three figures, fewer decimals for larger numbers."""
    if value != value:
        return "NaN"
    size = abs(value)
    if size >= 9999.5:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    if size >= 99.95:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.9995 else f"{value:.3f}"
