"""Generated music against a reference, each given as pieces or by a path."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from gan_music.api.music_files import GRID, read
from gan_music.data.pack import pitched
from gan_music.io.read import ReadError
from gan_music.metrics.custom import PieceMetric
from gan_music.metrics.evaluation import Evaluation, EvaluationSettings
from gan_music.metrics.evaluation import evaluate as evaluate_pieces
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError

Music = str | os.PathLike[str] | Sequence[Piece]


def evaluate(
    generated: Music, reference: Music, train: Music | None = None, **settings: int
) -> dict[str, Any]:
    """The figures of generated music by name, the ``verdict``, and the ``verdict_reason``.

    >>> pieces = gan_music.load().generate(n_pieces=8, n_notes=128)
    >>> figures = gan_music.evaluate(pieces[:4], pieces[4:], n_bootstrap=10)
    >>> 0 <= figures["oa_mean"] <= 1
    True

    ``docs/metrics.md`` explains the figures. One that is undefined is NaN. The verdict is
    collapsed, narrow, unlike, distinguishable, near, indistinguishable or undefined.

    Parameters
    ----------
    generated, reference, train : pieces, or a file or folder of music. ``train`` is what the
        generator was trained on; without it, originality is NaN.
    settings : attributes of :class:`~gan_music.metrics.evaluation.EvaluationSettings`.

    Raises
    ------
    UserError
        If a folder holds no music.
    ValueError
        If pieces have different grids.
    """
    found = compare(generated, reference, train, EvaluationSettings(**settings))
    figures: dict[str, Any] = {
        name: figure.generated.value
        for group in found.groups.values()
        for name, figure in group.items()
    }
    return {"verdict": found.verdict.word, "verdict_reason": found.verdict.reason, **figures}


def compare(
    generated: Music,
    reference: Music,
    train: Music | None = None,
    settings: EvaluationSettings | None = None,
    metrics: Mapping[str, PieceMetric] | None = None,
    **reading: Any,
) -> Evaluation:
    """The whole evaluation; ``reading`` are options of :func:`~gan_music.api.music_files.read`.

    Raises
    ------
    UserError, ValueError
        As :func:`evaluate`.
    """
    given = [m for m in (generated, reference, train) if not isinstance(m, str | os.PathLike)]
    pieces = chain.from_iterable(m for m in given if m is not None)
    reading.setdefault("grid", next((p.grid for p in pieces), GRID))
    real = pitched(_pieces("reference", reference, reading))
    ours = pitched(_pieces("generated", generated, reading))
    training = None if train is None else pitched(_pieces("train", train, reading))
    return evaluate_pieces(ours, real, training, settings, metrics)


def _pieces(key: str, music: Music, reading: dict[str, Any]) -> Sequence[Piece]:
    """The pieces of one set; an error names it."""
    if not isinstance(music, str | os.PathLike):
        return music
    try:
        return read(music, **reading)
    except ReadError as error:
        raise UserError(f"{key}={error}: name other music.") from error
    except UserError as error:
        text = str(error).replace("data.cache_dir=", "cache_dir=")
        named = text.replace("data.root=", f"{key}=")
        raise UserError(named if key in named else f"{key}={music}: {named}") from error
