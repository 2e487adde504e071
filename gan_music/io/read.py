"""A file of music -> its notes, through music21.

Conventions
-----------
- Onsets and durations are each rounded to the nearest step of the grid, halves upwards; a duration
  is at least one step, so that grace notes (of length zero in a score) survive.
- Chords become notes with one onset; ties are merged; rests, unpitched percussion and chord symbols
  are left out; transposing instruments sound as they sound.
- Repeats are read once, as written.
- A MIDI file is read by music21's event reader and note pairing, not by ``converter.parse``, which
  goes on to guess measures, voices and ties, merges notes that end almost together into one
  chord and moves every bar after an over-full one. Nothing of it is needed for notes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from gan_music.io.errors import ReadError as ReadError
from gan_music.io.limits import check_content, check_pieces
from gan_music.io.published import read_published
from gan_music.notes import DEFAULT_TEMPO, DEFAULT_VELOCITY, Piece

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
SCORE_SUFFIXES = frozenset({".xml", ".musicxml", ".mxl", ".krn", ".abc"})
SUFFIXES = MIDI_SUFFIXES | SCORE_SUFFIXES

# Channel 10, as music21 counts from 1, is percussion by General MIDI.
_PERCUSSION_CHANNEL = 10


def read(
    path: Path, *, grid: int = 24, name: str | None = None, reader: str = "music21"
) -> list[Piece]:
    """The pieces in a file: one, except for collections (an ABC tune book, say).

    Parameters
    ----------
    grid : steps a quarter note.
    name : what the piece is called; the file's name by default.
    reader : a key of ``READERS``.

    Raises
    ------
    ReadError
        With the reason, whatever music21 raised.
    """
    name = path.name if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_content(path)
            pieces = READERS[reader](path, grid, name)
        check_pieces(pieces)
    except (ReadError, MemoryError):  # the one is a reason; of the other, others know the limit
        raise
    except RecursionError as error:
        raise ReadError("nested too deeply") from error
    except Exception as error:  # music21 raises whatever its parsers happen to meet
        reason = " ".join(str(error).split())[:200]
        raise ReadError(f"{type(error).__name__}: {reason}" if reason else repr(error)) from error
    pieces = [p for p in pieces if len(p)]
    if not pieces:
        raise ReadError("no notes in it")
    return pieces


def _read(path: Path, grid: int, name: str) -> list[Piece]:
    reader = _read_midi if path.suffix.lower() in MIDI_SUFFIXES else _read_score
    return reader(path, grid, name)


def _read_published(path: Path, grid: int, name: str) -> list[Piece]:
    return [_piece(read_published(path), grid, DEFAULT_TEMPO, name)]


def _read_midi(path: Path, grid: int, name: str) -> list[Piece]:
    from music21 import midi
    from music21.midi import translate

    file = midi.MidiFile()
    with path.open("rb") as stream:
        file.openFileLike(stream)
        file.read()
    if file.ticksPerQuarterNote < 1:
        raise ReadError(f"a time division of {file.ticksPerQuarterNote} ticks a quarter note")
    notes: list[tuple[Any, Any, int, int]] = []
    tempos: list[tuple[int, float]] = []
    for track in file.tracks:
        events = translate.getTimeForEvents(track)
        for time, event in events:
            if event.type == midi.MetaEvents.SET_TEMPO and any(event.data):
                tempos.append((time, 60e6 / int.from_bytes(event.data, "big")))
        for on, off, event in translate.getNotesFromEvents(events):
            if event.channel != _PERCUSSION_CHANNEL:
                ticks = file.ticksPerQuarterNote
                velocity = max(1, min(127, event.velocity))
                notes.append(
                    (Fraction(on, ticks), Fraction(off - on, ticks), event.pitch, velocity)
                )
    tempo = min(tempos, key=lambda t: t[0])[1] if tempos else DEFAULT_TEMPO
    return [_piece(notes, grid, tempo, name)]


def _read_score(path: Path, grid: int, name: str) -> list[Piece]:
    from music21 import converter, stream

    parsed = converter.parse(path, forceSource=True)
    scores = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    names = [f"{name}#{i + 1}" for i in range(len(scores))] if len(scores) > 1 else [name]
    return [_score_to_piece(s, grid, n) for s, n in zip(scores, names, strict=True)]


def _score_to_piece(score: Any, grid: int, name: str) -> Piece:
    if not score.atSoundingPitch or score.atSoundingPitch == "unknown":
        score.toSoundingPitch(inPlace=True)
    parts = list(score.parts) if score.hasPartLikeStreams() else [score]
    notes = [n for part in parts for n in _part_notes(part)]
    return _piece(notes, grid, _tempo(score), name)


def _piece(notes: list[tuple[Any, Any, int, int]], grid: int, tempo: float, name: str) -> Piece:
    """A piece of notes as (onset, length, pitch, velocity), in quarters."""
    return Piece.from_arrays(
        [_steps(onset, grid) for onset, *_ in notes],
        [max(1, _steps(length, grid)) for _, length, *_ in notes],
        [pitch for _, _, pitch, _ in notes],
        velocity=[velocity for *_, velocity in notes],
        grid=grid,
        tempo=tempo,
        name=name,
    )


def _steps(quarters: Any, grid: int) -> int:
    return math.floor(Fraction(quarters) * grid + Fraction(1, 2))


def _part_notes(part: Any) -> Iterator[tuple[Any, Any, int, int]]:
    """(onset, length, pitch, velocity) of a part, in quarters, with ties merged.

    A note tied from another continues it if that one is open at this pitch and ends here; a tie
    that leads nowhere is an end.
    """
    from music21 import harmony, percussion

    open_ties: dict[tuple[int, Any], list[Any]] = {}  # (pitch, end) -> a note that goes on there
    merged: list[list[Any]] = []
    for element in part.flatten().notes:
        if isinstance(element, harmony.Harmony | percussion.PercussionChord):
            continue
        if not element.pitches:
            continue
        onset, length = element.offset, element.quarterLength
        for note in getattr(element, "notes", (element,)):
            tie = note.tie.type if note.tie is not None else None
            pitch = note.pitch.midi
            begun = open_ties.pop((pitch, onset), None) if tie in ("stop", "continue") else None
            if begun is None:
                velocity = note.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
                begun = [onset, length, pitch, max(1, min(127, int(velocity)))]
                merged.append(begun)
            else:
                begun[1] += length
            if tie in ("start", "continue"):
                open_ties[pitch, onset + length] = begun
    yield from ((n[0], n[1], n[2], n[3]) for n in merged)


def _tempo(score: Any) -> float:
    for mark in score.flatten().getElementsByClass("MetronomeMark"):
        tempo = mark.getQuarterBPM()
        if tempo and math.isfinite(tempo) and tempo > 0:
            return float(tempo)
    return DEFAULT_TEMPO


# data.reader -> how a file is read: all its notes, or those that the paper's published loader keeps
READERS: dict[str, Callable[[Path, int, str], list[Piece]]] = {
    "music21": _read,
    "published": _read_published,
}
