"""An evaluation as a table of at most 100 columns."""

from __future__ import annotations

import textwrap

from gan_music.metrics.bootstrap import Estimate
from gan_music.metrics.evaluation import Evaluation
from gan_music.metrics.reference_sets import Figure

WIDTH = 100

TITLES = {
    "custom": "Metrics of your own",
    "mgeval": "MGEval: overlapped area (OA) and KL divergence of features",
    "c2st": "Classifier two-sample test (C2ST); reference: interval of the null hypothesis",
    "prdc": "Precision, recall, density, coverage (PRDC) and Fréchet distance",
    "pitch": "Pitch and tonality",
    "rhythm": "Rhythm",
    "harmony": "Harmony",
    "voice_leading": "Voice leading",
    "texture": "Texture: notes at once, and patterns that stay",
    "form": "Form: endings and phrases of whole pieces",
    "diversity": "Diversity",
    "structure": "Structure: repetition within a piece",
    "originality": "Originality: copies of training pieces",
}
# group, figure: what a run ends with, and what a sweep's runs are compared by
HEADLINE = (
    *(("mgeval", "oa_mean"), ("c2st", "accuracy"), ("prdc", "precision"), ("prdc", "coverage")),
    *(("diversity", "distinct_pitch_4grams"), ("originality", "longest_copied_run_95th")),
)
_SIGNS = {"higher": "+", "lower": "-", "0.5": "0.5", "reference": "="}


def table(evaluation: Evaluation) -> str:
    """All figures by group, the notes, and the verdict as the last line."""
    lines = [*_HEAD]
    for group, figures in evaluation.groups.items():
        lines += [TITLES[group]]
        lines += [_row(name, figure) for name, figure in figures.items()]
        lines += [""]
    lines += [
        "best: + higher, - lower, 0.5 nearer to 0.5, = nearer to the reference's value.",
        "reference: one half of it against the other; shuffled: its notes in random order.",
        *(line for note in evaluation.notes for line in textwrap.wrap(note, WIDTH)),
        f"variety: {_because(*evaluation.variety)}",
        "",
        _verdict(evaluation),
    ]
    return "\n".join(lines)


def summary(evaluation: Evaluation) -> str:
    """The main figures, those of custom metrics, and the verdict."""
    shown = [*HEADLINE, *(("custom", name) for name in evaluation.groups.get("custom", {}))]
    rows = [_row(name, evaluation.groups[group][name], group) for group, name in shown]
    return "\n".join([*_HEAD, *rows, "", _verdict(evaluation)])


def _verdict(evaluation: Evaluation) -> str:
    return f"verdict: {_because(*evaluation.verdict)}"


def _because(word: str, reason: str | None) -> str:
    return f"{word}{f': {reason}' if reason else ''}"


def _row(name: str, figure: Figure, group: str = " ") -> str:
    return _line(
        f"{group} {name}",
        _SIGNS[figure.best],
        _estimate(figure.generated),
        _estimate(figure.reference),
        format_figure(figure.shuffled),
        format_figure(figure.one_note),
    )


def _line(*cells: str) -> str:
    widths = (35, 4, 22, 21, 9, 9)
    head, *rest = (
        c.ljust(w) if i == 0 else c.rjust(w)
        for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    )
    return head + "".join(rest)


_HEAD = (
    _line("figure", "best", "generated [95 %]", "reference [95 %]", "shuffled", "one note"),
    "-" * WIDTH,
)


def _estimate(e: Estimate) -> str:
    if e.value != e.value:
        return "NaN" + " " * 15
    interval = " " * 14
    if e.low == e.low:
        interval = f"[{format_figure(e.low)}, {format_figure(e.high)}]"
    return f"{format_figure(e.value)} {interval}"


def format_figure(value: float) -> str:
    """About three significant digits, in at most five characters or so."""
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
