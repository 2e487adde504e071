"""Runs in order, a sweep's or any; those that differ in their seed alone share a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan_music.config.validate import flatten
from gan_music.page.content import Numbered
from gan_music.page.overrides import varying

_SEED = "seed"


@dataclass(frozen=True)
class Place:
    """Runs of the same settings: ``mean`` and ``spread`` of their validation distances.

    The spread is the standard deviation (of a sample, n - 1), None for one run. What failed or has
    not finished has no distance; without any, ``mean`` is None and the place is among the last.
    """

    runs: list[Numbered]
    settings: dict[str, Any]
    mean: float | None
    spread: float | None

    def average(self, family: str, name: str) -> float | None:
        """The mean of a figure over those that have it."""
        found = [r.run.figure(family, name) for r in self.runs]
        known = [f for f in found if f is not None]
        return float(np.mean(known)) if known else None


def rank(runs: Sequence[Numbered]) -> list[Place]:
    """Places by ascending mean of ``val_distance``; those without one come last, in their order."""
    keys = [k for k in varying([r.run.config for r in runs if r.run.config]) if k != _SEED]
    groups: dict[str, list[Numbered]] = {}
    for number, one in enumerate(runs):
        settings = flatten(one.run.config)
        # a run without settings, which failed before they stood, is like no other
        alike = repr([settings.get(k) for k in keys]) if settings else f"none {number}"
        groups.setdefault(alike, []).append(one)
    places = [_place(group, keys) for group in groups.values()]
    return sorted(places, key=lambda p: math.inf if p.mean is None else p.mean)


def _place(group: list[Numbered], keys: list[str]) -> Place:
    settings = flatten(group[0].run.config)
    distances = [d for r in group if (d := r.run.val_distance) is not None]
    return Place(
        group,
        {k: settings.get(k) for k in keys} if settings else {},
        float(np.mean(distances)) if distances else None,
        float(np.std(distances, ddof=1)) if len(distances) > 1 else None,
    )
