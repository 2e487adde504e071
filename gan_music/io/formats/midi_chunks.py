"""The chunks of MIDI files: whether all of a file is there, and what in it is no track."""

from __future__ import annotations

import re
import struct

from gan_music.io.errors import ReadError

_END_OF_TRACK = b"\xff\x2f\0"
# in the bytes after the last whole chunk: lengths of tracks begin with 0, unlike text
_BEGUN_TRACK = re.compile(rb"MTrk(\0|\Z)|MTr?\Z")


def whole_tracks(data: bytes) -> bytes:
    """A file's header and tracks, if all are there, without all else that it holds.

    The header then states the number of tracks found: some libraries read no more tracks than it
    states, or none after a chunk of another type, which the standard says to skip. What follows the
    last track (tags, padding) and the frame of a RIFF file (RMID) or of MacBinary are left out.

    Raises
    ------
    ReadError
        If the file has no MIDI header or no tracks, is of format 2, in SMPTE time or cut off.
    """
    data = _without_frame(data)
    if data[:4] != b"MThd":
        raise ReadError("no MIDI file: it does not begin with a MIDI header")
    if len(data) < 14:
        raise ReadError("cut off: it ends within its header")
    length, kind, n_tracks, division = struct.unpack(">IHHh", data[4:14])
    if length < 6:
        raise ReadError(f"no MIDI file: its header states {length} bytes, not 6")
    if kind > 1:
        raise ReadError("a MIDI file of format 2, whose tracks are independent of each other")
    if division < 1:
        raise ReadError("its times are SMPTE frames, not ticks of a quarter note")
    tracks = _tracks(data, 8 + length, n_tracks)
    if not tracks:
        raise ReadError("no tracks in it")
    if len(tracks) >= 2**16:
        raise ReadError(f"{len(tracks):,} tracks in it: a MIDI file has at most 65,535")
    kind = 1 if len(tracks) > 1 else kind
    return struct.pack(">4sIHHh", b"MThd", 6, kind, len(tracks), division) + b"".join(tracks)


def _without_frame(data: bytes) -> bytes:
    """The MIDI file within a RIFF file (RMID) or MacBinary; other files as they are."""
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        return _in_riff(data)
    # MacBinary: 128 bytes with the length of the data fork, then that, then the resource fork
    if len(data) > 132 and data[128:132] == b"MThd" and not data[0] and 0 < data[1] < 64:
        end = 128 + int.from_bytes(data[83:87], "big")
        if end > len(data):
            raise ReadError("cut off: it is shorter than its MacBinary header states")
        return data[128:end]
    return data


def _in_riff(data: bytes) -> bytes:
    """What the first chunk ``data`` of a RIFF file holds."""
    start = 12
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
        if data[start : start + 4] == b"data":
            return data[start + 8 : end]
        start = end + end % 2
    raise ReadError("cut off: a RIFF file without the MIDI file that it should hold")


def _tracks(data: bytes, start: int, at_least: int) -> list[bytes]:
    """The chunks of all tracks from ``start`` on."""
    tracks = []
    after = start  # the last track
    while start + 8 <= len(data):
        kind = data[start : start + 4]
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "big")
        if kind == b"MThd":
            raise ReadError("another MIDI file begins after its tracks")
        if kind == b"MTrk":
            if end > len(data):
                raise ReadError("cut off: its last track is shorter than its header states")
            tracks.append(data[start:end])
            after = end
            if _END_OF_TRACK not in tracks[-1] and data[start + 8 : end].endswith(bytes(4)):
                raise ReadError("cut off: a track ends in zeros, without an end of track")
        elif end > len(data):
            break
        start = end
    if len(tracks) < at_least:
        raise ReadError(
            f"cut off: {len(tracks)} of the {at_least} tracks that its header states are in it"
        )
    if _BEGUN_TRACK.search(data, start):
        raise ReadError("cut off: a track begins that no length of a chunk leads to")
    if tracks and _END_OF_TRACK not in tracks[-1] and data[after:]:
        raise ReadError("damaged: its last track has no end, and further bytes follow it")
    return tracks


def chunks(data: bytes) -> list[bytes]:
    """The header of a file, then its tracks."""
    start = 8 + int.from_bytes(data[4:8], "big")
    found = [data[:start]]
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "big")
        if data[start : start + 4] == b"MTrk":
            found.append(data[start:end])
        start = end
    return found
