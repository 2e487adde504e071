from __future__ import annotations

from gan_music.metrics.excerpts import opening_and_ending
from tests.metrics.music import noise, piece


def test_openings_and_endings_by_hand() -> None:
    # eleven eighth notes from C upwards; seven; a piece that begins on the third beat
    eighths = [piece(*[(12 * i, 12, 60 + i) for i in range(n)]) for n in (11, 7)]
    late = piece(*[(12 * i, 12, 40 + i) for i in range(8)], meters=((-48, 4, 4),))
    opening, ending = opening_and_ending([*eighths, late], 4, 2)
    assert opening.pitch.tolist() == [[60, 61], [62, 63], [40, 41], [42, 43]]
    assert ending.pitch.tolist() == [[67, 68], [69, 70], [44, 45], [46, 47]]
    assert opening.piece.tolist() == ending.piece.tolist() == [0, 0, 2, 2]
    assert opening.position.tolist() == [[0, 12], [24, 36], [48, 60], [72, 84]]
    assert ending.position.tolist() == [[84, 0], [12, 24], [0, 12], [24, 36]]


def test_windows_that_do_not_fill_a_part_are_left_out() -> None:
    opening, ending = opening_and_ending([noise(0, 400)], 128, 48)
    assert opening.pitch.tolist() == noise(0, 400).pitch[:96].reshape(2, 48).tolist()
    assert ending.pitch.tolist() == noise(0, 400).pitch[272:368].reshape(2, 48).tolist()
    assert len(opening_and_ending([noise(0, 400)], 128, 192)[0]) == 0
