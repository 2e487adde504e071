"""Evaluation of generated pieces against a reference: all figures, with ceiling and baselines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from gan_music.metrics import collapse, figure_groups
from gan_music.metrics.custom import PieceMetric, custom_figures
from gan_music.metrics.excerpts import Excerpts, sample_excerpts
from gan_music.metrics.figure_groups import FigureGroup
from gan_music.metrics.piece.rhythm import rhythm
from gan_music.metrics.piece.texture import texture
from gan_music.metrics.piece.tonality import tonality
from gan_music.metrics.reference_sets import Figure, ReferenceSets, prepare
from gan_music.metrics.verdict import Verdict, verdict
from gan_music.music.piece import Piece, lengths


@dataclass(frozen=True)
class EvaluationSettings:
    """How much music is compared.

    Attributes
    ----------
    window, long_window : notes in a window.
    max_pieces, max_notes : upper bounds of the pieces of each set, and of the notes of a piece.
    n_bootstrap : half-samples behind an interval.
    n_neighbours : k of precision, recall, density and coverage.
    seed : of all random draws.
    """

    window: int = 64
    long_window: int = 256
    max_pieces: int = 64
    max_notes: int = 400
    n_bootstrap: int = 200
    n_neighbours: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`evaluate`.

    Attributes
    ----------
    groups : figures by the name of their group and by their own name.
    verdict : how near it comes to the reference, and why (:mod:`.verdict`).
    variety : ``collapsed``, ``narrow``, ``varied`` or ``undefined``, and why.
    collapse : the figures behind the variety, divided by the reference's.
    notes : sentences about the amount of music and its limits.
    seconds : computing time of each group.
    """

    groups: dict[str, FigureGroup]
    verdict: Verdict
    variety: collapse.Variety
    collapse: dict[str, float]
    notes: list[str]
    settings: EvaluationSettings
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values; undefined figures are None."""
        return {
            "verdict": self.verdict.word,
            "verdict_reason": self.verdict.reason,
            "variety": self.variety.word,
            "variety_reason": self.variety.reason,
            "collapse": {k: _plain(v) for k, v in self.collapse.items()},
            "figures": {
                group: {name: _figure_as_json(f) for name, f in figures.items()}
                for group, figures in self.groups.items()
            },
            "notes": self.notes,
            "settings": vars(self.settings),
        }


def _figure_as_json(figure: Figure) -> dict[str, Any]:
    return {
        "best": figure.best,
        "generated": _plain(figure.generated.value),
        "generated_95": [_plain(figure.generated.low), _plain(figure.generated.high)],
        "reference": _plain(figure.reference.value),
        "reference_95": [_plain(figure.reference.low), _plain(figure.reference.high)],
        "shuffled": _plain(figure.shuffled),
        "one_note": _plain(figure.one_note),
    }


def evaluate(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    training: Sequence[Piece] | None = None,
    settings: EvaluationSettings | None = None,
    metrics: Mapping[str, PieceMetric] | None = None,
    only: Collection[str] | None = None,
) -> Evaluation:
    """All figures, of equally many pieces of both sets; the order of the pieces has no effect.

    Figures for which there is too little music are NaN.

    Parameters
    ----------
    training : what the generator was trained on; without it, originality is NaN.
    metrics : of a piece, from outside the package; their figures are the group ``custom``.
    only : the groups to compute, at least ``c2st`` and ``prdc``; None for all.

    Raises
    ------
    ValueError
        If the pieces have different grids.
    """
    settings = settings or EvaluationSettings()
    grids = {p.grid for p in chain(generated, reference, training or ())}
    if len(grids) > 1:
        raise ValueError(f"pieces must have the same grid, but have grids {sorted(grids)}")
    excerpts = sample_excerpts(
        generated,
        reference,
        max_pieces=settings.max_pieces,
        max_notes=settings.max_notes,
        long_window=settings.long_window,
        seed=settings.seed,
    )
    seconds: dict[str, float] = {}
    with _timed(seconds, "features"):
        sets = prepare(
            excerpts,
            window=_window(excerpts, settings.window),
            long_window=settings.long_window,
            n_draws=settings.n_bootstrap,
            seed=settings.seed,
        )
    groups = {}
    for name, compute in _groups(sets, settings, metrics or {}).items():
        if only is None or name in only:
            with _timed(seconds, name):
                groups[name] = compute()
    n_copied = 0
    if only is None or "originality" in only:
        with _timed(seconds, "originality"):
            groups["originality"], n_copied = figure_groups.originality_group(sets, training)
    ours, theirs = collapse_figures_of(sets)
    variety = collapse.variety(ours, theirs)
    return Evaluation(
        groups=groups,
        verdict=verdict(variety, groups),
        variety=variety,
        collapse=collapse.relative_to(ours, theirs),
        notes=_notes(generated, reference, training, excerpts, sets, n_copied),
        settings=settings,
        seconds=seconds,
    )


def _groups(
    sets: ReferenceSets, settings: EvaluationSettings, metrics: Mapping[str, PieceMetric]
) -> dict[str, Callable[[], FigureGroup]]:
    """All groups but originality, which needs the training pieces."""
    spans = (settings.window, settings.long_window)
    custom = partial(custom_figures, metrics=metrics)
    own = {"custom": lambda: figure_groups.piecewise_group(custom, sets)} if metrics else {}
    return {
        "mgeval": lambda: figure_groups.mgeval_group(sets),
        "c2st": lambda: figure_groups.c2st_group(sets, settings.seed),
        "prdc": lambda: figure_groups.prdc_group(sets, settings.n_neighbours),
        "pitch": lambda: figure_groups.piecewise_group(tonality, sets),
        "rhythm": lambda: figure_groups.piecewise_group(rhythm, sets),
        "harmony": lambda: figure_groups.harmony_group(sets),
        "voice_leading": lambda: figure_groups.voice_leading_group(sets),
        "texture": lambda: figure_groups.piecewise_group(texture, sets),
        "form": lambda: figure_groups.form_group(sets),
        "diversity": lambda: figure_groups.diversity_group(sets),
        "structure": lambda: figure_groups.structure_group(sets, spans),
    } | own


def collapse_figures_of(sets: ReferenceSets) -> tuple[dict[str, float], dict[str, float]]:
    """The collapse figures of equally many windows of the generated set and of the reference.

    Whole pieces are compared where a set has no window.
    """
    windows = []
    for one in (sets.generated, sets.reference):
        n = one.windows.length
        starts = ((p, i) for p in one.pieces for i in range(0, len(p) - n + 1, n))
        windows.append([p.cut(i, i + n) for p, i in starts])
    if not all(windows):
        windows = [sets.generated.pieces, sets.reference.pieces]
    n = min(map(len, windows))
    ours, theirs = (
        collapse.collapse_figures([w[i] for i in np.linspace(0, len(w) - 1, n).astype(int)])
        for w in windows
    )
    return ours, theirs


def _window(excerpts: Excerpts, wanted: int) -> int:
    """Notes in a window: the setting, but at most the smaller median length of both sets."""
    sets = (excerpts.generated, excerpts.reference)
    if not all(sets):
        return wanted
    typical = int(min(np.median([len(p) for p in pieces]) for pieces in sets))
    return max(1, min(wanted, typical))


def _notes(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    training: Sequence[Piece] | None,
    excerpts: Excerpts,
    sets: ReferenceSets,
    n_copied: int,
) -> list[str]:
    n = sets.n_pieces
    notes = [f"{n} of {len(generated)} generated and {n} of {len(reference)} reference pieces."]
    if any(len(p) > excerpts.n_notes for p in chain(generated, reference)) and n:
        notes.append(f"Longer pieces were cut to random excerpts of {excerpts.n_notes} notes.")
    n_windows = [len(s.windows) for s in (sets.generated, sets.reference)]
    if n and not all(n_windows):
        notes.append("The pieces are too short for windows of 8 notes: figures of windows are NaN.")
    elif n:
        notes.append(
            f"Windows of {sets.reference.windows.length} notes: {n_windows[0]} generated, "
            f"{n_windows[1]} reference."
        )
    if n < 8:
        notes.append(f"Figures of only {n} pieces are unreliable: use 32 or more.")
    if training is None:
        notes.append("No training pieces were given (train=DIR): originality is NaN.")
    else:
        notes.append(f"{len(training)} training pieces, of {lengths(training).sum():,} notes.")
        if n_copied:
            notes.append(
                f"{n_copied} of the {n} reference pieces are contained in the training pieces: the "
                "reference's originality is not that of held-out music."
            )
    return notes


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
