"""Measures, hands, voices, keys and spelling against literal answers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from gan_music.io.engraving import notation
from gan_music.io.engraving.note_values import Note
from gan_music.music.piece import Piece


def test_a_pickup_begins_shortly_before_the_first_note() -> None:
    piece = Piece.from_arrays([84, 96, 120], [24, 24, 72], [67, 72, 76], grid=24)
    # an eighth-note pickup
    assert notation.measures(piece)[0][:3] == (0, 84, 96)
    # a bar that begins before the piece
    early = replace(piece, onset=np.array([0, 24, 48]), meters=np.array([(-72, 4, 4)]))
    assert [m[:3] for m in notation.measures(early)][:2] == [(0, 0, 24), (1, 24, 120)]
    # a rest on the first beat
    assert notation.measures(replace(piece, onset=piece.onset - 72))[0][:3] == (1, 0, 96)


def test_spelling_follows_the_key() -> None:
    def names(sharps: int) -> str:
        steps = (notation.spell(pitch, sharps) for pitch in range(60, 72))
        return " ".join(f"{step}{'#' * a}{'-' * -a}{octave}" for step, a, octave in steps)

    assert names(0) == "C4 C#4 D4 E-4 E4 F4 F#4 G4 G#4 A4 B-4 B4"
    assert names(4) == "B#3 C#4 D4 D#4 E4 E#4 F#4 G4 G#4 A4 A#4 B4"
    assert names(-5) == "C4 D-4 D4 E-4 F-4 F4 G-4 G4 A-4 A4 B-4 C-5"
    for sharps in range(-6, 7):
        for pitch in range(128):
            step, alter, octave = notation.spell(pitch, sharps)
            natural = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step]
            assert 12 * (octave + 1) + natural + alter == pitch
            assert -2 <= alter <= 2


@pytest.mark.parametrize(
    ("pitches", "sharps"),
    [
        ([60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60], 0),
        ([62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62], 2),
        ([69, 71, 72, 74, 76, 77, 80, 81, 76, 72, 69], 0),  # A minor with its leading tone
        ([65, 67, 68, 70, 72, 73, 76, 77, 72, 68, 65], -4),  # F minor
        ([], 0),
        ([60], 0),
    ],
)
def test_key_signature(pitches: list[int], sharps: int) -> None:
    n = len(pitches)
    piece = Piece.from_arrays(24 * np.arange(n), [24] * n, pitches, grid=24)
    assert notation.key_signature(piece) == sharps


def test_hands_take_the_notes_in_their_reach() -> None:
    # a waltz: bass notes and chords under a melody
    piece = Piece.from_arrays(
        [0, 0, 24, 24, 24, 48, 48, 48],
        [24, 72, 24, 24, 24, 24, 24, 24],
        [40, 79, 52, 55, 81, 52, 55, 83],
        grid=24,
    )
    left, is_one_hand = notation.split_hands(piece)
    assert not is_one_hand
    assert set(piece.pitch[left]) == {40, 52, 55}
    melody = Piece.from_arrays(24 * np.arange(5), [24] * 5, [55, 62, 67, 58, 60], grid=24)
    assert notation.split_hands(melody)[1]


def test_voices_do_not_overlap() -> None:
    # a melody over a held note that begins earlier
    voices = notation.separate_voices([Note(0, 96, 60), Note(24, 48, 72), Note(48, 72, 74)])
    assert [[c.pitches for c in v] for v in voices] == [[(72,), (74,)], [(60,)], [], []]
    # six notes at once in four voices
    crowd = [Note(6 * i, 200 + i, 60 + i) for i in range(6)] + [
        Note(36, 60 + i, 80) for i in range(6)
    ]
    for voice in notation.separate_voices(crowd):
        assert all(a.end <= b.start for a, b in itertools.pairwise(voice))
