from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.io.engraving.note_values import Chord, Measure, Note, notate, quantize

COMMON = Measure(1, 0, 96, 4, 4)


def written(
    *chords: tuple[int, int], bar: Measure = COMMON, **triplets: int
) -> list[tuple[int, int]]:
    """Starts and ends of the note values for these spans of one voice."""
    cells = {int(k[1:]): v for k, v in triplets.items()}
    return [v[:2] for v in notate([Chord(a, b, (60,)) for a, b in chords], bar, cells)]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 96), [(0, 96)]),
        ((0, 72), [(0, 72), (72, 96)]),
        ((0, 36), [(0, 36), (36, 48), (48, 96)]),  # a dotted quarter note; rests show the beats
        ((12, 36), [(0, 12), (12, 36), (36, 48), (48, 96)]),  # a syncopation
        ((12, 60), [(0, 12), (12, 24), (24, 60), (60, 96)]),
        ((0, 30), [(0, 24), (24, 30), (30, 48), (48, 96)]),
        ((0, 15), [(0, 12), (12, 15), (15, 24), (24, 96)]),
    ],
)
def test_note_values_show_the_beats(span: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert written(span)[: len(expected)] == expected


def test_beats_of_compound_meters_are_dotted() -> None:
    bar = Measure(1, 0, 72, 6, 8)
    assert written((0, 72), bar=bar) == [(0, 72)]
    assert written((0, 36), (36, 60), (60, 72), bar=bar) == [(0, 36), (36, 60), (60, 72)]
    assert written((24, 48), (48, 72), bar=bar)[-3:] == [(24, 36), (36, 48), (48, 72)]


def test_a_triplet_is_not_merged_with_other_beats() -> None:
    # two thirds of a beat and the next half of a beat are tied
    found = notate([Chord(8, 36, (60,))], COMMON, {0: 24})
    assert [v[:2] for v in found[:3]] == [(0, 8), (8, 24), (24, 36)]
    assert [(v.tie_stop, v.tie_start) for v in found[1:3]] == [(False, True), (True, False)]
    # a note from beat to beat needs no tie
    assert written((0, 24), (24, 96), _0=24) == [(0, 24), (24, 96)]


def test_a_note_over_a_barline_is_tied() -> None:
    chord = Chord(72, 120, (60, 64))
    (_, before) = notate([chord], COMMON, {})[-2:]
    after = notate([chord], COMMON._replace(start=96, end=192), {})[0]
    assert before == (72, 96, (60, 64), False, True)
    assert after == (96, 120, (60, 64), True, False)


@pytest.mark.parametrize(
    ("times", "moved"),
    [
        ([(0, 8), (8, 16), (16, 24)], None),
        ([(0, 4), (4, 8), (8, 12), (12, 18), (18, 24)], None),  # a triplet, then 16th notes
        ([(0, 3), (3, 24)], None),
        ([(0, 23), (25, 49)], [(0, 24), (24, 48)]),
        ([(1, 13), (13, 24)], [(0, 12), (12, 24)]),
        ([(24, 25)], [(24, 30)]),  # shorter than every note value
        ([(0, 5), (5, 10), (10, 14), (14, 19), (19, 24)], None),  # a quintuplet: near, in order
    ],
)
def test_times_move_to_the_best_division(
    times: list[tuple[int, int]], moved: list[tuple[int, int]] | None
) -> None:
    placed, _ = quantize([Note(a, b, 60) for a, b in times], [COMMON])
    found = [n[:2] for n in placed]
    if times[1:] and times[1] == (5, 10):
        assert all(
            abs(a - b) <= 2
            for x, y in zip(times, found, strict=True)
            for a, b in zip(x, y, strict=True)
        )
        assert [a for a, _ in found] == sorted({a for a, _ in found})
    else:
        assert found == (moved or times)


@given(
    meter=st.sampled_from(
        [(4, 4), (3, 4), (5, 4), (2, 2), (4, 2), (6, 8), (5, 8), (12, 8), (3, 16), (9, 16)]
    ),
    edges=st.lists(st.integers(0, 400), min_size=2, max_size=24, unique=True),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_voice_is_written_in_notate(meter: tuple[int, int], edges: list[int]) -> None:
    length = 96 * meter[0] // meter[1]
    bars = [Measure(i, i * length, (i + 1) * length, *meter) for i in range(500 // length + 1)]
    edges = sorted(edges)
    placed, triplets = quantize([Note(a, b, 60) for a, b in pairwise(edges)], bars)
    voice: list[Chord] = []
    for note in placed:
        if not voice or note.start >= voice[-1].end:
            voice.append(Chord(note.start, note.end, (60,)))
    plain = {3, 6, 12, 24, 48, 96, 192, 9, 18, 36, 72, 144}
    for bar in bars:
        found = notate(voice, bar, triplets)
        # they fill the bar without gaps
        assert [s.start for s in found] == [bar.start, *(s.end for s in found[:-1])]
        assert found[-1].end == bar.end
        for value in found:
            assert value.end - value.start in plain | {4, 8, 16}
        # triplets are complete
        in_triplets = [s for s in found if s.end - s.start in (4, 8, 16)]
        for start, ticks in triplets.items():
            group = [s for s in in_triplets if start <= s.start < start + ticks]
            assert sum(s.end - s.start for s in group) in (0, ticks)
