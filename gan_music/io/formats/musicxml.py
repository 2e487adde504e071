"""Reads MusicXML.

:func:`read_fast` walks the elements itself; :func:`read_music21` takes the notes of each measure
from music21. All else is shared:

- The measures of all parts begin together, whatever their own lengths.
- A part, or a staff of a part on several staves, is a track; unpitched notes are a track of drums.
- Tied notes are one note, also between voices and staves of a part. A tie that leads to no note
  ends there.
- Transposing instruments are at sounding pitch.
- Cue notes are silent. Grace notes have no duration in the score and last one step.
- Repeats are read once, as written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from lxml.etree import _Element as Element

from gan_music.io.errors import ReadError
from gan_music.io.formats.measures import TimeSignature, meters_of_measures, piece_in_ticks
from gan_music.io.formats.musicxml_by_music21 import with_notes_of_music21
from gan_music.io.formats.musicxml_file import open_score
from gan_music.io.formats.musicxml_parts import (
    Measure,
    Note,
    Part,
    Transposition,
    read_part,
    ticks_of_a_quarter,
)
from gan_music.io.limits import MAX_QUARTERS
from gan_music.music.piece import DEFAULT_TEMPO, ONE_TRACK, Losses, Piece, Track

# Divisions that cannot express a tuplet miss a barline, or a tie, by less than 1/32 quarter note.
_NOISE = 32


def read_fast(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a score."""
    return [Score(open_score(path)).piece(grid, name)]


def read_music21(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a score, with the notes that music21 reads."""
    root = open_score(path)
    score = Score(root)
    with_notes_of_music21(score.parts, root, score.resolution)
    return [score.piece(grid, name)]


@dataclass(eq=False, slots=True)
class _Sounding:
    """A note with all that is tied to it, in ticks."""

    onset: int
    duration: int
    key: int
    velocity: int


_Tied = tuple[int, _Sounding]  # where the tie leads


class Score:
    """The parts of a score, and where their measures begin.

    Attributes
    ----------
    resolution : ticks a quarter note.
    starts : of the measures, in ticks, and the end of the last one.
    lost : the numbers of cue notes (``cue``) and of grace notes (``grace``).

    Raises
    ------
    ReadError
        If it cannot be understood.
    """

    def __init__(self, root: Element) -> None:
        self.lost: Counter[str] = Counter()
        self.resolution = ticks_of_a_quarter(root)
        described = {p.get("id"): p for p in root.iterfind("part-list/score-part")}
        self.parts = [
            read_part(p, described.get(p.get("id")), self.resolution, self.lost)
            for p in root.findall("part")
        ]
        self.starts = _starts(self.parts, self.resolution)
        if self.starts[-1] > MAX_QUARTERS * self.resolution:
            raise ReadError(f"is longer than {MAX_QUARTERS:,} quarter notes")

    def piece(self, grid: int, name: str) -> Piece:
        tracks: list[Track] = []
        notes: list[_Sounding] = []
        track: list[int] = []
        for part in self.parts:
            for (_, is_drum), own in sorted(self._tracks_of(part).items()):
                notes += own
                track += [len(tracks)] * len(own)
                tracks.append(Track(part.name, 0 if is_drum else part.program, is_drum))
        return piece_in_ticks(
            np.array([n.onset for n in notes], dtype=np.int64),
            np.array([n.duration for n in notes], dtype=np.int64),
            [n.key for n in notes],
            self.resolution,
            grid=grid,
            name=name,
            velocity=[n.velocity for n in notes],
            meters=meters_of_measures(self._measures(), grid),
            tempo=self._first_tempo(),
            track=track,
            tracks=tracks or ONE_TRACK,
            losses=Losses(self.lost["grace"], self.lost["cue"]),
        )

    def _tracks_of(self, part: Part) -> dict[tuple[int, bool], list[_Sounding]]:
        """The notes of a part by staff and whether they are drums, with ties merged."""
        found: dict[tuple[int, bool], list[_Sounding]] = {}
        open_ties: dict[tuple[int, bool], list[_Tied]] = {}
        for note, start, skipped, semitones in _in_order(part, self.starts):
            _, onset, duration, key, velocity, staff, is_drum, _, ends_tie, begins_tie = note
            onset += start
            key += 0 if is_drum else semitones
            if not 0 <= key <= 127:
                raise ReadError(f"a note of part {part.name} has a pitch of {key}, not 0 to 127")
            begun = None
            if ends_tie and (tied := open_ties.get((key, is_drum))):
                begun = _continued(tied, onset, self.resolution)
            if begun is None:
                begun = _Sounding(onset, duration, key, velocity)
                found.setdefault((staff, is_drum), []).append(begun)
            else:
                begun.duration = onset + duration - begun.onset
            if begins_tie:
                open_ties.setdefault((key, is_drum), []).append((onset + duration + skipped, begun))
        return found

    def _measures(self) -> list[tuple[Fraction, TimeSignature | None]]:
        pairs = zip(self.starts, _meters(self.parts), strict=False)
        return [(Fraction(start, self.resolution), meter) for start, meter in pairs]

    def _first_tempo(self) -> float:
        found = [
            (start + m.tempo[0], number, m.tempo[1])
            for number, part in enumerate(self.parts)
            for start, m in zip(self.starts, part.measures, strict=False)
            if m.tempo is not None
        ]
        return min(found)[2] if found else DEFAULT_TEMPO


def _in_order(part: Part, starts: Sequence[int]) -> Iterator[tuple[Note, int, int, int]]:
    """The notes of a part by onset: note, start of its measure, what a tie of it skips at the end
    of a measure that is shorter than in other parts, semitones to transpose it by.
    """
    semitones: dict[int, int] = {}  # by staff; 0: of all others
    for (start, stop), measure in zip(pairwise(starts), part.measures, strict=False):
        changes = sorted(measure.transpositions)
        missing = max(0, stop - start - measure.length)
        for note in sorted(measure.notes, key=_onset_and_kind):
            while changes and changes[0].onset <= note.onset:
                _change(semitones, changes.pop(0))
            is_last = missing and note.onset + note.duration == measure.length
            own = semitones.get(note.staff, semitones.get(0, 0)) if semitones else 0
            yield note, start, (missing if is_last else 0), own
        for change in changes:
            _change(semitones, change)


def _change(semitones: dict[int, int], change: Transposition) -> None:
    if not change.staff:
        semitones.clear()
    semitones[change.staff] = change.semitones


def _onset_and_kind(note: Note) -> tuple[int, bool]:
    return note.onset, not note.is_grace


def _continued(tied: list[_Tied], onset: int, resolution: int) -> _Sounding | None:
    """Take the note that a tie continues at an onset from those of its pitch; None without one."""
    noise = resolution // _NOISE
    tied[:] = [(end, note) for end, note in tied if end >= onset - noise]
    ending = [(end, note) for end, note in tied if end <= onset + noise]
    if not ending:
        return None
    found = min(ending, key=lambda t: abs(t[0] - onset))
    tied.remove(found)
    return found[1]


def _meters(parts: Sequence[Part]) -> list[TimeSignature | None]:
    """The new meter of each measure: that of the first part with any."""
    found = ([m.meter for m in part.measures] for part in parts)
    n_measures = max((len(part.measures) for part in parts), default=0)
    meters = next((own for own in found if any(own)), [])
    return [*meters, *[None] * (n_measures - len(meters))]


def _starts(parts: Sequence[Part], resolution: int) -> list[int]:
    """Where each measure begins, in all parts, and where the last one ends."""
    starts = [0]
    bar: int | None = None
    for number, meter in enumerate(_meters(parts)):
        if meter is not None:
            bar = 4 * resolution * meter[0] // meter[1]
        here = [p.measures[number] for p in parts if number < len(p.measures)]
        may_be_upbeat = number == 0 or any(m.is_implicit for m in here)
        length = _length(here, bar, may_be_upbeat=may_be_upbeat)
        full = 4 * resolution if bar is None else bar
        missed = abs(length - full)
        if not length or (missed * _NOISE < resolution and missed * 48 % resolution):
            length = full  # the measure is empty, or divisions cannot express its tuplets
        starts.append(starts[-1] + length)
    return starts


def _length(measures: Sequence[Measure], bar: int | None, *, may_be_upbeat: bool) -> int:
    """How long a measure lasts: as long as what the parts hold.

    Rests are often written longer than the bar: where the parts differ, and of whole-bar rests,
    they count up to its end. Beside notes, an upbeat's rests do not count.
    """
    with_notes = [m for m in measures if m.notes]
    ends = {m.length for m in with_notes}
    length = max(ends, default=0)
    if len(ends) > 1:
        sounding = max(n.onset + n.duration for m in with_notes for n in m.notes)
        length = max(sounding, length if bar is None else min(length, bar))
    if with_notes and may_be_upbeat:
        return length
    rests = max((max(m.length, m.rest) for m in measures if not m.notes), default=0)
    rests = max([rests, *(m.rest for m in with_notes)])
    return max(length, rests if bar is None else min(rests, bar))


_READERS = {"fast": read_fast, "music21": read_music21}
FORMATS = dict.fromkeys((".xml", ".musicxml", ".mxl"), _READERS)
