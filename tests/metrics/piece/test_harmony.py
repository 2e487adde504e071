from __future__ import annotations

import math

import muspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.metrics.piece.harmony import (
    NO_CHORD,
    QUALITIES,
    Chromagram,
    bigram_log_likelihood,
    chord_bigrams,
    dissonance_rate,
    harmonic_change,
    harmony,
    polyphony,
    recognise_chords,
    recognised_chord_rate,
    used_pitch_classes,
)
from gan_music.metrics.piece.rhythm import rhythm
from gan_music.metrics.piece.tonality import tonality
from tests.metrics.music import as_muspy, noise, piece, transposed

NAMES = list(QUALITIES)


def chords(*pitches: list[int], length: int = 48) -> list[tuple[int, int, int]]:
    return [(length * i, length, k) for i, chord in enumerate(pitches) for k in chord]


def test_every_template_is_recognised_in_every_key() -> None:
    for quality, intervals in enumerate(QUALITIES.values()):
        for root in range(12):
            chroma = np.zeros((1, 12))
            chroma[0, [(root + i) % 12 for i in intervals]] = 5
            (chord,) = recognise_chords(chroma, np.array([48 + root]))
            assert chord == quality * 12 + root


def test_chords_of_half_bars() -> None:
    # C, A minor, F, G7, each half a bar
    p = piece(*chords([48, 64, 67], [57, 60, 64], [53, 57, 60], [55, 59, 62, 65]))
    c = Chromagram(p)
    assert c.half_bar.tolist() == [0, 1, 2, 3]
    assert [(NAMES[c // 12], c % 12) for c in c.chord] == [
        ("major", 0), ("minor", 9), ("major", 5), ("dominant seventh", 7),
    ]  # fmt: skip
    assert recognised_chord_rate(c) == 1
    counts = chord_bigrams(c)
    assert counts.sum() == 3
    assert counts[NAMES.index("major"), NAMES.index("minor") * 12 + 9] == 1  # up by a sixth


def test_single_notes_and_clusters_are_no_chords() -> None:
    assert Chromagram(piece((0, 48, 60))).chord.tolist() == [NO_CHORD]
    assert Chromagram(piece(*chords([60, 61, 62, 63]))).chord.tolist() == [NO_CHORD]


def test_a_note_across_a_half_bar_counts_in_both() -> None:
    c = Chromagram(piece((24, 48, 60)))
    assert c.half_bar.tolist() == [0, 1]
    assert c.chroma[:, 0].tolist() == [24, 24]


def test_beats_that_begin_in_silence_have_no_chord() -> None:
    # 3/4: the note begins in the middle of the second beat, and the first half bar is silent
    p = piece((36, 36, 60), (36, 36, 64), (36, 36, 67), meters=((0, 3, 4),))
    assert recognised_chord_rate(Chromagram(p)) == 0.5


def test_dissonance_by_hand() -> None:
    # while C sounds: E (consonant), D (dissonant with C), and D with E (dissonant)
    p = piece((0, 96, 60), (0, 48, 64), (24, 24, 62), (96, 24, 61))
    assert dissonance_rate(p) == pytest.approx(2 / 3)
    assert math.isnan(dissonance_rate(piece((0, 24, 60), (24, 24, 61))))


@pytest.mark.parametrize("seed", range(3))
def test_dissonance_equals_brute_force(seed: int) -> None:
    notes = noise(seed, 60).notes()
    pairs = [
        (b[2] - a[2]) % 12 in (1, 2, 6, 10, 11)
        for i, a in enumerate(notes)
        for b in notes[i + 1 :]
        if a[0] + a[1] > b[0]
    ]
    assert dissonance_rate(piece(*notes)) == pytest.approx(np.mean(pairs))


def test_tonal_distance_by_hand() -> None:
    # C to G on the three circles
    circles = ((1.0, 7 * np.pi / 6), (1.0, 3 * np.pi / 2), (0.5, 2 * np.pi / 3))
    expected = math.sqrt(sum((2 * r * math.sin(7 * turn / 2)) ** 2 for r, turn in circles))
    assert harmonic_change(Chromagram(piece((0, 48, 60), (48, 48, 67)))) == pytest.approx(expected)


def test_used_pitch_classes_by_hand() -> None:
    assert used_pitch_classes(piece((0, 24, 60), (24, 24, 72), (48, 24, 62), (96, 24, 60))) == 1.5


def test_bigram_log_likelihood_by_hand() -> None:
    counts = np.zeros((2, 4))
    counts[0, 1] = 2
    reference = np.zeros((2, 4))
    reference[0] = [3, 1, 0, 0]
    # (1 + 0.1) / (4 + 0.4)
    assert bigram_log_likelihood(counts, reference) == pytest.approx(math.log(1.1 / 4.4))
    assert math.isnan(bigram_log_likelihood(np.zeros((2, 4)), reference))


@given(seed=st.integers(0, 1000), semitones=st.integers(-12, 12))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_transposition_changes_nothing(seed: int, semitones: int) -> None:
    p = noise(seed, 40)
    q = transposed(p, semitones)
    assert tonality(q) == pytest.approx(tonality(p))
    assert harmony(q) == pytest.approx(harmony(p), nan_ok=True)
    assert (chord_bigrams(Chromagram(q)) == chord_bigrams(Chromagram(p))).all()


def test_undefined_is_nan() -> None:
    for figures in (harmony, rhythm, tonality):
        assert all(math.isnan(v) for v in figures(piece()).values())


def test_polyphony_by_hand() -> None:
    # C, a rest, C again, E from its middle, and E repeated while it sounds
    p = piece((0, 24, 60), (48, 48, 60), (72, 24, 64), (80, 8, 64))
    assert polyphony(p) == pytest.approx((24 + 48 + 24) / (24 + 48))
    assert math.isnan(polyphony(piece()))


@pytest.mark.parametrize("seed", range(5))
def test_polyphony_equals_muspys(seed: int) -> None:
    p = noise(seed)
    assert polyphony(p) == pytest.approx(muspy.polyphony(as_muspy(p)))
