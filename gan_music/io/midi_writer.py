"""Writes MIDI files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np

from gan_music.io.engraving.notation import key_signature
from gan_music.music.piece import IntArray, Piece
from gan_music.system.atomic_files import atomic_write

_TICKS_PER_STEP = 20  # 24 steps per quarter note give the usual 480 ticks
_LONGEST_TEMPO = 2**24 - 1  # microseconds a quarter note
_SHORTEST_UNIT = 64  # of meters
_DRUMS = 9  # the channel of drums, counted from 0
_CHANNELS = [c for c in range(16) if c != _DRUMS]
_FLATS, _SHARPS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F"), ("G", "D", "A", "E", "B", "F#", "C#")
_KEYS = dict(enumerate((*_FLATS, "C", *_SHARPS), -7))  # by the number of sharps


def write_midi(piece: Piece, path: Path, *, composer: str | None = None) -> None:
    """Write a piece as a MIDI file of format 1, atomically. It reads back as the same notes in the
    same tracks.
    """
    data = midi_bytes(piece, composer=composer)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def midi_bytes(
    piece: Piece,
    *,
    composer: str | None = None,
    controls: Mapping[int, int] | None = None,
    end: int | None = None,
) -> bytes:
    """The content of a MIDI file: a MIDI track with title, tempo, meters and key, then one for each
    track of the piece.

    One channel cannot hold two notes of one pitch that overlap: the later one has another channel,
    in the same MIDI track.

    Parameters
    ----------
    composer : for a text event, since MIDI has none for a composer.
    controls : values of MIDI controllers, by their numbers, for all channels.
    end : where the file ends, in steps, if later than the last note.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=piece.grid * _TICKS_PER_STEP, charset="utf-8")
    file.tracks.append(_timed(_head(piece, composer, end)))
    channels = _channels(piece)
    for number, track in enumerate(piece.tracks):
        chosen = np.flatnonzero(piece.track == number)
        own = piece.take(chosen)
        level = np.zeros(len(own), np.int64) if track.is_drum else overlap_levels(own)
        for first in range(0, int(level.max(initial=0)) + 1, len(_CHANNELS)):
            here = np.flatnonzero((level >= first) & (level < first + len(_CHANNELS)))
            if track.is_drum:
                used = [_DRUMS]
            else:
                at = channels[number]
                order = [*_CHANNELS[at:], *_CHANNELS[:at]]
                used = order[: int(level[here].max(initial=first)) - first + 1]
            events: list[tuple[int, int, Any]] = []
            if track.name:
                events.append((0, 0, mido.MetaMessage("track_name", name=track.name)))
            for channel in used:
                events.append(
                    (0, 0, mido.Message("program_change", channel=channel, program=track.program))
                )
                for control, value in (controls or {}).items():
                    message = mido.Message(
                        "control_change", channel=channel, control=control, value=value
                    )
                    events.append((0, 0, message))
            events += _notes(own.take(here), [used[i - first] for i in level[here]])
            file.tracks.append(_timed(events))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _head(piece: Piece, composer: str | None, end: int | None) -> Iterator[tuple[int, int, Any]]:
    if piece.name:
        yield 0, 0, mido.MetaMessage("track_name", name=piece.name)
    if composer:
        yield 0, 0, mido.MetaMessage("text", text=f"Composer: {composer}")
    tempo = min(_LONGEST_TEMPO, max(1, round(60e6 / piece.tempo)))
    yield 0, 0, mido.MetaMessage("set_tempo", tempo=tempo)
    yield 0, 0, mido.MetaMessage("key_signature", key=_KEYS[key_signature(piece.pitched())])
    for start, numerator, denominator in _meters_in_file(piece):
        message = mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)
        yield start * _TICKS_PER_STEP, 0, message
    if end is not None:
        yield end * _TICKS_PER_STEP, 0, mido.MetaMessage("marker", text="end")


def _notes(piece: Piece, channels: Sequence[int]) -> Iterator[tuple[int, int, Any]]:
    """(tick, rank, message): at one tick, notes end before others begin."""
    rows = (piece.onset, piece.onset + piece.duration, piece.pitch, piece.velocity)
    for onset, end, pitch, velocity, channel in zip(
        *(row.tolist() for row in rows), channels, strict=True
    ):
        on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
        yield onset * _TICKS_PER_STEP, 2, on
        yield end * _TICKS_PER_STEP, 1, mido.Message("note_off", channel=channel, note=pitch)


def _timed(events: Any) -> mido.MidiTrack:
    """A MIDI track of events with absolute times."""
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def _channels(piece: Piece) -> list[int]:
    """Where in ``_CHANNELS`` each track's first channel is."""
    pitched = np.cumsum([not t.is_drum for t in piece.tracks]) - 1
    return [int(n) % len(_CHANNELS) for n in pitched]


def _meters_in_file(piece: Piece) -> list[tuple[int, int, int]]:
    """The meters that MIDI can hold, with starts in steps.

    No bar can begin before the file does, so a pickup becomes a short bar with its own meter: that
    of the piece if possible, else one that the next cuts short.
    """
    (start, numerator, denominator), *meters = piece.meters.tolist()
    bar = Fraction(4 * piece.grid * numerator, denominator)
    first = start + math.ceil(-start / bar) * bar  # the first bar that begins in the file
    pickup = min(first, meters[0][0]) if meters else first
    if not meters or first < meters[0][0]:
        meters.insert(0, (math.floor(first), numerator, denominator))
    if pickup > 0:
        meters.insert(0, (0, *_shortest_meter(pickup / (4 * piece.grid), denominator)))
    # The numerator is one byte, the denominator a power of two.
    return [m for m in meters if m[1] < 256 and m[2] <= _SHORTEST_UNIT and m[2] & (m[2] - 1) == 0]


def _shortest_meter(length: Fraction, denominator: int) -> tuple[int, int]:
    """The shortest meter with a bar of at least ``length`` whole notes; with this denominator if
    its bar is of that length.
    """
    unit = denominator if (length * denominator).denominator == 1 else length.denominator
    if unit > _SHORTEST_UNIT or unit & (unit - 1):
        unit = _SHORTEST_UNIT
    return math.ceil(length * unit), unit


def overlap_levels(piece: Piece) -> IntArray:
    """How many notes of its pitch sound when each note begins, int64 ``[N]``, at the least: the
    lowest level at which no note of its pitch sounds then.
    """
    levels = np.zeros(len(piece), dtype=np.int64)
    ends: dict[int, list[int]] = {}  # pitch -> end of its last note on each level
    for i, (onset, duration, pitch) in enumerate(piece.notes()):
        last = ends.setdefault(pitch, [])
        number = next((n for n, end in enumerate(last) if end <= onset), len(last))
        if number == len(last):
            last.append(0)
        last[number] = onset + duration
        levels[i] = number
    return levels
