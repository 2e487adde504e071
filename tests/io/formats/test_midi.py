"""The MIDI readers against literal answers, and random events against a reference pairing."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.io.formats import midi
from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece, Track
from tests.io.scores import END, midi_bytes

READERS = ("fast", "music21")


def event(delta: int, *data: int) -> bytes:
    """An event after ``delta`` ticks."""
    length = [delta & 127]
    while delta := delta >> 7:
        length.insert(0, delta & 127 | 128)
    return bytes(length) + bytes(data)


def on(delta: int, pitch: int, velocity: int = 80, channel: int = 0) -> bytes:
    return event(delta, 0x90 | channel, pitch, velocity)


def off(delta: int, pitch: int, channel: int = 0) -> bytes:
    return event(delta, 0x80 | channel, pitch, 64)


def read_bytes(data: bytes, reader: str, tmp_path: Path, grid: int = 480) -> Piece:
    path = tmp_path / "a.mid"
    path.write_bytes(data)
    (piece,) = read(path, grid=grid, reader=reader)
    return piece


QUARTER = on(0, 60) + off(480, 60)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("tracks", "notes"),
    [
        pytest.param([QUARTER], [(0, 480, 60)], id="one note"),
        pytest.param(
            [on(0, 60) + event(480, 60, 0) + event(0, 62, 70) + event(240, 62, 0)],
            [(0, 480, 60), (480, 240, 62)],
            id="running status, velocity 0 ends",
        ),
        pytest.param([on(9, 60) + off(0, 60)], [(9, 1, 60)], id="duration zero"),
        pytest.param([on(0, 60) + on(0, 64) + off(480, 60)], [(0, 480, 60)], id="never released"),
        pytest.param(
            [QUARTER + on(0, 36, channel=9) + off(480, 36, channel=9)],
            [(0, 480, 60), (480, 480, 36)],
            id="percussion",
        ),
        pytest.param(
            [on(0, 60) + on(0, 60, channel=1) + off(240, 60) + off(240, 60, channel=1)],
            [(0, 240, 60), (0, 480, 60)],
            id="channels do not end each other's notes",
        ),
        pytest.param(
            [on(0, 60) + off(480, 60), on(240, 60) + off(480, 60)],
            [(0, 480, 60), (240, 480, 60)],
            id="tracks do not end each other's notes",
        ),
        pytest.param(
            [event(0, 0xC0, 5) + on(0, 60) + event(240, 0xC0, 9) + off(240, 60)],
            [(0, 480, 60)],
            id="a program change under a note",
        ),
        pytest.param(
            [on(0, 60) + event(10, 0xF0, 3, 1, 2, 0xF7) + off(470, 60)],
            [(0, 480, 60)],
            id="a system message under a note",
        ),
        pytest.param(
            [on(0, 60) + event(10, 0xFF, 1, 2, 65, 0xE4) + event(470, 60, 0)],
            [(0, 480, 60)],
            id="text under a note, and running status after it",
        ),
        pytest.param([on(480, 60) + on(0, 64) + off(480, 60) + off(0, 64)],
                     [(480, 480, 60), (480, 480, 64)], id="a chord after a rest"),
    ],
)  # fmt: skip
def test_both_readers_give_the_notes(
    tracks: Sequence[bytes], notes: list, reader: str, tmp_path: Path
) -> None:
    data = midi_bytes(*(t + END for t in tracks))
    assert read_bytes(data, reader, tmp_path).notes() == notes


@pytest.mark.parametrize("reader", READERS)
def test_format_0_and_a_track_without_an_end(reader: str, tmp_path: Path) -> None:
    data = bytearray(midi_bytes(QUARTER))
    data[8:10] = b"\0\0"
    assert read_bytes(bytes(data), reader, tmp_path).notes() == [(0, 480, 60)]


@pytest.mark.parametrize("reader", READERS)
def test_velocities_meters_and_the_first_tempo(reader: str, tmp_path: Path) -> None:
    conductor = (
        event(0, 0xFF, 0x58, 4, 3, 2, 24, 8)
        + event(0, 0xFF, 0x51, 3, 0x09, 0x27, 0xC0)  # 600,000 microseconds per quarter note
        + event(2880, 0xFF, 0x58, 4, 6, 3, 36, 8)
        + event(0, 0xFF, 0x51, 3, 0x07, 0xA1, 0x20)
    )
    notes = on(0, 60, velocity=74) + off(480, 60) + on(0, 62, velocity=90) + off(480, 62)
    piece = read_bytes(midi_bytes(conductor + END, notes + END), reader, tmp_path, grid=24)
    assert piece.velocity.tolist() == [74, 90]
    assert piece.meters.tolist() == [[0, 3, 4], [144, 6, 8]]
    assert piece.tempo == pytest.approx(100)


@pytest.mark.parametrize("reader", READERS)
def test_before_the_first_meter_there_is_common_time_and_damaged_ones_are_ignored(
    reader: str, tmp_path: Path
) -> None:
    meters = event(0, 0xFF, 0x58, 4, 0, 2, 24, 8) + event(960, 0xFF, 0x58, 4, 2, 1, 24, 8)
    piece = read_bytes(midi_bytes(meters + END, QUARTER + END), reader, tmp_path, grid=24)
    assert piece.meters.tolist() == [[0, 4, 4], [48, 2, 2]]
    assert piece.tempo == 120


@pytest.mark.parametrize("reader", READERS)
def test_triplets_32nds_and_grace_notes_survive_the_grid(reader: str, tmp_path: Path) -> None:
    # ticks: a triplet, eight 32nd notes, a grace note, a quarter note
    lengths = [160] * 3 + [60] * 8 + [10, 470]
    track = b"".join(on(0, 60 + i) + off(length, 60 + i) for i, length in enumerate(lengths))
    piece = read_bytes(midi_bytes(track + END), reader, tmp_path, grid=24)
    assert piece.duration.tolist() == [8] * 3 + [3] * 8 + [1, 24]
    assert piece.onset.tolist() == [0, 8, 16, *range(24, 48, 3), 48, 49]
    # 470 ticks are 23.5 steps: the onset and the duration are half a step off the grid
    assert piece.rounding.onset_largest == pytest.approx(1 / 48)
    assert piece.rounding.onset_mean == pytest.approx(1 / 48 / 13)
    assert piece.rounding.off_grid_rate == pytest.approx(1 / 13)
    assert piece.rounding.duration_mean == pytest.approx(2 / 48 / 13)


def test_two_overlapping_notes_of_one_pitch(tmp_path: Path) -> None:
    data = midi_bytes(on(0, 60) + on(230, 60) + off(10, 60) + off(240, 60) + END)
    assert read_bytes(data, "fast", tmp_path).notes() == [(0, 240, 60), (230, 250, 60)]
    # music21 ends both notes at the first note-off
    assert read_bytes(data, "music21", tmp_path).notes() == [(0, 240, 60), (230, 10, 60)]


def test_a_note_struck_twice_and_released_once(tmp_path: Path) -> None:
    data = midi_bytes(on(0, 60) + on(240, 60) + off(240, 60) + END)
    assert read_bytes(data, "fast", tmp_path).notes() == [(0, 480, 60)]
    assert read_bytes(data, "music21", tmp_path).notes() == [(0, 480, 60), (240, 240, 60)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html><body>404</body></html>", "no MIDI file"),
        (midi_bytes(QUARTER + END)[:-9], "cut off"),
        (midi_bytes(), "no tracks"),
        (midi_bytes(END), "no notes"),
        (midi_bytes(QUARTER + END)[:8] + struct.pack(">HHh", 2, 1, 480), "format 2"),
        (midi_bytes(QUARTER + END)[:8] + struct.pack(">HHh", 1, 1, -6360), "SMPTE frames"),
        (
            midi_bytes(QUARTER + on(2**27, 60) + off(1, 60) + END),
            "longer than 100,000 quarter notes",
        ),
        (
            midi_bytes((on(2**28 - 1, 60) + off(1, 60)) * 9 + END),
            "longer than 100,000 quarter notes",
        ),
    ],
)
def test_both_readers_refuse_with_the_same_reason(
    data: bytes, reason: str, reader: str, tmp_path: Path
) -> None:
    with pytest.raises(ReadError, match=reason):
        read_bytes(data, reader, tmp_path)


def stating(n_tracks: int, data: bytes, kind: int = 1) -> bytes:
    """The file with another number of tracks, and another format, in its header."""
    return data[:8] + struct.pack(">HH", kind, n_tracks) + data[12:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "big") + content


LOWER = on(0, 48) + off(960, 48)
THREE = midi_bytes(QUARTER + END, LOWER + END, on(0, 36) + off(480, 36) + END)
TWO = midi_bytes(QUARTER + END, LOWER + END)
HEADER, FIRST, SECOND = TWO[:14], TWO[14:-21], TWO[-21:]
TWO_NOTES = [(0, 960, 48), (0, 480, 60)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("whole", [THREE, stating(1, midi_bytes(QUARTER * 9 + END), kind=0)])
def test_a_file_that_is_cut_at_any_byte_is_refused(
    whole: bytes, reader: str, tmp_path: Path
) -> None:
    assert read_bytes(whole, reader, tmp_path).notes()
    for end in range(1, len(whole)):
        # filled with zeros, the end of the last track may lack nothing but a zero
        for cut in [whole[:end]] + [whole[:end].ljust(len(whole), b"\0")] * (end < len(whole) - 4):
            with pytest.raises(ReadError, match=r"cut off|damaged|no MIDI|SMPTE"):
                read_bytes(cut, reader, tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (THREE[:14], "cut off: 0 of the 3 tracks that its header states are in it"),
        (TWO[:14] + FIRST, "cut off: 1 of the 2 tracks that its header states are in it"),
        (TWO[:14] + FIRST + b"MTrk\0", "cut off: 1 of the 2 tracks that its header states"),
        (TWO[:10], "cut off: it ends within its header"),
        (stating(1, TWO[:-10]), "cut off: its last track is shorter than its header states"),
        (stating(1, TWO[:14] + FIRST + b"MTrk\0\0"), "cut off: a track begins"),
        (stating(1, TWO[:14] + FIRST + b"MT"), "cut off: a track begins"),
        (stating(1, TWO[:14] + FIRST + b"\0" + SECOND), "cut off: a track begins"),
        (TWO + TWO, "another MIDI file begins after its tracks"),
        (midi_bytes(QUARTER) + LOWER + END, "damaged: its last track has no end"),
        (TWO[:7] + b"\2" + TWO[8:], "its header states 2 bytes"),
        (stating(0, TWO + b"MTrk\0\0\0\0" * 2**16), "65,538 tracks in it"),
        (b"RIFF\0\0\0\0RMIDLIST\0\0\0\0", "cut off: a RIFF file"),
    ],
)
def test_what_is_missing_is_said(data: bytes, reason: str, tmp_path: Path) -> None:
    for reader in READERS:
        with pytest.raises(ReadError, match=reason):
            read_bytes(data, reader, tmp_path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TWO + b"TAG" + b"Title".ljust(125, b"\0"), id="ID3v1"),
        pytest.param(TWO + b"ID3\3\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0", id="ID3v2"),
        pytest.param(TWO + b"\x1aSAUCE00" + b" " * 120, id="SAUCE"),
        pytest.param(TWO + bytes(1000), id="zeros"),
        pytest.param(TWO + b"\x1a", id="the end of a text file"),
        pytest.param(TWO + chunk(b"XFKM", b"MTrk\0\0"), id="a chunk of Yamaha's"),
        pytest.param(TWO + chunk(b"XFKM", b"text")[:-2], id="such a chunk, cut off"),
        pytest.param(HEADER + FIRST + chunk(b"XFIH", b"text") + SECOND, id="a chunk between"),
        pytest.param(HEADER + chunk(b"XFIH", b"") + FIRST + SECOND, id="a chunk before"),
        pytest.param(TWO[:7] + b"\x08" + TWO[8:14] + b"\0\0" + FIRST + SECOND, id="long header"),
        pytest.param(stating(1, TWO), id="the header states too few"),
        pytest.param(stating(0, TWO), id="the header states none"),
        pytest.param(stating(1, TWO, kind=0), id="format 0 with two tracks"),
        pytest.param(b"RIFF\0\0\0\0RMIDINFO\3\0\0\0abc\0data\x38\0\0\0" + TWO, id="RIFF"),
    ],
)
def test_what_is_no_track_is_skipped(data: bytes, reader: str, tmp_path: Path) -> None:
    assert read_bytes(data, reader, tmp_path).notes() == TWO_NOTES


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 300),  # delta time in ticks
        st.integers(0, 2),  # channel
        st.integers(60, 62),
        st.integers(0, 127),  # velocity; 0 is a note-off
        st.booleans(),  # note-on
    ),
    max_size=40,
)


@given(tracks=st.lists(EVENTS, min_size=1, max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_events_are_paired_as_documented(
    tracks: list[list[tuple[int, int, int, int, bool]]],
) -> None:
    events = (
        b"".join(event(dt, (0x90 if is_on else 0x80) | c, p, v) for dt, c, p, v, is_on in track)
        for track in tracks
    )
    data = midi_bytes(*(e + END for e in events))
    oldest, following = [], []
    for track in tracks:
        oldest += _paired(track, oldest_first=True)
        following += _paired(track, oldest_first=False)
    n_begun = sum(is_on and velocity > 0 for track in tracks for *_, velocity, is_on in track)
    for reading, expected in ((midi.symusic_events, oldest), (midi.music21_events, following)):
        found = reading(data)
        assert sorted(all_notes(found)) == sorted(expected)
        assert found.n_unended == n_begun - len(expected)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("track", "n_notes", "n_unended"),
    [
        (QUARTER, 1, 0),
        (QUARTER + on(0, 60), 1, 1),
        (on(0, 60) + on(480, 62, channel=9) + off(480, 60), 1, 1),
        (QUARTER + on(0, 61) * 21, 1, 21),
        (QUARTER + on(0, 61, channel=9) * 20_000, 1, 20_000),
        (on(0, 61) * 3 + on(5, 62) * 2 + off(5, 64) + QUARTER, 1, 5),
    ],
)
def test_notes_that_never_end_are_counted(
    track: bytes, n_notes: int, n_unended: int, reader: str, tmp_path: Path
) -> None:
    piece = read_bytes(midi_bytes(track + END), reader, tmp_path)
    assert (len(piece), piece.losses.unended) == (n_notes, n_unended)


def all_notes(events: midi.MidiEvents) -> list[tuple[int, ...]]:
    return [tuple(note) for track in events.notes for note in track.tolist()]


def named(name: bytes) -> bytes:
    return event(0, 0xFF, 3, len(name), *name)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("tracks", "kind", "expected"),
    [
        pytest.param(
            [named(b"Melody") + QUARTER, named(b"Bass") + event(0, 0xC0, 33) + QUARTER],
            1,
            [Track("Melody"), Track("Bass", 33)],
            id="MIDI tracks",
        ),
        pytest.param(
            [
                named(b"A title") + event(0, 0xC2, 7)
                + on(0, 72, channel=2) + on(0, 60) + on(0, 38, channel=9)
                + off(480, 72, channel=2) + off(0, 60) + off(0, 38, channel=9)
            ],
            0,
            [Track(), Track("", 7), Track("", 0, is_drum=True)],
            id="channels of format 0",
        ),
        pytest.param(
            [named(b"Solo") + event(0, 0xC0, 40) + QUARTER + event(0, 0xC0, 73) + QUARTER],
            1,
            [Track("Solo", 40), Track("Solo", 73)],
            id="program changes",
        ),
        pytest.param(
            [named(b"Caf\xc3\xa9 \x07") + QUARTER, named(b"nothing"), QUARTER],
            1,
            [Track("Café"), Track()],
            id="names, and a track without notes",
        ),
        pytest.param(
            [named(b"Piano") + on(0, 60) + on(240, 60, channel=3) + off(240, 60, channel=3)
             + off(240, 60)],
            1,
            [Track("Piano")],
            id="a note under one of its pitch",
        ),
        pytest.param(
            [named(b"Guitar") + QUARTER + on(0, 62, channel=3) + off(240, 62, channel=3)],
            1,
            [Track("Guitar"), Track("Guitar")],
            id="two channels",
        ),
    ],
)  # fmt: skip
def test_both_readers_give_the_tracks(
    tracks: Sequence[bytes], kind: int, expected: list[Track], reader: str, tmp_path: Path
) -> None:
    data = bytearray(midi_bytes(*(t + END for t in tracks)))
    data[9] = kind
    piece = read_bytes(bytes(data), reader, tmp_path)
    assert piece.tracks == tuple(expected)
    assert set(piece.track.tolist()) == set(range(len(expected)))


def _paired(
    track: list[tuple[int, int, int, int, bool]], *, oldest_first: bool
) -> list[tuple[int, int, int, int]]:
    """(onset, duration, pitch, velocity). A note-off ends the oldest open note, or all of them."""
    time, notes = 0, []
    sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for delta, channel, pitch, velocity, is_on in track:
        time += delta
        notes_there = sounding.setdefault((channel, pitch), [])
        if is_on and velocity > 0:
            notes_there.append((time, velocity))
            continue
        for _ in range(1 if oldest_first else len(notes_there)):
            if notes_there:
                onset, struck = notes_there.pop(0)
                notes.append((onset, time - onset, pitch, struck))
    return notes
