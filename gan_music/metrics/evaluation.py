"""The whole measure: generated pieces against a reference, each figure beside what it could be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from gan_music.metrics import collapse, figure_groups
from gan_music.metrics.excerpts import Sampled, sample
from gan_music.metrics.reference_sets import Figure, ReferenceSets, prepare
from gan_music.music.piece import Piece, lengths


@dataclass(frozen=True)
class Settings:
    """How much is looked at.

    Attributes
    ----------
    window, long_window : notes in a window.
    max_pieces, max_notes : pieces a side, and notes of each, at most.
    n_bootstrap : draws of halves behind an interval.
    n_neighbours : k of precision, recall, density and coverage.
    seed : of every draw.
    """

    window: int = 64
    long_window: int = 256
    max_pieces: int = 64
    max_notes: int = 400
    n_bootstrap: int = 200
    n_neighbours: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes
    ----------
    families : figures by the name of their family, and by their own.
    verdict : ``collapsed``, ``narrow``, ``healthy``, or None where there are too few notes to tell.
    collapse : the figures behind the verdict, relative to the reference's.
    notes : sentences about what was measured on what.
    seconds : how long each family took.
    """

    figure_groups: dict[str, dict[str, Figure]]
    verdict: str | None
    collapse: dict[str, float]
    notes: list[str]
    settings: Settings
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is undefined is null."""
        return {
            "verdict": self.verdict,
            "collapse": {k: _plain(v) for k, v in self.collapse.items()},
            "figures": {
                family: {
                    name: {
                        "best": f.best,
                        "generated": _plain(f.generated.value),
                        "generated_95": [_plain(f.generated.low), _plain(f.generated.high)],
                        "reference": _plain(f.reference.value),
                        "reference_95": [_plain(f.reference.low), _plain(f.reference.high)],
                        "shuffled": _plain(f.shuffled),
                        "one_note": _plain(f.one_note),
                    }
                    for name, f in figures.items()
                }
                for family, figures in self.figure_groups.items()
            },
            "notes": self.notes,
            "settings": vars(self.settings),
        }


def compare(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    training: Sequence[Piece] | None = None,
    settings: Settings | None = None,
) -> Report:
    """Every figure, of samples of equal size of both sides.

    The order of the pieces changes nothing. Figures for which there is too little music are NaN.

    Parameters
    ----------
    training : what the generator learned from; without it, originality is NaN.

    Raises
    ------
    ValueError
        If the pieces do not share one grid.
    """
    settings = settings or Settings()
    grids = {p.grid for p in chain(generated, reference, training or ())}
    if len(grids) > 1:
        raise ValueError(f"pieces with grids {sorted(grids)}, but they must share one")
    sampled = sample(
        generated,
        reference,
        max_pieces=settings.max_pieces,
        max_notes=settings.max_notes,
        long_window=settings.long_window,
        seed=settings.seed,
    )
    window = _window(sampled, settings.window)
    seconds: dict[str, float] = {}
    with _clock(seconds, "windows and features"):
        sides = prepare(
            sampled,
            window=window,
            long_window=settings.long_window,
            n_draws=settings.n_bootstrap,
            seed=settings.seed,
        )
    spans = (settings.window, settings.long_window)
    measures: dict[str, Callable[[], figure_groups.FigureGroup]] = {
        "likeness": lambda: figure_groups.likeness(sides),
        "judge": lambda: figure_groups.judge(sides, settings.seed),
        "quality": lambda: figure_groups.quality(sides, settings.n_neighbours),
        "pitch": lambda: figure_groups.pitch(sides),
        "rhythm": lambda: figure_groups.rhythmic(sides),
        "harmony": lambda: figure_groups.harmonic(sides),
        "diversity": lambda: figure_groups.diverse(sides),
        "structure": lambda: figure_groups.structural(sides, spans),
    }
    found = {}
    for name, measure in measures.items():
        with _clock(seconds, name):
            found[name] = measure()
    with _clock(seconds, "originality"):
        found["originality"], n_copied = figure_groups.without_copies(sides, training)
    ratios = collapse_ratios(sides)
    return Report(
        figure_groups=found,
        verdict=collapse.worst(ratios)[0],
        collapse=ratios,
        notes=_notes(generated, reference, training, sampled, sides, n_copied),
        settings=settings,
        seconds=seconds,
    )


def collapse_ratios(sides: ReferenceSets) -> dict[str, float]:
    """The collapse figures of equally many windows, or pieces where there are no windows."""
    sets = []
    for side in (sides.generated, sides.reference):
        length = side.windows.length
        windows = [
            p.cut(i, i + length) for p in side.pieces for i in range(0, len(p) - length + 1, length)
        ]
        sets.append(windows)
    if not all(sets):
        sets = [sides.generated.pieces, sides.reference.pieces]
    n = min(map(len, sets))
    ours, theirs = (
        collapse.collapse_figures([s[i] for i in np.linspace(0, len(s) - 1, n).astype(int)])
        for s in sets
    )
    return collapse.relative_to(ours, theirs)


def _window(sampled: Sampled, asked: int) -> int:
    """Notes in a window: as asked, but no more than a typical piece of either side holds."""
    sides = (sampled.generated, sampled.reference)
    if not all(sides):
        return asked
    typical = int(min(np.median([len(p) for p in side]) for side in sides))
    return max(1, min(asked, typical))


def _notes(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    training: Sequence[Piece] | None,
    sampled: Sampled,
    sides: ReferenceSets,
    n_copied: int,
) -> list[str]:
    n = sides.n_pieces
    notes = [
        f"{n} of {len(generated)} generated and {n} of {len(reference)} reference pieces"
        + (f", each cut to {sampled.n_notes} notes at most" if n else "")
        + (", longer ones at a random place." if _is_cut(sampled, generated, reference) else ".")
    ]
    n_windows = [len(side.windows) for side in (sides.generated, sides.reference)]
    if n and not all(n_windows):
        notes.append("Too few notes in a piece for windows of 8 notes: what needs them is NaN.")
    elif n:
        notes.append(
            f"Windows of {sides.reference.windows.length} notes: {n_windows[0]} generated, "
            f"{n_windows[1]} reference."
        )
    if n < 8:
        notes.append(f"{n} pieces a side are too few to say much: 32 and more are wanted.")
    if training is None:
        notes.append("No training pieces were given (train=DIR): originality is NaN.")
    else:
        notes.append(
            f"Training pieces: {len(training)}, of {lengths(training).sum():,} notes, all searched."
        )
        if n_copied:
            notes.append(
                f"{n_copied} of the {n} reference pieces stand in the training pieces: the "
                "reference's originality is not that of music held out."
            )
    return notes


def _is_cut(sampled: Sampled, *sets: Sequence[Piece]) -> bool:
    return any(len(p) > sampled.n_notes for side in sets for p in side)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


@contextmanager
def _clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
