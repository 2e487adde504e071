"""What a page says of runs: figures as text, curves as charts, pieces as pictures and sound."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gan_music.metrics.table import TITLES, number
from gan_music.notes import IntArray, Piece
from gan_music.page import charts, sounds
from gan_music.page.charts import Chart, Line
from gan_music.page.record import REAL, SAMPLES, Run, read_pieces

# family, figure, what it is, what is best
HEADLINE = (
    ("likeness", "oa_mean", "Overlap with real music", "1 is best"),
    ("judge", "accuracy", "A judge's accuracy", "0.5 is best"),
    ("quality", "precision", "Precision", "higher is better"),
    ("quality", "coverage", "Coverage", "higher is better"),
    ("originality", "longest_copied_run_95th", "Longest copied run", "notes; lower is better"),
)
VERDICTS = {
    "healthy": "the samples vary about as much as real music does",
    "narrow": "the samples vary less than real music does",
    "collapsed": "the samples hardly vary, or each is like the next",
}
NONE = "\N{EN DASH}"
SIGNS = {"higher": "higher", "lower": "lower", "0.5": "0.5", "reference": "as real"}
_SIDES = (("generated", "generated_95"), ("reference", "reference_95"), ("shuffled", ""))


@dataclass(frozen=True)
class Player:
    """A piece to look at and to hear."""

    name: str
    picture: str
    sound: str | None


@dataclass(frozen=True)
class Row:
    """A line of a table of measures: a text for each column."""

    name: str
    best: str
    cells: list[str]


@dataclass
class Numbered:
    """A run on a page: what it is called there, and the colour of its lines, from 1."""

    run: Run
    label: str
    colour: int
    real: list[Player] = field(default_factory=list)
    samples: list[Player] = field(default_factory=list)


def labels(folders: Sequence[Path]) -> list[str]:
    """What tells folders apart: the parts of their paths that they do not share at the front."""
    paths = [f.absolute() for f in folders]
    if len(paths) == 1:
        return ["/".join(paths[0].parts[-2:])]
    shared = Path(os.path.commonpath(paths))
    return [str(p.relative_to(shared)) if p != shared else p.name for p in paths]


def players(folder: Path, count: int) -> list[Player]:
    """The first pieces of a folder of MIDI files."""
    return [
        Player(name, sounds.picture_of(piece), sounds.sound_of(piece))
        for name, piece in read_pieces(folder, count)
        if len(piece)
    ]


def measures(runs: Sequence[Run]) -> list[tuple[str, list[Row]]]:
    """All figures by family: each run's, and the ceiling and the floors of the first that has any.

    With one run, intervals stand beside the figures.
    """
    measured = [r for r in runs if r.figures is not None]
    if not measured:
        return []
    families: dict[str, Any] = (measured[0].figures or {}).get("figures", {})
    return [
        (TITLES.get(family, family), [_row(family, name, f, measured) for name, f in rows.items()])
        for family, rows in families.items()
    ]


def _row(family: str, name: str, figure: dict[str, Any], runs: Sequence[Run]) -> Row:
    if len(runs) == 1:
        cells = [_interval(figure, *side) for side in _SIDES[:2]]
    else:
        cells = [text(r.figure(family, name)) for r in runs] + [text(figure.get("reference"))]
    cells += [text(figure.get(floor)) for floor in ("shuffled", "one_note")]
    return Row(name.replace("_", " "), SIGNS.get(str(figure.get("best")), ""), cells)


def text(value: Any) -> str:
    """A figure in three digits or so; a dash where it is undefined."""
    return number(float(value)) if isinstance(value, int | float) else NONE


def _interval(figure: dict[str, Any], side: str, bounds: str) -> str:
    low, high = (figure.get(bounds) or [None, None])[:2]
    value = text(figure.get(side))
    return value if low is None or high is None else f"{value} [{text(low)}, {text(high)}]"


def duration(seconds: Any) -> str:
    """Seconds as people say them."""
    if not isinstance(seconds, int | float):
        return NONE
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def warm_until(run: Run) -> int | None:
    """The last batch of the warm start, by the epochs that the curves tell of."""
    epochs = (run.config.get("model") or {}).get("warm_start_epochs")
    curve = run.curves.get("epoch")
    if not isinstance(epochs, int) or not epochs or curve is None:
        return None
    within = curve.steps[curve.values < epochs]
    return int(within[-1]) if len(within) else None


# title, note, (tag, label) ..., keywords of charts.curves
_OF_ONE: tuple[tuple[str, str, tuple[tuple[str, str], ...], dict[str, Any]], ...] = (
    (
        "Losses",
        "binary cross-entropy of both players",
        (("train/loss_d", "discriminator"), ("train/loss_g", "generator")),
        {"low": 0},
    ),
    (
        "Scores",
        "what the discriminator takes for real, 0 to 1",
        (
            ("train/score_real", "real music"),
            ("train/score_fake", "samples"),
            ("val/score_real", "validation music"),
        ),
        {"low": 0, "high": 1, "level": 0.5},
    ),
    (
        "Accuracy of the discriminator",
        "share that it tells rightly",
        (("train/accuracy_d", "discriminator"),),
        {"low": 0, "high": 1, "level": 0.5},
    ),
    (
        "Likelihood of real music",
        "negative log likelihood, nats an event",
        (("train/nll", "training"), ("val/nll", "validation")),
        {},
    ),
    (
        "Squared error of the next tone",
        "",
        (("train/squared_error", "training"), ("val/squared_error", "validation")),
        {"low": 0},
    ),
    (
        "Distance from validation music",
        "by which the best checkpoint is chosen; 0 is best",
        (("val/distance", "samples"),),
        {"low": 0},
    ),
    (
        "Likeness to validation music",
        "1 is best",
        (
            ("val/oa_mean", "overlap of features"),
            ("val/precision", "precision"),
            ("val/coverage", "coverage"),
        ),
        {"low": 0, "high": 1},
    ),
    (
        "Gradient norms",
        "before clipping",
        (("train/grad_norm_d", "discriminator"), ("train/grad_norm_g", "generator")),
        {"log": True},
    ),
    (
        "Learning rates",
        "",
        (("train/lr_d", "discriminator"), ("train/lr_g", "generator")),
        {"log": True},
    ),
)
_COLLAPSE = (
    (
        "Entropies of the samples",
        "as a share of real music's: 1 is as much",
        (
            ("collapse/entropy_pitch", "pitch"),
            ("collapse/entropy_duration", "duration"),
            ("collapse/entropy_offset", "offset"),
        ),
        {"low": 0, "level": 1.0},
    ),
    (
        "Variety of the samples",
        "as a share of real music's: 1 is as much",
        (
            ("collapse/n_pitches", "pitches in use"),
            ("collapse/distinct_pitch_4grams", "distinct 4-grams of pitch"),
            ("collapse/distinct_note_4grams", "distinct 4-grams of notes"),
            ("collapse/distance_between_samples", "distance between samples"),
        ),
        {"low": 0, "level": 1.0},
    ),
)
# tag, title, note, keywords
_OF_MANY: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("val/distance", "Distance from validation music", "0 is best", {"low": 0}),
    ("val/oa_mean", "Overlap with validation music", "1 is best", {"low": 0, "high": 1}),
    ("val/coverage", "Coverage of validation music", "1 is best", {"low": 0, "high": 1}),
    ("val/nll", "Likelihood of validation music", "nats an event; lower is better", {}),
    ("train/loss_d", "Loss of the discriminator", "", {"low": 0}),
    ("train/loss_g", "Loss of the generator", "", {"low": 0}),
    ("train/accuracy_d", "Accuracy of the discriminator", "", {"low": 0, "high": 1, "level": 0.5}),
    (
        "collapse/distance_between_samples",
        "Distance between samples",
        "as a share of real music's",
        {"low": 0, "level": 1.0},
    ),
)


def charts_of_one(run: Run, *, collapse: bool = False) -> list[Chart]:
    """The curves of one run that it has: of training, or of the watch for collapse."""
    found = []
    for title, note, tags, keywords in _COLLAPSE if collapse else _OF_ONE:
        lines = [
            Line(label, run.curves[tag], number)
            for number, (tag, label) in enumerate(tags, 1)
            if tag in run.curves
        ]
        if lines:
            found.append(
                charts.curves(title, lines, note=note, warm_until=warm_until(run), **keywords)
            )
    return found


def charts_of_many(runs: Sequence[Numbered]) -> list[Chart]:
    """One chart a quantity, one line a run."""
    found = []
    for tag, title, note, keywords in _OF_MANY:
        lines = [Line(r.label, r.run.curves[tag], r.colour) for r in runs if tag in r.run.curves]
        if lines:
            found.append(charts.curves(title, lines, note=note, **keywords))
    return found


def histograms(run: Run) -> list[Chart]:
    """Pitches, durations and offsets of the real excerpts and of as many samples."""
    sides = []
    for label, name in (("real music", REAL), ("samples", SAMPLES)):
        pieces = [p for _, p in read_pieces(run.folder / name, 16) if len(p)]
        if not pieces:
            return []
        sides.append((label, pieces))
    return [_pitches(sides), _values(sides, "duration"), _values(sides, "offset")]


def _pitches(sides: Sequence[tuple[str, list[Piece]]]) -> Chart:
    values = [np.concatenate([p.pitch for p in pieces]) for _, pieces in sides]
    low, high = (f(list(map(f, values))) for f in (min, max))
    shares = [
        (label, (np.bincount(v - low, minlength=high - low + 1) / len(v)).tolist())
        for (label, _), v in zip(sides, values, strict=True)
    ]
    names = [f"{'C C#D D#E F F#G G#A A#B '[p % 12 * 2 : p % 12 * 2 + 2].strip()}{p // 12 - 1}"
             for p in range(low, high + 1)]  # fmt: skip
    return charts.shares("Pitches", names, shares)


def _values(sides: Sequence[tuple[str, list[Piece]]], what: str, count: int = 10) -> Chart:
    grid = sides[0][1][0].grid
    steps: list[IntArray] = [
        np.concatenate([p.duration if what == "duration" else np.diff(p.onset) for p in pieces])
        for _, pieces in sides
    ]
    found, counts = np.unique(np.concatenate(steps), return_counts=True)
    kept = np.sort(found[np.argsort(-counts, kind="stable")[:count]])
    shares = []
    for (label, _), own in zip(sides, steps, strict=True):
        of_kept = [float((own == v).sum()) / max(1, len(own)) for v in kept]
        shares.append((label, [*of_kept, max(0.0, 1 - sum(of_kept))]))
    names = [_quarters(int(v), grid) for v in kept] + ["other"]
    note = "in quarter notes" + ("" if what == "duration" else ", from the note before")
    return charts.shares(f"{what.capitalize()}s", names, shares, note=note)


def _quarters(steps: int, grid: int) -> str:
    whole, part = divmod(Fraction(steps, grid), 1)
    return f"{whole or ''}{' ' if whole and part else ''}{part or ''}" or "0"


def numbered(runs: Sequence[Run]) -> list[Numbered]:
    """Runs with labels, and with colours in turn."""
    colours = itertools.cycle(range(1, charts.N_COLOURS + 1))
    names = labels([r.folder for r in runs])
    return [Numbered(r, n, c) for r, n, c in zip(runs, names, colours, strict=False)]
