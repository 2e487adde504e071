"""The ids of meters."""

from __future__ import annotations

import math

import numpy as np

from gan_music.music.piece import IntArray, Piece

# The meters that have an id; any other counts as the one whose bar is nearest in length.
METERS = (
    *((n, 4) for n in (1, 2, 3, 4, 5, 6)),
    *((n, 2) for n in (2, 3, 4)),
    *((n, 8) for n in (2, 3, 4, 5, 6, 7, 9, 12)),
    *((n, 16) for n in (3, 6, 9, 12)),
)


def meter_id(numerator: int, denominator: int) -> int:
    """The id of a meter, or of the one whose bar is nearest in length by ratio."""
    if (numerator, denominator) in METERS:
        return METERS.index((numerator, denominator))
    length = math.log(numerator / denominator)
    return min(
        range(len(METERS)), key=lambda i: abs(math.log(METERS[i][0] / METERS[i][1]) - length)
    )


def meter_ids(piece: Piece, steps: IntArray | None = None) -> IntArray:
    """The id of the meter at each onset, or at other steps, ``[N]``."""
    ids = np.array([meter_id(n, d) for _, n, d in piece.meters.tolist()])
    steps = piece.onset if steps is None else steps
    index = np.searchsorted(piece.meters[:, 0], steps, side="right") - 1
    return ids[np.maximum(0, index)]
