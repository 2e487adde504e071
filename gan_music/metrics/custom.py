"""Metrics of a piece from outside the package, which the group ``metrics`` names by ``_target_``.

A metric is a function ``Piece -> float``; NaN where it is undefined. Its mean over the pieces is a
figure beside those of :mod:`.piece`, with interval, ceiling and baselines.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gan_music.config.targets import target_and_values
from gan_music.music.piece import Piece

log = logging.getLogger(__name__)

PieceMetric = Callable[[Piece], float]


def build_metrics(chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, PieceMetric]:
    """The metrics by name.

    Raises
    ------
    UserError
        If a metric cannot be built of its settings.
    """
    metrics: dict[str, PieceMetric] = {}
    for name, settings in chosen.items():
        function, values = target_and_values(f"metrics.{name}", settings, None)
        metrics[name] = partial(function, **values)
    return metrics


def custom_figures(piece: Piece, metrics: Mapping[str, PieceMetric]) -> dict[str, float]:
    """Each metric of a piece; NaN and a warning where it fails, for the sake of other figures."""
    return {name: _value(name, metric, piece) for name, metric in metrics.items()}


def _value(name: str, metric: PieceMetric, piece: Piece) -> float:
    try:
        value = float(metric(piece))
    except Exception as error:
        log.warning("metrics.%s of %s: %s: %s", name, piece.name, type(error).__name__, error)
        return np.nan
    return value if np.isfinite(value) else np.nan
