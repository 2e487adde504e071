from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gan_music.music.bars import bars_until, begins_with_upbeat, from_its_opening, opening
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


@pytest.mark.parametrize(
    ("onset", "meter", "expected"),
    [
        (0, (0, 4, 4), 0),
        (23, (0, 4, 4), 0),  # within the first beat: a rest
        (24, (0, 4, 4), 24),
        (84, (0, 4, 4), 84),  # an eighth note
        (60, (0, 4, 4), 60),  # three of them
        (93, (0, 4, 4), 93),  # a 32nd note
        (88, (0, 4, 4), 72),  # of a triplet, which begins with a rest
        (24, (0, 6, 8), 0),  # its beat is dotted
        (60, (0, 6, 8), 60),
        (192, (0, 4, 4), 192),  # after two bars of rest
        (276, (0, 4, 4), 276),
        (0, (-24, 3, 4), 0),
        (0, (-40, 3, 4), 0),  # not before the piece
        (8, (-40, 3, 4), 8),
        (15, (-40, 3, 4), 8),
    ],
)
def test_where_music_begins(onset: int, meter: tuple[int, int, int], expected: int) -> None:
    piece = Piece.from_arrays([onset], [12], [60], grid=24, meters=[meter])
    assert opening(piece) == expected
    assert opening(from_its_opening(piece)) == 0


def test_a_piece_from_its_opening_keeps_its_bars() -> None:
    piece = Piece.from_arrays(
        [0, 100, 130, 200], [24] * 4, [60, 62, 64, 65], grid=24, meters=[(0, 4, 4), (96, 3, 4)]
    )
    moved = from_its_opening(piece.cut(2, 4))
    # 130 lies in the beat that begins at 120, the second of the bar that begins at 96
    assert moved.onset.tolist() == [10, 80]
    assert moved.meters.tolist() == [[-24, 3, 4]]
    assert [b.tolist() for b in moved.bars()] == [[0, 1], [34, 32]]
    late = from_its_opening(piece.cut(3, 4))
    assert (late.onset.tolist(), late.meters.tolist()) == ([8], [[-24, 3, 4]])
    assert len(from_its_opening(piece.cut(0, 0))) == 0
    # bars of seven halves of a step: two of them are whole steps
    odd = Piece.from_arrays([11, 14], [1, 1], [60, 62], grid=1, meters=[(0, 7, 8)])
    assert from_its_opening(odd).meters.tolist() == [[-4, 7, 8]]
    assert from_its_opening(odd).bars()[1].tolist() == odd.bars()[1].tolist() == [0, 0]
