"""The events of a MIDI track, made plain for the libraries that read them.

Libraries differ in what they do with events that are rare or damaged. Here,

- SysEx events and packets (``F0``, ``F7``) and system messages are left out, with their time kept;
- data bytes above 127 become 127;
- *all notes off* and *all sound off* (and the mode messages, which imply the former) become a
  note-off for each note of their channel that sounds;
- events after an end of track are read if all of them can be; what else follows it is left out.
"""

from __future__ import annotations

import re
from collections import Counter

from gan_music.io.errors import ReadError

_HEADER = 8  # bytes of a chunk before its events: MTrk and the length
_END_OF_TRACK = b"\xff\x2f\0"
# channel mode messages that end notes; 121 and 122 are the reset and the local control
NOTES_OFF = (120, 123, 124, 125, 126, 127)
# the values of tempo events may have any byte
TEMPO = re.compile(rb"\xff\x51\x03...", re.DOTALL)
_SYSEX = re.compile(rb"[\xf0\xf7]")  # or a byte of a long delta time
# note-offs, in running status: a tick later on the first channel, then at once
_OFFS = b"".join(
    bytes([0x80 | channel]).join(
        [b"\0" if channel else b"\1", b"\0".join(bytes([pitch, 64]) for pitch in range(128))]
    )
    for channel in range(16)
)
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # bytes after a system message


def may_be_rare(track: bytes) -> bool:
    """Whether a track may have SysEx, or events after its end."""
    end = track.find(_END_OF_TRACK, _HEADER)
    if -1 < end < len(track) - len(_END_OF_TRACK):
        return True
    return _SYSEX.search(track) is not None and _SYSEX.search(TEMPO.sub(b"", track)) is not None


def plain(track: bytes) -> bytes:
    """The chunk of a track with plain events and an end.

    Raises
    ------
    ReadError
        If the track is damaged: it ends within an event, or begins with none.
    """
    events = _events(track)
    body = bytes(events.written) + _variable(events.delta) + _END_OF_TRACK
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def n_note_ons(track: bytes) -> int:
    """The number of notes that begin in a track that can be read."""
    return _events(track).n_note_ons


def _events(track: bytes) -> _Events:
    events = _Events(track)
    while events.position < len(track):
        if not events.has_ended:
            events.read_event()
            continue
        before = (events.n_note_ons, bytes(events.written))
        try:
            events.has_ended = False
            while events.position < len(track):
                events.read_event()
        except ReadError:
            events.n_note_ons, events.written = before[0], bytearray(before[1])
            break
    return events


def all_ended(track: bytes) -> bytes:
    """The chunk of a track with a marker at its end and, a tick later, a note-off for each pitch of
    each channel.
    """
    if not track.endswith(_END_OF_TRACK):
        track = plain(track)
    # the marker takes the place of the end of track, whose delta time stands before it
    body = track[_HEADER : -len(_END_OF_TRACK)] + b"\xff\x06\1." + _OFFS
    body += b"\0" + _END_OF_TRACK
    return b"MTrk" + len(body).to_bytes(4, "big") + body


class _Events:
    """Reads the events of a track one by one and writes them plain."""

    def __init__(self, track: bytes) -> None:
        self.written = bytearray()
        self.delta = 0  # ticks since the last event that was written
        self.n_note_ons = 0
        self.position = _HEADER
        self.has_ended = False
        self._track = track
        self._status = 0  # the running status
        self._sounding: Counter[tuple[int, int]] = Counter()  # (channel, pitch) -> notes

    def read_event(self) -> None:
        self.delta += self._read_variable()
        status = self._take(1)[0]
        if status < 0x80:
            self.position -= 1
            status = self._status
            if not status:
                raise ReadError(f"damaged: a track has no event at byte {self.position}")
        if status < 0xF0:
            self._status = status
            self._channel_event(status)
        elif status == 0xFF:
            start = self.position
            kind = self._take(1)[0]
            self._take(self._read_variable())
            if kind == _END_OF_TRACK[1]:
                self.has_ended = True
                self._status = 0
            else:
                self._write(b"\xff" + self._track[start : self.position])
        elif status in (0xF0, 0xF7):
            self._take(self._read_variable())
        else:
            self._take(_SYSTEM_DATA.get(status, 0))

    def _channel_event(self, status: int) -> None:
        kind, channel = status & 0xF0, status & 0x0F
        data = bytes(min(byte, 127) for byte in self._take(1 if kind in (0xC0, 0xD0) else 2))
        if kind == 0xB0 and data[0] in NOTES_OFF:
            for (other, pitch), count in list(self._sounding.items()):
                if other == channel:
                    for _ in range(count):
                        self._write(bytes([0x80 | channel, pitch, 64]))
                    del self._sounding[other, pitch]
            return
        if kind == 0x90 and data[1]:
            self.n_note_ons += 1
            self._sounding[channel, data[0]] += 1
        elif kind in (0x80, 0x90) and self._sounding[channel, data[0]]:
            self._sounding[channel, data[0]] -= 1
        self._write(bytes([status]) + data)

    def _write(self, event: bytes) -> None:
        self.written += _variable(self.delta) + event
        self.delta = 0

    def _take(self, count: int) -> bytes:
        start = self.position
        self.position += count
        if self.position > len(self._track):
            raise ReadError("damaged: a track ends within an event")
        return self._track[start : self.position]

    def _read_variable(self) -> int:
        """A quantity of variable length; longer ones than MIDI's four bytes, too."""
        value = 0
        while True:
            byte = self._take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value


def _variable(value: int) -> bytes:
    found = [value & 0x7F]
    while value := value >> 7:
        found.insert(0, value & 0x7F | 0x80)
    return bytes(found)
