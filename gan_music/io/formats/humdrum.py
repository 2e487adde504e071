"""Reads Humdrum files with spines of ``**kern``.

:func:`read_fast` reads the text itself. :func:`read_music21` takes the notes from music21, which
loses notes where spines join, and refuses a file of which it reads other notes.

- Each spine of ``**kern`` is a track, the highest first; other spines are left out.
- Pitches are those that sound: ``*ITr`` only tells how a part is written.
- Tied notes are one note, a grace note lasts one step, and sections are read once, as written.
- All spines are in step: where two of them are not at one time on a line, the file is refused.

Times are in quarter notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from gan_music.io.errors import ReadError, Refused
from gan_music.io.formats import humdrum_spines
from gan_music.io.formats.agreement import agreed
from gan_music.io.formats.humdrum_spines import Line, Spine
from gan_music.io.formats.measures import TimeSignature, meters_of_measures
from gan_music.io.formats.score import Note, piece_in_quarters, read_score
from gan_music.io.formats.text import decoded
from gan_music.io.instruments import track_name
from gan_music.music.piece import (
    DEFAULT_TEMPO,
    DEFAULT_VELOCITY,
    ONE_TRACK,
    Losses,
    Piece,
    Track,
    names_of_pieces,
)

_RECIPROCAL = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
_PITCH = re.compile(r"([a-g]+|[A-G]+)(#+|-+|n)?")
_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_METER = re.compile(r"\*M(\d+(?:\+\d+)*)/(\d+)")
_TEMPO = re.compile(r"\*MM(\d+(?:\.\d+)?)")
# codes of *I: name and General MIDI program
_INSTRUMENTS = {
    **{"piano": ("Piano", 0), "forte": ("Fortepiano", 0), "hpsch": ("Harpsichord", 6)},
    **{"organ": ("Organ", 19), "guitr": ("Guitar", 24), "lute": ("Lute", 24), "harp": ("Harp", 46)},
    **{"violn": ("Violin", 40)},
    **{"viola": ("Viola", 41), "cello": ("Violoncello", 42)},
    **{"cbass": ("Contrabass", 43), "timpa": ("Timpani", 47), "tromp": ("Trumpet", 56)},
    **{"tromb": ("Trombone", 57), "tuba": ("Tuba", 58), "cor": ("Horn", 60), "oboe": ("Oboe", 68)},
    **{"fagot": ("Bassoon", 70), "clars": ("Clarinet", 71), "clara": ("Clarinet", 71)},
    **{"flt": ("Flute", 73), "soprn": ("Soprano", 0), "cant": ("Soprano", 0), "alto": ("Alto", 0)},
    **{"calto": ("Alto", 0), "tenor": ("Tenor", 0), "barit": ("Baritone", 0), "bass": ("Bass", 0)},
}


class Token(NamedTuple):
    """A note, or a rest if ``pitch`` is None."""

    pitch: int | None
    duration: Fraction
    is_grace: bool
    begins_tie: bool
    ends_tie: bool


@dataclass
class _Part:
    """The notes of a spine; each is onset, duration, pitch."""

    name: str = ""
    code: str = ""
    notes: list[list[Fraction | int]] = field(default_factory=list)
    # (pitch, end) -> the notes that a tie continues
    tied: dict[tuple[int, Fraction], list[list[Fraction | int]]] = field(default_factory=dict)


def read_fast(path: Path, grid: int, name: str) -> list[Piece]:
    """The pieces of a Humdrum file."""
    found = list(humdrum_spines.pieces(decoded(path.read_bytes())))
    names = names_of_pieces(name, len(found))
    return [_Reader(lines).piece(grid, n) for lines, n in zip(found, names, strict=True)]


def read_music21(path: Path, grid: int, name: str) -> list[Piece | Refused]:
    """The pieces that music21 reads, if they have the notes that :func:`read_fast` reads."""
    return agreed(read_fast(path, grid, name), read_score(path, grid, name))


class _Reader:
    """Reads the lines of a piece."""

    def __init__(self, lines: list[Line]) -> None:
        self.parts: dict[Spine, _Part] = {}
        self.tempo: float | None = None
        self.measures: list[tuple[Fraction, TimeSignature | None]] = [(Fraction(), None)]
        self.n_grace = 0
        self._now = Fraction()
        self._meter: TimeSignature | None = None
        for line in lines:
            first = line.tokens[0][1]
            kern = [(path, token) for path, token in line.tokens if path.spine.kind == "kern"]
            if first.startswith("*"):
                self._interpret(kern)
            elif first.startswith("="):
                self._bar_line()
            else:
                self._data(line.number, kern)
        if not self.parts:
            raise ReadError("no spine of **kern in it; other kinds of spines are not read")

    def _interpret(self, kern: list[tuple[humdrum_spines.Path, str]]) -> None:
        for path, token in kern:
            part = self.parts.setdefault(path.spine, _Part())
            if token.startswith('*I"'):
                part.name = part.name or token[3:]
            elif token.startswith("*I") and token[2:].isalnum() and token[2:].islower():
                part.code = part.code or token[2:]
            elif (found := _TEMPO.match(token)) and self.tempo is None:
                self.tempo = float(found[1]) or None
            elif found := _METER.match(token):
                self._set_meter(sum(map(int, found[1].split("+"))), found[2])

    def _set_meter(self, beats: int, unit: str) -> None:
        # as of a duration, 0 is a breve
        meter = (beats * 2 ** len(unit), 1) if not int(unit) else (beats, int(unit))
        if beats and meter != self._meter:
            self._meter = meter
            if self.measures[-1][0] == self._now:
                self.measures[-1] = (self._now, meter)
            else:
                self.measures.append((self._now, meter))

    def _bar_line(self) -> None:
        if self._now > self.measures[-1][0]:
            self.measures.append((self._now, None))

    def _data(self, number: int, kern: list[tuple[humdrum_spines.Path, str]]) -> None:
        read: list[tuple[humdrum_spines.Path, list[Token]]] = []
        for path, text in kern:
            if text != ".":
                try:
                    read.append((path, _tokens(text)))
                except ValueError as error:
                    raise ReadError(f"line {number}: {error}") from error
        self._now = self._time(number, [path for path, _ in read])
        for path, tokens in read:
            self.parts.setdefault(path.spine, _Part())
            timed = [t for t in tokens if not t.is_grace]
            for token in tokens:
                self._sound(self.parts[path.spine], token)
            path.end = self._now + timed[0].duration if timed else self._now
        ends = [p.end for p, _ in kern if p.end is not None and p.end > self._now]
        if any(not t.is_grace for _, tokens in read for t in tokens):
            self._now = min(ends, default=self._now)

    def _time(self, number: int, paths: list[humdrum_spines.Path]) -> Fraction:
        """The time of a line, which all paths with notes in it agree upon."""
        times = {path.end for path in paths if path.end is not None}
        if len(times) > 1:
            behind = float(max(times) - min(times))
            raise ReadError(
                f"line {number}: its spines are out of step by {behind:g} quarter notes; correct "
                "the durations before it"
            )
        return times.pop() if times else self._now

    def _sound(self, part: _Part, token: Token) -> None:
        if token.pitch is None:
            return
        self.n_grace += token.is_grace
        duration = Fraction() if token.is_grace else token.duration
        begun = part.tied.get((token.pitch, self._now)) if token.ends_tie else None
        if begun:
            note = begun.pop(0)
            note[1] += duration
        else:
            note = [self._now, duration, token.pitch]
            part.notes.append(note)
        if token.begins_tie:
            part.tied.setdefault((token.pitch, self._now + duration), []).append(note)

    def piece(self, grid: int, name: str) -> Piece:
        parts = [part for part in reversed(self.parts.values()) if part.notes]
        notes: list[Note] = [
            (onset, duration, int(pitch), DEFAULT_VELOCITY)
            for part in parts
            for onset, duration, pitch in part.notes
        ]
        measures = [
            (start, meter) for start, meter in self.measures if start < self._now or not start
        ]
        return piece_in_quarters(
            notes,
            grid,
            name,
            meters=meters_of_measures(measures, grid),
            tempo=self.tempo or DEFAULT_TEMPO,
            track=[i for i, part in enumerate(parts) for _ in part.notes],
            tracks=[_track(part) for part in parts] or ONE_TRACK,
            losses=Losses(grace=self.n_grace),
        )


def _track(part: _Part) -> Track:
    name, program = _INSTRUMENTS.get(part.code, (part.code, 0))
    return Track(track_name(part.name or name), program)


@lru_cache(maxsize=4096)
def _tokens(text: str) -> list[Token]:
    """The notes of a chord, or one note or rest."""
    found: list[Token] = []
    for single in text.split():
        reciprocal = _RECIPROCAL.search(single)
        is_grace = "q" in single
        if reciprocal:
            duration = _duration(*reciprocal.groups())
        elif is_grace or found:
            duration = found[0].duration if found else Fraction()
        else:
            raise ValueError(f"{text} has no duration")
        pitch = None if "r" in single else _pitch(single, text)
        begins, ends = "[" in single or "_" in single, "]" in single or "_" in single
        found.append(Token(pitch, duration, is_grace, begins and not is_grace, ends))
    return found


def _pitch(single: str, text: str) -> int:
    found = _PITCH.search(single)
    if found is None or len(set(found[1])) > 1:
        raise ValueError(f"{text} is no note of **kern, and no rest")
    letter, accidental = found[1], found[2] or ""
    octave = len(letter) - 1 if letter.islower() else -len(letter)
    alteration = accidental.count("#") - accidental.count("-")
    pitch = 60 + 12 * octave + _SEMITONES[letter[0].lower()] + alteration
    if not 0 <= pitch <= 127:
        raise ValueError(f"{text} is beyond MIDI's pitches, 0 to 127")
    return pitch


def _duration(number: str, numerator: str | None, dots: str) -> Fraction:
    if int(number):
        plain = Fraction(4 * int(numerator or 1), int(number))
    else:
        plain = Fraction(4 * 2 ** len(number))  # 0 is a breve, 00 a longa
    return plain * (2 - Fraction(1, 2 ** len(dots)))


FORMATS = {".krn": {"fast": read_fast, "music21": read_music21}}
