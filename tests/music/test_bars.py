from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gan_music.music.bars import bars_until, begins_with_upbeat
from gan_music.music.piece import Piece


def test_bars_are_the_true_ones() -> None:
    # an upbeat of a quarter note; 6/8 cuts the second bar short
    piece = Piece.from_arrays(
        [0], [24], [60], grid=24, meters=[(-72, 4, 4), (96, 6, 8), (168, 5, 16)]
    )
    bars = bars_until(piece, 200)
    assert [b[:3] for b in bars] == [
        *((0, -72, 24), (1, 24, 96), (2, 96, 168), (3, 168, 198), (4, 198, 228)),
    ]
    assert [b[3:] for b in bars] == [(4, 4), (4, 4), (6, 8), (5, 16), (5, 16)]
    assert bars[0].beats(24) == [-72, -48, -24, 0]
    assert bars[1].beats(24) == [24, 48, 72]
    assert bars[2].beats(24) == [96, 132]  # dotted
    assert bars[3].beats(24) == [168, 174, 180, 186, 192]
    # a bar that is no whole number of steps does not drift
    seven = Piece.from_arrays([0], [1], [60], grid=1, meters=[(0, 7, 8)])
    assert [b.start for b in bars_until(seven, 14)] == [Fraction(7 * n, 2) for n in range(4)]
    # and they are those that a piece counts
    steps = np.array([b.start for b in bars], dtype=float).astype(int)
    assert piece.bars(steps[1:])[0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("onset", "meter", "expected"),
    [
        (0, (0, 4, 4), False),
        (12, (0, 4, 4), False),  # a rest on the first beat
        (24, (0, 4, 4), True),
        (24, (0, 6, 8), False),  # its beat is dotted
        (60, (0, 6, 8), True),
        (0, (-24, 3, 4), True),
        (96, (0, 4, 4), False),  # after a bar of rest
    ],
)
def test_upbeats(onset: int, meter: tuple[int, int, int], expected: bool) -> None:
    piece = Piece.from_arrays([onset], [12], [60], grid=24, meters=[meter])
    assert begins_with_upbeat(piece) == expected
    assert bars_until(piece, 200)[0].number == 1 - expected
