"""Which curves and histograms a page draws, of one run or of several over each other."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from gan_music.music.piece import IntArray, Piece
from gan_music.page import charts
from gan_music.page.charts import Chart, Line
from gan_music.page.content import Numbered
from gan_music.page.record import REAL, SAMPLES, Run, read_pieces

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
                charts.curves(title, lines, note=note, warm_until=_warm_until(run), **keywords)
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


def _warm_until(run: Run) -> int | None:
    """The last batch of the warm start, by the epochs that the curves tell of."""
    epochs = (run.config.get("model") or {}).get("warm_start_epochs")
    curve = run.curves.get("epoch")
    if not isinstance(epochs, int) or not epochs or curve is None:
        return None
    within = curve.steps[curve.values < epochs]
    return int(within[-1]) if len(within) else None


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
    # each C is named
    names = ["" if p % 12 else f"C{p // 12 - 1}" for p in range(low, high + 1)]
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
    """Quarters as a mixed number, a fraction after a whole on a line of its own."""
    whole, part = divmod(Fraction(steps, grid), 1)
    if not part:
        return str(whole)
    return f"{whole}\n{part}" if whole else str(part)
