from __future__ import annotations

from fractions import Fraction

import pytest

from gan_music.io.formats.measures import meters_of_measures, steps


def test_steps_are_rounded_halves_upwards() -> None:
    assert [
        steps(x, 24) for x in (0, 1, Fraction(1, 3), 0.5, Fraction(1, 48), Fraction(1, 49))
    ] == [
        *(0, 24, 8, 12, 1, 0),
    ]


@pytest.mark.parametrize(
    ("measures", "meters"),
    [
        ([], [(0, 4, 4)]),
        ([(0, None)], [(0, 4, 4)]),
        ([(0, (3, 4)), (3, None), (6, None)], [(0, 3, 4)]),
        ([(0, (4, 4)), (1, None), (5, None)], [(-72, 4, 4)]),
        ([(0, (4, 4)), (3, None), (4, None)], [(-24, 4, 4), (96, 4, 4)]),
        ([(0, (4, 4)), (4, None), (7, None), (8, None)], [(0, 4, 4)]),
        ([(0, (4, 4)), (4, (3, 4)), (7, (3, 4))], [(0, 4, 4), (96, 3, 4)]),
        ([(0, (2, 4)), (2, None), (5, None), (7, None)], [(0, 2, 4), (120, 2, 4)]),
        ([(0, None), (4, (3, 4))], [(0, 4, 4), (96, 3, 4)]),
    ],
)
def test_meters(measures: list, meters: list) -> None:
    assert meters_of_measures([(Fraction(s), m) for s, m in measures], 24) == meters
