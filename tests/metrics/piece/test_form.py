from __future__ import annotations

import numpy as np
import pytest

from gan_music.metrics.piece.form import cadences, form
from gan_music.music.piece import Piece

GRID = 24
TONIC, SUBDOMINANT, DOMINANT, SUBMEDIANT = (
    (48, 64, 67, 72),
    (53, 60, 65, 69),
    (43, 62, 67, 71),
    (45, 60, 64, 72),
)


def chords(*steps: tuple[tuple[int, ...], float], meter: tuple[int, int] = (4, 4)) -> Piece:
    """Chords that last so many quarter notes."""
    notes, now = [], 0
    for pitches, quarters in steps:
        notes += [(now, int(quarters * GRID), p) for p in pitches]
        now += int(quarters * GRID)
    return Piece.from_arrays(*np.array(notes).T, grid=GRID, meters=[(0, *meter)])


def test_a_piece_that_closes() -> None:
    piece = chords((TONIC, 1), (SUBDOMINANT, 1), (DOMINANT, 1), (TONIC, 1))
    found = form(piece)
    assert (found["ends_on_triad"], found["ends_on_tonic"], found["ends_with_cadence"]) == (1, 1, 1)
    assert cadences(piece).tolist() == [3 * GRID]
    assert found["cadences_per_16_bars"] == 16


@pytest.mark.parametrize(
    ("last", "triad", "tonic", "cadence"),
    [
        ((DOMINANT, 1), 1, 0, 0),  # a half cadence
        ((SUBMEDIANT, 1), 1, 0, 0),  # a deceptive one
        ((TONIC, 0.5), 0, 1, 0),  # too short
        (((48, 64, 67, 71), 1), 0, 1, 0),  # a seventh
        (((48, 60, 72), 1), 0, 1, 0),  # no triad
    ],
)
def test_other_endings(
    last: tuple[tuple[int, ...], float], triad: int, tonic: int, cadence: int
) -> None:
    found = form(chords((TONIC, 1), (SUBDOMINANT, 1), (TONIC, 1), (DOMINANT, 1), last))
    names = ("ends_on_triad", "ends_on_tonic", "ends_with_cadence")
    assert [found[n] for n in names] == [triad, tonic, cadence]


def test_phrases_of_equal_length_have_no_entropy() -> None:
    phrase = ((TONIC, 4), (SUBDOMINANT, 2), (DOMINANT, 2), (TONIC, 4))
    assert form(chords(*phrase * 4))["phrase_length_entropy"] == 0
    uneven = (*phrase, *phrase, (SUBDOMINANT, 4), *phrase, *phrase)
    assert form(chords(*uneven))["phrase_length_entropy"] > 0.9
    assert np.isnan(form(chords(*phrase))["phrase_length_entropy"])


def test_nothing_has_no_form() -> None:
    assert all(np.isnan(v) for v in form(Piece.from_arrays([], [], [], grid=GRID)).values())
