from __future__ import annotations

import numpy as np
import pytest

from gan_music.music.piece import Piece
from gan_music.representations.note_triples import NoteTriples


def test_triples_are_pitch_duration_and_offset_in_quarters() -> None:
    piece = Piece.from_arrays([12, 12, 36], [24, 6, 8], [60, 64, 72], grid=24)
    triples = NoteTriples(24).encode(piece)
    assert triples.dtype == np.float32
    expected = [[60, 1, 0.5], [64, 0.25, 0], [72, 1 / 3, 1]]
    assert triples == pytest.approx(np.array(expected), abs=1e-7)


def test_without_offsets_notes_follow_one_another() -> None:
    triples = np.array([[60.9, 1, 5], [64.2, 0.5, -3], [-0.5, 2, 0]], dtype=np.float32)
    decoded = NoteTriples(24).decode(triples)
    # pitches are truncated towards zero; offsets are not looked at, and so not counted
    assert decoded.piece.notes() == [(0, 24, 60), (24, 12, 64), (36, 48, 0)]
    assert decoded.n_clipped == 0


def test_what_midi_cannot_hold_is_clipped_and_counted() -> None:
    nan, inf = float("nan"), float("inf")
    triples = np.array(
        [[-1, 1, 0], [128, 1, 0], [60, -0.1, 0], [60, inf, 0], [nan, 1, 0], [60, 1, -4.8]],
        dtype=np.float32,
    )
    decoded = NoteTriples(24, use_offsets=True).decode(triples)
    assert decoded.n_clipped == 6
    assert decoded.piece.onset.tolist() == [0] * 6
    assert sorted(decoded.piece.pitch.tolist()) == [0, 0, 60, 60, 60, 127]
    assert decoded.piece.duration.min() == 1
    assert NoteTriples(24).decode(triples).n_clipped == 5
