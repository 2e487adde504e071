"""Reads MIDI files.

:func:`read_fast` uses symusic (C++), :func:`read_music21` uses music21 (Python), which is hundreds
of times slower. They share the checks of the file and the rounding to the grid. They pair note-on
and note-off events differently in two cases, both within one track and channel:

- *Two note-ons of a pitch, then two note-offs.* In symusic the first note-off ends the first note
  and the second ends the second, as is usual. In music21 both notes end at the first note-off, and
  the second note loses most of its duration.
- *Two note-ons of a pitch, then one note-off.* In music21 both notes end there. symusic drops the
  second note, which never ends.

Notes that never end are left out and counted.

A track is what one channel of a MIDI track plays with one program, so that a file of format 0 is
split by channel, and a program change begins another track. A channel that only plays notes that
another one of its MIDI track holds, with the same program, is no track of its own: that is how
:mod:`gan_music.io.midi_writer` writes two notes of one pitch that overlap.

The music21 reader uses music21's event lists, not ``converter.parse``. The latter also estimates
measures, voices and ties, merges notes that end almost together into one chord, and moves every bar
after one that is too long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import symusic

from gan_music.io.errors import ReadError
from gan_music.io.formats import midi_chunks, midi_events
from gan_music.io.instruments import track_name
from gan_music.io.limits import MAX_QUARTERS
from gan_music.music.piece import (
    COMMON_TIME,
    DEFAULT_TEMPO,
    ONE_TRACK,
    IntArray,
    Losses,
    Piece,
    Track,
    rounding,
)

Meter = tuple[int, int, int]  # start, numerator, denominator

# Channel 10, counted from 1 as in music21, is percussion in General MIDI.
_PERCUSSION_CHANNEL = 10


@dataclass
class MidiEvents:
    """The content of a MIDI file before any rounding, with times in ticks.

    Attributes
    ----------
    ticks_per_quarter : ticks per quarter note.
    tracks : by MIDI track, channel and program.
    notes : of each track, int64 ``[N, 4]``: onset, duration, pitch, velocity.
    tempos : (time, quarter notes per minute).
    meters : (time, numerator, denominator).
    n_unended : notes without a note-off, which ``notes`` has not.
    """

    ticks_per_quarter: int
    tracks: list[Track]
    notes: list[IntArray]
    tempos: list[tuple[int, float]]
    meters: list[Meter]
    n_unended: int = 0


def read_fast(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a MIDI file, through symusic."""
    data = midi_chunks.whole_tracks(path.read_bytes())
    if _bound_of_ticks(data) >= 2**31:  # symusic counts ticks in 32 bits
        return [_piece(music21_events(data), grid, name)]
    return [_piece(symusic_events(data), grid, name)]


def read_music21(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a MIDI file, through music21."""
    return [_piece(music21_events(midi_chunks.whole_tracks(path.read_bytes())), grid, name)]


def symusic_events(data: bytes) -> MidiEvents:
    """Events as symusic pairs them: each note-off ends the oldest open note of its pitch."""
    header, *chunks = midi_chunks.chunks(data)
    found = MidiEvents(int.from_bytes(header[12:14], "big"), [], [], [], [])
    for chunk in chunks:
        # one at a time, since symusic does not tell MIDI tracks of one name apart
        score = _symusic_score(header, chunk)
        end = score.markers[-1].time
        tracks = [Track(track_name(t.name), t.program, t.is_drum) for t in score.tracks]
        notes = [_columns(t.notes.numpy()) for t in score.tracks]
        ended = [own[own[:, 0] + own[:, 1] <= end] for own in notes]
        _add(found, tracks, ended)
        n_ended = sum(map(len, ended))
        if n_ended < sum(map(len, notes)):
            # a pitch that is struck again ends once, so these are not all that never end
            found.n_unended += midi_events.n_note_ons(chunk) - n_ended
        found.tempos.extend((t.time, t.qpm) for t in score.tempos)
        found.meters.extend((m.time, m.numerator, m.denominator) for m in score.time_signatures)
    return _named(found, header)


def _columns(notes: dict[str, IntArray]) -> IntArray:
    """Onset, duration, pitch, velocity, ``[N, 4]``."""
    names = ("time", "duration", "pitch", "velocity")
    return np.stack([notes[name] for name in names], 1).astype(np.int64)


def _symusic_score(header: bytes, chunk: bytes) -> Any:
    """The score of a track, of its plain events if it has others.

    All pitches are ended behind a last marker: symusic drops notes that never end without a word.
    """
    if not midi_events.may_be_rare(chunk):
        try:
            score = symusic.Score.from_midi(header + midi_events.all_ended(chunk))
        except RuntimeError:  # a data byte above 127, say
            pass
        else:
            controls = [t.controls.numpy()["number"] for t in score.tracks]
            if not controls or not np.isin(np.concatenate(controls), midi_events.NOTES_OFF).any():
                return score
    try:
        chunk = midi_events.all_ended(midi_events.plain(chunk))
        return symusic.Score.from_midi(header + chunk)
    except RuntimeError as error:
        raise ReadError("damaged: it has events that no MIDI track has") from error


def music21_events(data: bytes) -> MidiEvents:
    """Events as music21 pairs them: each note-off ends all open notes of its pitch."""
    from music21 import midi
    from music21.midi import translate

    header, *chunks = midi_chunks.chunks(data)
    file = midi.MidiFile()
    file.readstr(header + b"".join(map(midi_events.plain, chunks)))
    found = MidiEvents(file.ticksPerQuarterNote, [], [], [], [])
    for track in file.tracks:
        events = translate.getTimeForEvents(track)
        name = ""
        program: dict[int, int] = {}  # of each channel
        keys: dict[int, tuple[int, int]] = {}  # note-on event -> channel, program
        for time, event in events:
            if event.type == midi.MetaEvents.SET_TEMPO and any(event.data):
                found.tempos.append((time, 60e6 / int.from_bytes(event.data, "big")))
            elif event.type == midi.MetaEvents.TIME_SIGNATURE and len(event.data) >= 2:
                found.meters.append((time, event.data[0], 2 ** event.data[1]))
            elif event.type == midi.MetaEvents.SEQUENCE_TRACK_NAME and not name:
                name = event.data.decode(errors="replace")
            elif event.type == midi.ChannelVoiceMessages.PROGRAM_CHANGE:
                program[event.channel] = int(event.data)
            else:
                keys[id(event)] = (event.channel, program.get(event.channel, 0))
                found.n_unended += event.isNoteOn() and event.velocity > 0
        notes: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
        for on, off, event in translate.getNotesFromEvents(events):
            row = (on, off - on, event.pitch, event.velocity)
            notes.setdefault(keys[id(event)], []).append(row)
            found.n_unended -= 1
        ordered = sorted(notes)
        _add(
            found,
            [Track(track_name(name), p, c == _PERCUSSION_CHANNEL) for c, p in ordered],
            [np.array(notes[key], dtype=np.int64) for key in ordered],
        )
    return _named(found, header)


def _add(found: MidiEvents, tracks: list[Track], notes: list[IntArray]) -> None:
    """Add the tracks of one MIDI track that have notes."""
    first = len(found.tracks)
    for track, own in zip(tracks, notes, strict=True):
        if not len(own):
            continue
        same = (i for i in range(first, len(found.tracks)) if found.tracks[i] == track)
        overlapped = next((i for i in same if _is_within(own, found.notes[i])), None)
        if overlapped is None:
            found.tracks.append(track)
            found.notes.append(own.astype(np.int64))
        else:
            found.notes[overlapped] = np.concatenate([found.notes[overlapped], own])


def _named(found: MidiEvents, header: bytes) -> MidiEvents:
    """Without the name of a track of format 0 that is split: that is the music's title."""
    is_format_0 = not int.from_bytes(header[8:10], "big")
    if is_format_0 and len(found.tracks) > 1:
        found.tracks[:] = [track._replace(name="") for track in found.tracks]
    return found


def _is_within(notes: IntArray, others: IntArray) -> bool:
    """Whether each note overlaps another one of its pitch among the others."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for onset, duration, pitch, _ in others.tolist():
        spans.setdefault(pitch, []).append((onset, onset + duration))
    return all(
        any(begin < onset + duration and onset < end for begin, end in spans.get(pitch, ()))
        for onset, duration, pitch, _ in notes.tolist()
    )


def _piece(events: MidiEvents, grid: int, name: str) -> Piece:
    ticks = events.ticks_per_quarter
    columns = np.concatenate([np.empty((0, 4), np.int64), *events.notes])
    onset, duration, pitch, velocity = columns.T
    onsets, durations = _steps(onset, ticks, grid), _steps(duration, ticks, grid)
    return Piece.from_arrays(
        onsets,
        np.maximum(1, durations),
        pitch,
        velocity=velocity.clip(1, 127),
        grid=grid,
        meters=_meters_in_steps(events.meters, ticks, grid),
        tempo=_first_tempo(events.tempos),
        name=name,
        rounding=rounding(onset * grid / ticks, onsets, duration * grid / ticks, durations, grid),
        track=np.repeat(np.arange(len(events.notes)), [len(n) for n in events.notes]),
        tracks=events.tracks or ONE_TRACK,
        losses=Losses(unended=events.n_unended),
    )


def _steps(time: Any, ticks: int, grid: int) -> Any:
    """Ticks in steps of the grid, halves upwards; of an integer or an array."""
    return (2 * time * grid + ticks) // (2 * ticks)


def _first_tempo(tempos: Iterable[tuple[int, float]]) -> float:
    valid = [(time, qpm) for time, qpm in tempos if np.isfinite(qpm) and qpm > 0]
    return min(valid, key=lambda t: t[0])[1] if valid else DEFAULT_TEMPO


def _meters_in_steps(meters: Sequence[Meter], ticks: int, grid: int) -> list[Meter]:
    """The last meter at each time, with 4/4 before the first one.

    MIDI has no pickups: programs write a first bar, shorter than the next, in a meter of its own.
    It is read as the end of a bar of the next meter.
    """
    starts: dict[int, tuple[int, int]] = {}
    for time, numerator, denominator in sorted(meters, key=lambda m: m[0]):
        if numerator > 0 and denominator <= 64:  # others come from damaged files
            start = _steps(time, ticks, grid)
            if start <= MAX_QUARTERS * grid:
                starts[start] = (numerator, denominator)
    found = [(start, *meter) for start, meter in sorted(starts.items())]
    if 0 not in starts:
        found.insert(0, COMMON_TIME)
    elif len(found) > 1:
        (_, *first), (end, *meter) = found[:2]
        own, bar = (Fraction(4 * grid * m[0], m[1]) for m in (first, meter))
        if end <= own and end < bar:
            found[:2] = [(end - bar.numerator, meter[0], meter[1])]  # a whole number of bars before
    return found


def _bound_of_ticks(data: bytes) -> int:
    """An upper bound of the sum of all delta times, in ticks, without parsing the events.

    A delta time is up to three bytes above 127 and one below. All bytes of that form are counted,
    except in tempo events.
    """
    values = np.frombuffer(midi_events.TEMPO.sub(b"\0" * 6, data), np.uint8)
    high = values > 127
    bits = (values & 127).astype(np.int64)
    ends = np.flatnonzero(~high[3:] & high[2:-1]) + 3  # of more than one byte
    total = 127 * len(values) + bits[ends].sum() + (bits[ends - 1] << 7).sum()
    further = high[ends - 2]
    total += (bits[ends - 2] << 14)[further].sum()
    further &= high[ends - 3]
    return int(total + (bits[ends - 3] << 21)[further].sum())


_READERS = {"fast": read_fast, "music21": read_music21}
# .kar: karaoke; .rmi: a RIFF file
FORMATS = dict.fromkeys((".mid", ".midi", ".kar", ".smf", ".rmi"), _READERS)
