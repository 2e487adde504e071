"""Runs ranked by validation distance; runs that differ only in their seed form one row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan_music.config.validate import flatten
from gan_music.page.content import LabelledRun
from gan_music.page.overrides import varying

_SEED = "seed"


@dataclass(frozen=True)
class SweepRow:
    """Runs with the same settings but the seed.

    Attributes
    ----------
    settings : the settings in which rows differ.
    mean : of the validation distances of finished runs; None without a finished run.
    deviation : their standard deviation (n - 1); None with fewer than two finished runs.
    """

    runs: list[LabelledRun]
    settings: dict[str, Any]
    mean: float | None
    deviation: float | None

    def mean_figure(self, group: str, name: str) -> float | None:
        """The mean of a figure over the runs in which it is defined."""
        found = [r.run.figure(group, name) for r in self.runs]
        known = [f for f in found if f is not None]
        return float(np.mean(known)) if known else None


def rank(runs: Sequence[LabelledRun]) -> list[SweepRow]:
    """Rows by ascending mean validation distance; those without one are last."""
    keys = [k for k in varying([r.run.config for r in runs if r.run.config]) if k != _SEED]
    groups: dict[str, list[LabelledRun]] = {}
    for number, one in enumerate(runs):
        settings = flatten(one.run.config)
        # a run that failed before its settings were composed has a row of its own
        key = repr([settings.get(k) for k in keys]) if settings else f"none {number}"
        groups.setdefault(key, []).append(one)
    rows = [_row(group, keys) for group in groups.values()]
    return sorted(rows, key=lambda r: math.inf if r.mean is None else r.mean)


def _row(group: list[LabelledRun], keys: list[str]) -> SweepRow:
    settings = flatten(group[0].run.config)
    distances = [d for r in group if (d := r.run.val_distance) is not None]
    return SweepRow(
        group,
        {k: settings.get(k) for k in keys} if settings else {},
        float(np.mean(distances)) if distances else None,
        float(np.std(distances, ddof=1)) if len(distances) > 1 else None,
    )
