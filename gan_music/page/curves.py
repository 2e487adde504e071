"""Which charts a page has: logged scalars of one run or of several, and histograms of notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_music.music.piece import Piece, attribute, quarters
from gan_music.page import charts
from gan_music.page.charts import Chart, Line
from gan_music.page.content import LabelledRun
from gan_music.page.record import REAL, SAMPLES, Run, read_pieces

# title, note, (tag, label) ..., keywords of charts.line_chart
_TRAINING: tuple[tuple[str, str, tuple[tuple[str, str], ...], dict[str, Any]], ...] = (
    (
        "Losses",
        "adversarial loss of both networks",
        (("train/loss_d", "discriminator"), ("train/loss_g", "generator")),
        {"low": 0},
    ),
    (
        "Scores",
        "the discriminator's probability of being real",
        (
            ("train/score_real", "real music"),
            ("train/score_fake", "samples"),
            ("val/score_real", "validation music"),
        ),
        {"low": 0, "high": 1, "level": 0.5},
    ),
    (
        "Accuracy of the discriminator",
        "share of windows that are classified correctly",
        (("train/accuracy_d", "discriminator"),),
        {"low": 0, "high": 1, "level": 0.5},
    ),
    (
        "Logits",
        "the discriminator's mean output",
        (
            ("train/logit_real", "real music"),
            ("train/logit_fake", "samples"),
            ("val/logit_real", "validation music"),
        ),
        {"level": 0.0},
    ),
    (
        "Wasserstein distance and gradient penalty",
        "as the critic estimates it; the penalty is weighted",
        (("train/wasserstein_distance", "distance"), ("train/penalty_d", "penalty")),
        {"low": 0},
    ),
    (
        "Likelihood of real music",
        "negative log-likelihood, nats per event",
        (("train/nll", "training"), ("val/nll", "validation")),
        {},
    ),
    (
        "Squared error of the next note",
        "",
        (("train/squared_error", "training"), ("val/squared_error", "validation")),
        {"low": 0},
    ),
    (
        "Distance from validation music",
        "selects the best checkpoint; 0 is best",
        (("val/distance", "samples"),),
        {"low": 0},
    ),
    (
        "Similarity to validation music",
        "1 is best",
        (
            ("val/oa_mean", "overlapped area (MGEval)"),
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
        "relative to real music",
        (
            ("collapse/entropy_pitch", "pitch"),
            ("collapse/entropy_duration", "duration"),
            ("collapse/entropy_offset", "offset"),
        ),
        {"low": 0, "level": 1.0},
    ),
    (
        "Variety of the samples",
        "relative to real music",
        (
            ("collapse/n_pitches", "different pitches"),
            ("collapse/distinct_pitch_4grams", "distinct 4-grams of pitch"),
            ("collapse/distinct_note_4grams", "distinct 4-grams of notes"),
            ("collapse/distance_between_samples", "distance between samples"),
        ),
        {"low": 0, "level": 1.0},
    ),
)
# tag, title, note, keywords
_COMPARISON: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("val/distance", "Distance from validation music", "0 is best", {"low": 0}),
    ("val/oa_mean", "Overlapped area with validation music", "1 is best", {"low": 0, "high": 1}),
    ("val/coverage", "Coverage of validation music", "1 is best", {"low": 0, "high": 1}),
    ("val/nll", "NLL of validation music", "nats per event; lower is better", {}),
    ("train/loss_d", "Loss of the discriminator", "", {"low": 0}),
    ("train/loss_g", "Loss of the generator", "", {"low": 0}),
    ("train/accuracy_d", "Accuracy of the discriminator", "", {"low": 0, "high": 1, "level": 0.5}),
    (
        "collapse/distance_between_samples",
        "Distance between samples",
        "relative to real music",
        {"low": 0, "level": 1.0},
    ),
)


def run_charts(run: Run, *, collapse: bool = False) -> list[Chart]:
    """The training curves of one run, or its collapse figures; charts without data are omitted."""
    found = []
    for title, note, tags, keywords in _COLLAPSE if collapse else _TRAINING:
        lines = [
            Line(label, run.curves[tag], number)
            for number, (tag, label) in enumerate(tags, 1)
            if tag in run.curves
        ]
        if lines:
            found.append(
                charts.line_chart(title, lines, note=note, warm_until=_warm_until(run), **keywords)
            )
    return found


def comparison_charts(runs: Sequence[LabelledRun]) -> list[Chart]:
    """One chart per scalar, one curve per run."""
    found = []
    for tag, title, note, keywords in _COMPARISON:
        lines = [Line(r.label, r.run.curves[tag], r.colour) for r in runs if tag in r.run.curves]
        if lines:
            found.append(charts.line_chart(title, lines, note=note, **keywords))
    return found


def _warm_until(run: Run) -> int | None:
    """The last batch of the warm start, from the logged epochs."""
    epochs = (run.config.get("model") or {}).get("warm_start_epochs")
    curve = run.curves.get("epoch")
    if not isinstance(epochs, int) or not epochs or curve is None:
        return None
    within = curve.steps[curve.values < epochs]
    return int(within[-1]) if len(within) else None


def note_histograms(run: Run) -> list[Chart]:
    """Histograms of pitch, duration and offset of the real excerpts and of as many samples."""
    sets = []
    for label, name in (("real music", REAL), ("samples", SAMPLES)):
        pieces = [p for _, p in read_pieces(run.folder / name, 16) if len(p)]
        if not pieces:
            return []
        sets.append((label, pieces))
    return [_pitches(sets), _values(sets, "duration"), _values(sets, "offset")]


def _pitches(sets: Sequence[tuple[str, list[Piece]]]) -> Chart:
    values = [attribute(pieces, "pitch") for _, pieces in sets]
    low, high = (f(list(map(f, values))) for f in (min, max))
    shares = [
        (label, (np.bincount(v - low, minlength=high - low + 1) / len(v)).tolist())
        for (label, _), v in zip(sets, values, strict=True)
    ]
    # only the Cs have ticks
    names = ["" if p % 12 else f"C{p // 12 - 1}" for p in range(low, high + 1)]
    return charts.bar_chart("Pitches", names, shares)


def _values(sets: Sequence[tuple[str, list[Piece]]], what: str, count: int = 10) -> Chart:
    """The ``count`` most frequent durations or offsets, and the share of all others."""
    grid = sets[0][1][0].grid
    steps = [attribute(pieces, what) for _, pieces in sets]
    found, counts = np.unique(np.concatenate(steps), return_counts=True)
    kept = np.sort(found[np.argsort(-counts, kind="stable")[:count]])
    shares = []
    for (label, _), own in zip(sets, steps, strict=True):
        of_kept = [float((own == v).sum()) / max(1, len(own)) for v in kept]
        shares.append((label, [*of_kept, max(0.0, 1 - sum(of_kept))]))
    names = [quarters(int(v), grid) for v in kept] + ["other"]
    note = "in quarter notes" + ("" if what == "duration" else ", from the previous note")
    return charts.bar_chart(f"{what.capitalize()}s", names, shares, note=note)
