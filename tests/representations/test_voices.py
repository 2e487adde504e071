from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from music21 import corpus

from gan_music.io.read import read
from gan_music.music.piece import Piece, Track
from gan_music.representations.voices import Voices

C4, REST, TIE, END = 39, 89, 90, 88  # ids of the pitch
NAMES = (Track("Soprano", 52), Track("Bass", 42))


def two_voices() -> Piece:
    """Two bars of 4/4: a rest and a dotted half note, a half note; below, two whole notes."""
    return Piece.from_arrays(
        [0, 0, 24, 96, 96], [24, 96, 72, 48, 96], [67, 48, 72, 64, 50], grid=24,
        track=[0, 1, 0, 0, 1], tracks=NAMES,
    )  # fmt: skip


def fitted(*pieces: Piece, **settings: int) -> Voices:
    voices = Voices(24, **settings)
    voices.fit(pieces)
    return voices


def rows(voices: Voices, piece: Piece) -> list[tuple[int, ...]]:
    """(offset, pitch, steps, voice) of each event."""
    ids = voices.encode(piece)
    return [
        (offset, pitch, int(voices.duration_bins[duration]), track)
        for offset, pitch, duration, track in ids[:, :4].tolist()
    ]


def test_the_next_event_is_that_of_the_voice_that_is_free_first() -> None:
    voices = fitted(two_voices())
    assert rows(voices, two_voices()) == [
        (0, C4 + 7, 24, 0),
        (0, C4 - 12, 96, 1),
        (24, C4 + 12, 72, 0),
        (72, C4 + 4, 48, 0),
        (0, C4 - 10, 96, 1),
        (48, REST, 48, 0),  # until both end
        (48, END, 1, 0),
    ]
    assert voices.encode(two_voices())[:, -2].tolist() == [0, 0, 24, 0, 0, 48, 0]


def test_notes_come_back_with_their_tracks() -> None:
    voices = fitted(two_voices())
    piece = voices.decode(voices.encode(two_voices()), name="again").piece
    assert piece.same_notes(two_voices())
    assert piece.track.tolist() == two_voices().track.tolist()
    assert piece.tracks == NAMES
    assert piece.ends
    assert (voices.unit, piece.name) == ("events", "again")


def test_long_notes_are_tied_and_long_rests_repeated() -> None:
    piece = Piece.from_arrays([0, 480], [200, 13], [60, 62], grid=24)
    voices = fitted(piece)
    assert rows(voices, piece) == [
        (0, C4, 192, 0),
        (192, TIE, 8, 0),
        (8, REST, 192, 0),
        (192, REST, 84, 0),
        (84, REST, 4, 0),
        (4, C4 + 2, 12, 0),
        (12, TIE, 1, 0),
        (1, END, 1, 0),
    ]
    assert voices.decode(voices.encode(piece)).piece.notes() == piece.notes()


def test_without_an_end_samples_are_cut_off() -> None:
    voices = fitted(two_voices())
    ids = voices.encode(two_voices())
    piece = voices.decode(ids[:4]).piece
    assert not piece.ends
    assert piece.notes() == [(0, 96, 48), (0, 24, 67), (24, 72, 72), (96, 48, 64)]
    # what follows the end of a piece is nothing
    again = voices.decode(np.concatenate([ids, ids])).piece
    assert again.same_notes(two_voices())
    # nor is a tie without a note before it
    assert voices.decode(np.array([[0, TIE, 0, 0, 0, 3]])).piece.notes() == []


def test_an_excerpt_has_no_end_and_rests_until_its_last_onset() -> None:
    voices = fitted(two_voices())
    assert rows(voices, two_voices().cut(0, 3)) == [
        (0, C4 + 7, 24, 0),
        (0, C4 - 12, 96, 1),
        (24, C4 + 12, 72, 0),
    ]
    assert rows(voices, two_voices().cut(0, 1)) == [(0, C4 - 12, 96, 1)]
    one_long = Piece.from_arrays(
        [0, 0], [24, 216], [67, 48], grid=24, track=[0, 1], tracks=NAMES, ends=False
    )
    assert rows(voices, one_long) == [
        (0, C4 + 7, 24, 0),
        (0, C4 - 12, 192, 1),
        (24, REST, 144, 0),  # until the tie
        (144, REST, 24, 0),
        (24, TIE, 24, 1),
    ]


def test_the_notes_of_a_chord_share_the_last_duration() -> None:
    chord = Piece.from_arrays(
        [0, 0, 0, 24], [24, 24, 48, 24], [62, 69, 50, 64], grid=24, track=[0, 0, 1, 0], tracks=NAMES
    )
    voices = fitted(two_voices(), chord)
    assert voices.layout == (1, 1)
    assert rows(voices, chord) == [
        (0, C4 + 9, 0, 0),
        (0, C4 + 2, 24, 0),
        (0, C4 - 10, 48, 1),
        (24, C4 + 4, 24, 0),
        (24, END, 1, 0),
    ]
    decoded = voices.decode(voices.encode(chord)).piece
    assert decoded.same_notes(chord)
    assert decoded.track.tolist() == chord.track.tolist()


def test_notes_that_overlap_in_a_track_take_voices_of_their_own() -> None:
    held = Piece.from_arrays(
        [0, 0, 0, 24], [24, 48, 48, 24], [69, 62, 50, 67], grid=24, track=[0, 0, 1, 0], tracks=NAMES
    )
    voices = fitted(two_voices(), held)
    assert voices.layout == (2, 1)
    assert voices.n_voices == 3
    assert [(p, v) for _, p, _, v in rows(voices, held)] == [
        (C4 + 9, 0), (C4 + 2, 1), (C4 - 10, 2), (C4 + 7, 0), (END, 0)
    ]  # fmt: skip
    decoded = voices.decode(voices.encode(held)).piece
    assert decoded.same_notes(held)
    assert decoded.track.tolist() == held.track.tolist()


def test_samples_may_hold_what_no_music_does() -> None:
    voices = fitted(two_voices())
    zero, quarter = 0, int(np.searchsorted(voices.duration_bins, 24))
    # a chord that a rest ends, a tie and a rest of no length, a chord without an end
    ids = [(C4, zero), (REST, quarter), (TIE, zero), (REST, zero), (C4, quarter), (C4, zero)]
    x = np.array([[0, pitch, duration, 0, 0, 3] for pitch, duration in ids])
    x[4, 0] = 24
    assert voices.decode(x).piece.notes() == [(0, 24, 60), (24, 24, 60)]


def test_pieces_that_need_other_voices_are_refused() -> None:
    melody = Piece.from_arrays([0, 24], [24, 24], [60, 62], grid=24)
    voices = fitted(two_voices(), two_voices(), melody)
    assert voices.refuses(two_voices()) is None
    assert voices.refuses(melody) == (
        "its tracks need 1 voices, and those of most training pieces 1, 1 "
        "(representation.max_voices bounds their sum)"
    )
    with pytest.raises(ValueError, match="its tracks need 1 voices"):
        voices.encode(melody)
    with pytest.raises(ValueError, match="grid of 12"):
        voices.encode(Piece.from_arrays([0], [1], [60], grid=12))
    # of one voice at most: melodies
    assert fitted(two_voices(), two_voices(), melody, max_voices=1).layout == (1,)
    with pytest.raises(ValueError, match="max_voices 9"):
        Voices(24, max_voices=9)


def test_voices_are_transposed_within_their_ranges() -> None:
    low = Piece.from_arrays(
        [0, 0], [24, 24], [60, 48], grid=24, track=[0, 1], tracks=NAMES
    )  # fmt: skip
    high = Piece.from_arrays(
        [0, 0], [24, 24], [72, 52], grid=24, track=[0, 1], tracks=NAMES
    )  # fmt: skip
    voices = fitted(low, high)
    assert voices.ranges.tolist() == [[C4, C4 + 12], [C4 - 12, C4 - 8]]
    x = torch.from_numpy(voices.rows(low)).repeat(3, 1, 1)
    moved = voices.augment(x, torch.ones(3, 3, dtype=torch.bool), torch.tensor([-3, 2, 9]))
    assert moved[..., 1].tolist() == [
        [C4, C4 - 12, END],  # the lowest that there is
        [C4 + 2, C4 - 10, END],
        [C4 + 4, C4 - 8, END],  # the bass goes no further
    ]


def test_the_state_rebuilds_it() -> None:
    voices = fitted(two_voices())
    again = Voices.from_state(voices.state())
    assert again.state() == voices.state()
    assert np.array_equal(again.encode(two_voices()), voices.encode(two_voices()))
    for wrong in ({"layout": [9]}, {"layout": [0]}, {"duration_bins": [2]}, {"ranges": []}):
        with pytest.raises(ValueError, match=r"layout|duration_bins|ranges"):
            Voices.from_state(voices.state() | wrong)
    # a resumed run, or one that begins with other weights, keeps the layout
    new = Voices(24).resolved(voices.state())
    new.fit([Piece.from_arrays([0], [24], [60], grid=24)])
    assert new.table() == voices.table()


@pytest.mark.parametrize("name", ["bach/bwv66.6", "bach/bwv269", "haydn/opus74no1/movement3"])
def test_every_note_of_music21s_corpus_comes_back(name: str) -> None:
    piece = read(corpus.getWork(name), grid=24)[0]
    voices = fitted(piece)
    decoded = voices.decode(voices.encode(piece)).piece
    shift = piece.onset[0] - decoded.onset[0]
    order = np.lexsort((piece.track, piece.duration, piece.pitch, piece.onset))
    assert (decoded.onset + shift).tolist() == piece.onset[order].tolist()
    for column in ("pitch", "duration", "track"):
        assert getattr(decoded, column).tolist() == getattr(piece, column)[order].tolist()


@settings(max_examples=60, deadline=None)
@given(
    chains=st.lists(
        st.lists(
            st.tuples(st.integers(0, 60), st.integers(1, 400), st.integers(21, 108)),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=8,
    ),
    ends=st.booleans(),
)
def test_any_voices_come_back(chains: list[list[tuple[int, int, int]]], ends: bool) -> None:
    notes = []
    for track, chain in enumerate(chains):
        now = 0
        for rest, duration, pitch in chain:
            notes.append((now + rest, duration, pitch, track))
            now += rest + duration
    onset, duration, pitch, track = np.array(notes).T
    piece = Piece.from_arrays(
        onset - onset.min(), duration, pitch, grid=24,
        track=track, tracks=[Track(str(i)) for i in range(len(chains))], ends=ends,
    )  # fmt: skip
    voices = fitted(piece)
    ids = voices.encode(piece)
    decoded = voices.decode(ids).piece
    assert decoded.notes() == piece.notes()
    assert decoded.track.tolist() == piece.track.tolist()
    assert decoded.ends == ends
    # the rule that gives the voice and the onset of each event
    free = np.zeros(voices.n_voices, np.int64)
    for now, (_, _, length, voice) in zip(
        np.cumsum(ids[:, 0]).tolist(), rows(voices, piece), strict=True
    ):
        assert now == free.min()
        assert voice == free.argmin() or not ends  # an excerpt may lack the voices before
        free[voice] += length
