"""Rare and damaged events of MIDI tracks, by both readers, against literal answers and mido."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.io.errors import ReadError
from gan_music.io.formats.midi_chunks import whole_tracks
from gan_music.io.formats.midi_events import plain
from gan_music.io.read import MIDI_SUFFIXES, read
from tests.io.faults import FAULTS, quarters
from tests.io.scores import END, midi_bytes

READERS = ("fast", "music21")
QUARTER = bytes.fromhex("8360")  # 480 ticks
SCALE = [(i, 1, p) for i, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))]


def bytes_of(text: str) -> bytes:
    """Hexadecimal bytes, where ``Q`` is a delta time of a quarter note."""
    return bytes.fromhex(text.replace("Q", "8360"))


NOTE = "00903c50 Q803c40"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("file", "notes"),
    [
        ("bytes_after_last_track", SCALE),
        ("one_bad_velocity", SCALE),
        ("riff", SCALE),
        ("sysex_packets_data", [(0, 1, 60)]),
    ],
)
def test_what_was_read_wrong(file: str, notes: list, reader: str) -> None:
    (piece,) = read(FAULTS / f"midi_{file}.mid", reader=reader)
    assert quarters(piece) == notes


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("track", "notes"),
    [
        pytest.param("00903cc8 Q803cc8", [(0, 1, 60)], id="velocities above 127"),
        pytest.param("0090c850 Q80c840", [(0, 1, 127)], id="pitch above 127"),
        pytest.param(
            "00b0c80a 00b007c8 00c0c8 00e0c8c8" + NOTE, [(0, 1, 60)], id="others above 127"
        ),
        pytest.param("00f7049030407f" + NOTE, [(0, 1, 60)], id="a packet that looks like a note"),
        pytest.param(
            "00f003430012 Qf703010203 00f702 04f7" + NOTE, [(1, 1, 60)], id="SysEx in packets"
        ),
        pytest.param(
            "00903c50 00f0057e7f0901f7 Q3c00", [(0, 1, 60)], id="running status after SysEx"
        ),
        pytest.param("00903c50 00fe 00f8 00f110 Q803c40", [(0, 1, 60)], id="system messages"),
        pytest.param(
            "00903c50 004050 Qb07b00 003c50 Q7800 00903e50 Q3e00 003c00",
            [(0, 1, 60), (0, 1, 64), (2, 1, 62)],
            id="all notes off, running status",
        ),
        pytest.param(
            "00903c50 00914050 Qb07800 Q814040",
            [(0, 1, 60), (0, 2, 64)],
            id="all sound off, a channel",
        ),
        pytest.param(NOTE + "00ff2f00" + NOTE, [(0, 1, 60), (1, 1, 60)], id="events after the end"),
        pytest.param(NOTE + "00ff2f00 00000000", [(0, 1, 60)], id="zeros after the end"),
        pytest.param("808080800090 3c50 Q803c40", [(0, 1, 60)], id="a delta time of five bytes"),
    ],
)
def test_rare_and_damaged_events(track: str, notes: list, reader: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(midi_bytes(bytes_of(track) + END))
    assert quarters(read(path, reader=reader)[0]) == notes


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("track", ["00903c50 Q80", "3c50 Q803c40", "00903c50 Qf07f00"])
def test_a_track_that_ends_within_an_event_is_refused(
    track: str, reader: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(midi_bytes(bytes_of(track)))
    with pytest.raises(ReadError, match=r"damaged|no notes"):
        read(path, reader=reader)


def mac_binary(data: bytes, resource: bytes = b"") -> bytes:
    head = bytearray(128)
    head[1:7] = b"\x05a.mid"
    head[83:91] = len(data).to_bytes(4, "big") + len(resource).to_bytes(4, "big")
    return bytes(head) + data + bytes(-len(data) % 128) + resource


def riff(data: bytes) -> bytes:
    body = b"RMIDdata" + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


FILE = midi_bytes(bytes_of(NOTE) + END)
LONG_HEADER = FILE[:4] + (8).to_bytes(4, "big") + FILE[8:14] + b"\0\0" + FILE[14:]


@pytest.mark.parametrize(
    "data",
    [FILE, LONG_HEADER, riff(FILE), mac_binary(FILE), mac_binary(FILE, bytes(300)), FILE + b"TAG"],
)
@pytest.mark.parametrize("suffix", sorted(MIDI_SUFFIXES))
def test_frames_and_suffixes(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    path.write_bytes(data)
    assert [quarters(read(path, reader=r)[0]) for r in READERS] == [[(0, 1, 60)]] * 2


def test_the_suffixes() -> None:
    assert {".mid", ".midi", ".kar", ".smf", ".rmi"} == MIDI_SUFFIXES


@pytest.mark.parametrize("frame", [riff, mac_binary])
def test_a_frame_that_is_cut_is_refused(frame: object, tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    whole = frame(FILE)  # type: ignore[operator]
    for end in range(1, whole.index(FILE) + len(FILE)):
        path.write_bytes(whole[:end])
        with pytest.raises(ReadError, match=r"cut off|does not begin with a MIDI header|no tracks"):
            read(path)


NOTES = st.tuples(st.sampled_from([0x80, 0x90, 0x91]), st.integers(58, 62), st.integers(0, 127))
EXTRA = st.sampled_from(["f0037e09f7", "f7029060", "f8", "fe", "f110", "f2aa01", "f0047e7f0901"])
EVENTS = st.lists(st.tuples(st.integers(0, 127), NOTES, st.lists(EXTRA, max_size=2)), max_size=20)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.booleans())
def test_system_messages_change_nothing(events: list, running: bool) -> None:
    with_extra, without, status = b"", b"", 0
    for delta, (kind, pitch, velocity), extra in events:
        first = bytes([delta])
        for message in extra:
            with_extra += first + bytes.fromhex(message)
            first = b"\0"
        event = bytes([kind, pitch, velocity])
        with_extra += first + event
        without += bytes([delta]) + (event[1:] if running and kind == status else event)
        status = kind
    plain_bytes = [plain(b"MTrk" + bytes(4) + body + END) for body in (with_extra, without)]
    assert plain_bytes[0] == plain_bytes[1]
    read_by_mido = mido.MidiFile(file=io.BytesIO(midi_bytes(plain_bytes[0][8:])))
    assert [m.bytes() for m in read_by_mido.tracks[0] if not m.is_meta] == [
        list(event) for _, event, _ in events
    ]


def messages(data: bytes) -> Iterator[tuple[int, int]]:
    """(onset, pitch) of each note that mido reads and that ends."""
    for track in mido.MidiFile(file=io.BytesIO(data), clip=True).tracks:
        now, open_notes = 0, {}
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                open_notes.setdefault(message.note, []).append(now)
            elif message.type in ("note_on", "note_off") and open_notes.get(message.note):
                yield open_notes[message.note].pop(0), message.note


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_file_that_is_cut_is_refused_or_has_the_notes_of_mido(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["bytes_after_last_track", "one_bad_velocity"]))
    whole = (FAULTS / f"midi_{name}.mid").read_bytes()
    cut = whole[: data.draw(st.integers(1, len(whole)))]
    try:
        found = whole_tracks(cut)
    except ReadError:
        return
    assert sorted(messages(found)) == sorted(messages(cut))
