"""A MIDI file -> its notes, by either of two readers that agree.

- :func:`read_fast` takes the events' pairing from symusic, in C++;
- :func:`read_music21` takes it from music21, in Python, hundreds of times slower.

Both check the file's chunks first and share the way from ticks to the grid, so that they can differ
in the pairing of note-on and note-off alone, and do so in two cases (both within one track and
channel):

- *Struck again while it sounds.* Two note-ons of a pitch, then two note-offs: by symusic the first
  note-off ends the first note and the second the second, as is usual; by music21 both notes end at
  the first, so that the second loses most of its length. symusic's answer is kept.
- *Struck again, released once.* Two note-ons of a pitch, then one note-off: music21 ends both notes
  there; symusic leaves out the second, which never ends.

music21's reader uses its event lists, not ``converter.parse``, which goes on to guess measures,
voices and ties, merges notes that end almost together into one chord and moves every bar after an
over-full one. Nothing of it is needed for notes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import symusic

from gan_music.io.errors import ReadError
from gan_music.io.limits import MAX_QUARTERS
from gan_music.music.piece import COMMON_TIME, DEFAULT_TEMPO, IntArray, Piece, rounding

# Channel 10, as music21 counts from 1, is percussion by General MIDI.
_PERCUSSION_CHANNEL = 10
_TEMPO = re.compile(rb"\xff\x51\x03...", re.DOTALL)


@dataclass(frozen=True)
class MidiEvents:
    """What a MIDI file says, in ticks, before any rounding.

    Attributes
    ----------
    ticks : a quarter note's.
    notes : int64 ``[N, 4]``: onset, length, pitch, velocity.
    tempos : (time, quarters a minute).
    meters : (time, numerator, denominator).
    """

    ticks: int
    notes: IntArray
    tempos: list[tuple[int, float]]
    meters: list[tuple[int, int, int]]


def read_fast(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a MIDI file, through symusic."""
    data = path.read_bytes()
    _check_chunks(data)
    if _longest_time(data) >= 2**31:  # symusic counts ticks in 32 bits
        return [_piece(music21_events(path), grid, name)]
    return [_piece(symusic_events(data), grid, name)]


def read_music21(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a MIDI file, through music21."""
    _check_chunks(path.read_bytes())
    return [_piece(music21_events(path), grid, name)]


def symusic_events(data: bytes) -> MidiEvents:
    """As symusic pairs note-on and note-off: each note-off ends the oldest note of its pitch."""
    score = symusic.Score.from_midi(data)
    tracks = [t.notes.numpy() for t in score.tracks if not t.is_drum]
    columns = [
        np.concatenate([np.empty(0, np.int64), *(t[key] for t in tracks)])
        for key in ("time", "duration", "pitch", "velocity")
    ]
    return MidiEvents(
        score.ticks_per_quarter,
        np.stack(columns, 1),
        [(t.time, t.qpm) for t in score.tempos],
        [(m.time, m.numerator, m.denominator) for m in score.time_signatures],
    )


def music21_events(path: Path) -> MidiEvents:
    """As music21 pairs them: a note ends at the first note-off of its pitch that follows."""
    from music21 import midi
    from music21.midi import translate

    file = midi.MidiFile()
    with path.open("rb") as stream:
        file.openFileLike(stream)
        file.read()
    notes: list[tuple[int, int, int, int]] = []
    tempos: list[tuple[int, float]] = []
    meters: list[tuple[int, int, int]] = []
    for track in file.tracks:
        events = translate.getTimeForEvents(track)
        for time, event in events:
            if event.type == midi.MetaEvents.SET_TEMPO and any(event.data):
                tempos.append((time, 60e6 / int.from_bytes(event.data, "big")))
            elif event.type == midi.MetaEvents.TIME_SIGNATURE and len(event.data) >= 2:
                meters.append((time, event.data[0], 2 ** event.data[1]))
        for on, off, event in translate.getNotesFromEvents(events):
            if event.channel != _PERCUSSION_CHANNEL:
                notes.append((on, off - on, event.pitch, event.velocity))
    columns = np.array(notes, dtype=np.int64).reshape(-1, 4)
    return MidiEvents(file.ticksPerQuarterNote, columns, tempos, meters)


def _piece(events: MidiEvents, grid: int, name: str) -> Piece:
    """Rounded to the grid, halves upwards; a duration is at least one step."""
    ticks = events.ticks
    onset, length, pitch, velocity = events.notes.T
    onsets, durations = _steps(onset, ticks, grid), _steps(length, ticks, grid)
    return Piece.from_arrays(
        onsets,
        np.maximum(1, durations),
        pitch,
        velocity=velocity.clip(1, 127),
        grid=grid,
        meters=_meters(events.meters, ticks, grid),
        tempo=_tempo(events.tempos),
        name=name,
        rounding=rounding(onset * grid / ticks, onsets, length * grid / ticks, durations, grid),
    )


def _steps(time: IntArray, ticks: int, grid: int) -> IntArray:
    return (2 * time * grid + ticks) // (2 * ticks)


def _tempo(tempos: Iterable[tuple[int, float]]) -> float:
    sane = [(time, qpm) for time, qpm in tempos if np.isfinite(qpm) and qpm > 0]
    return min(sane, key=lambda t: t[0])[1] if sane else DEFAULT_TEMPO


def _meters(
    meters: Sequence[tuple[int, int, int]], ticks: int, grid: int
) -> list[tuple[int, int, int]]:
    """In steps; the last of those at one time holds, and before the first there is common time."""
    starts = {0: COMMON_TIME[1:]}
    for time, numerator, denominator in sorted(meters, key=lambda m: m[0]):
        if numerator > 0 and denominator <= 64:  # others are damage
            start = (2 * time * grid + ticks) // (2 * ticks)
            if start <= MAX_QUARTERS * grid:
                starts[start] = (numerator, denominator)
    return [(start, *meter) for start, meter in sorted(starts.items())]


def _check_chunks(data: bytes) -> None:
    """Refuse what is no MIDI file of notes on one time line in beats, or was cut off."""
    if data[:4] != b"MThd" or len(data) < 14:
        raise ReadError("no MIDI file: it does not begin with a MIDI header")
    length, kind, _, division = struct.unpack(">IHHh", data[4:14])
    if kind > 1:
        raise ReadError("a MIDI file of format 2, whose tracks do not sound together")
    if division < 1:
        raise ReadError("its time is counted in frames of film, not in beats")
    start = 8 + length
    n_tracks = 0
    while start + 8 <= len(data):
        n_tracks += data[start : start + 4] == b"MTrk"
        start += 8 + int.from_bytes(data[start + 4 : start + 8], "big")
        if start > len(data) and n_tracks:
            raise ReadError("cut off: its last track is shorter than it says")
    if not n_tracks:
        raise ReadError("no tracks in it")


def _longest_time(data: bytes) -> int:
    """An upper bound of all delta times together, in ticks, without reading the events.

    A delta time is up to three bytes above 127 and one below; whatever looks like one is counted,
    but for the data of tempos.
    """
    values = np.frombuffer(_TEMPO.sub(b"\0" * 6, data), np.uint8)
    high = values > 127
    bits = (values & 127).astype(np.int64)
    ends = np.flatnonzero(~high[3:] & high[2:-1]) + 3  # of more than one byte
    total = 127 * len(values) + bits[ends].sum() + (bits[ends - 1] << 7).sum()
    further = high[ends - 2]
    total += (bits[ends - 2] << 14)[further].sum()
    further &= high[ends - 3]
    return int(total + (bits[ends - 3] << 21)[further].sum())
