"""Reads MusicXML directly.

- The measures of all parts begin together, whatever their own lengths.
- A part, or a staff of a part on several staves, is a track; unpitched notes are a track of drums.
- Tied notes are one note, also between voices and staves of a part.
- Cue notes are silent. Grace notes have no duration in the score and last one step.
- Repeats are read once, as written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lxml.etree import _Element as Element

from gan_music.io.errors import ReadError
from gan_music.io.formats.measures import meters_of_measures, piece_in_ticks
from gan_music.io.formats.musicxml_file import open_score
from gan_music.io.instruments import SNARE, named_program, track_name
from gan_music.music.piece import DEFAULT_TEMPO, DEFAULT_VELOCITY, ONE_TRACK, Piece, Track

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TYPES: dict[str, Fraction | int] = {
    **{"maxima": 32, "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1},
    **{"eighth": Fraction(1, 2), "16th": Fraction(1, 4), "32nd": Fraction(1, 8)},
    **{"64th": Fraction(1, 16), "128th": Fraction(1, 32), "256th": Fraction(1, 64)},
}
# the elements that are read
_OF_MEASURES = ("note", "backup", "forward", "attributes", "direction", "sound")
_OF_NOTES = (
    *("pitch", "unpitched", "rest", "duration", "chord", "grace", "cue", "staff"),
    *("instrument", "tie", "notations"),
)
_NOISE = 16  # parts of a quarter note; by less, rounded divisions may miss a barline
_LEAST, _MOST = 6720, 10**12  # ticks a quarter note
_STOPS, _GOES_ON = ("stop", "continue"), ("start", "continue")  # types of ties
_FORTE = 90 / 100  # of the velocity that a note's dynamics of 100 % stand for


class _Event(NamedTuple):
    """A note in its measure, with times in ticks; ``key`` is a pitch, or a drum's key."""

    onset: int
    duration: int
    key: int
    velocity: int
    staff: int
    is_drum: bool
    tie: tuple[bool, bool]  # whether it continues a note, and whether it is continued


@dataclass
class _Measure:
    events: list[_Event] = field(default_factory=list)
    length: int = 0  # ticks of all that it holds
    sounding: int = 0  # until the last note ends
    meter: tuple[int, int] | None = None  # a new one
    tempo: tuple[int, float] | None = None
    is_implicit: bool = False


@dataclass
class Losses:
    """Notes of a score that a piece has not, or not as they are."""

    cues: int = 0
    graces: int = 0


class _Part:
    """The measures of a part, from what stands in front of them."""

    def __init__(
        self, part: Element, described: Element | None, resolution: int, losses: Losses
    ) -> None:
        self.name = "" if described is None else described.findtext("part-name") or ""
        self.program, self.drum_keys = _instruments(described)
        self.resolution, self.losses = resolution, losses
        self.ticks = resolution  # of one division
        self.transpositions: dict[int, int] = {}  # of each staff; 0: of all
        self.measures = [self._measure(m) for m in part.iter("measure")]

    def _measure(self, element: Element) -> _Measure:
        found = _Measure(is_implicit=element.get("implicit") == "yes")
        now = latest = 0
        for child in element.iterchildren(*_OF_MEASURES):
            tag = child.tag
            if tag == "note":
                inside = {c.tag: c for c in child.iterchildren(*_OF_NOTES)}
                onset = latest if "chord" in inside else now
                duration = self._note(child, inside, onset, found)
                if "chord" not in inside:
                    latest, now = now, now + duration
            elif tag == "backup":
                now = max(0, now - self._duration(child, child.find("duration")))
            elif tag == "forward":
                now += self._duration(child, child.find("duration"))
            elif tag == "attributes":
                self._attributes(child, found)
            elif tag in ("direction", "sound") and found.tempo is None:
                tempo = _tempo(child)
                found.tempo = None if tempo is None else (now, tempo)
            if now > found.length:
                found.length = now
        return found

    def _note(
        self, element: Element, inside: dict[str, Element], onset: int, found: _Measure
    ) -> int:
        """Add a note, and give its duration; 0 of a grace note."""
        is_grace = "grace" in inside
        duration = 0 if is_grace else self._duration(element, inside.get("duration"))
        pitch = inside.get("pitch")
        if "rest" in inside or (pitch is None and "unpitched" not in inside):
            return duration
        if "cue" in inside:
            self.losses.cues += 1
            return duration
        self.losses.graces += is_grace
        staff = int(inside["staff"].text or 1) if "staff" in inside else 1
        if pitch is not None:
            key = _pitch(pitch)
            if self.transpositions:
                key += self.transpositions.get(staff, self.transpositions.get(0, 0))
        else:
            used = inside.get("instrument")
            key = self.drum_keys.get("" if used is None else used.get("id", ""), SNARE)
        tie = (False, False)
        if "tie" in inside or "notations" in inside:
            ties = {t.get("type") for t in element.iter("tie" if "tie" in inside else "tied")}
            tie = (not ties.isdisjoint(_STOPS), not ties.isdisjoint(_GOES_ON))
        found.events.append(
            _Event(onset, duration, key, _velocity(element), staff, pitch is None, tie)
        )
        if onset + duration > found.sounding:
            found.sounding = onset + duration
        return duration

    def _attributes(self, element: Element, found: _Measure) -> None:
        if divisions := element.findtext("divisions"):
            self.ticks = int(self.resolution / _divisions(divisions))
        for transpose in element.iter("transpose"):
            semitones = float(transpose.findtext("chromatic") or 0)
            octaves = int(transpose.findtext("octave-change") or 0)
            number = int(transpose.get("number") or 0)
            if not number:
                self.transpositions.clear()
            self.transpositions[number] = round(semitones) + 12 * octaves
        if (time := element.find("time")) is not None and (meter := _meter(time)) is not None:
            found.meter = meter

    def _duration(self, element: Element, duration: Element | None) -> int:
        """In ticks, rounded."""
        if duration is None:
            return round(_written_length(element) * self.resolution)
        text = (duration.text or "").strip()
        if text.isdecimal():
            return int(text) * self.ticks
        return max(0, round(Fraction(text) * self.ticks))


def read_musicxml(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a score."""
    root = open_score(path)
    score = Score(root)
    tracks: list[Track] = []
    notes: list[Merged] = []
    track: list[int] = []
    for part in score.parts:
        merged: dict[tuple[int, bool], list[Merged]] = {}
        for note in _merged(part, score.starts):
            merged.setdefault((note.staff, note.is_drum), []).append(note)
        for (_, is_drum), own in sorted(merged.items()):
            notes += own
            track += [len(tracks)] * len(own)
            tracks.append(Track(track_name(part.name), 0 if is_drum else part.program, is_drum))
    piece = piece_in_ticks(
        np.array([n.onset for n in notes], dtype=np.int64),
        np.array([n.duration for n in notes], dtype=np.int64),
        [n.key for n in notes],
        score.resolution,
        grid=grid,
        name=name,
        velocity=[n.velocity for n in notes],
        meters=meters_of_measures(score.measures(), grid),
        tempo=score.first_tempo(),
        track=track,
        tracks=tracks or ONE_TRACK,
    )
    return [piece]


class Score:
    """The parts of a score, and where their measures begin, in ticks.

    Attributes
    ----------
    resolution : ticks a quarter note, a multiple of all divisions.
    starts : of the measures, and the end of the last one.
    losses : what the parts leave out.

    Raises
    ------
    ReadError
        If a number in it is none.
    """

    def __init__(self, root: Element) -> None:
        self.losses = Losses()
        described = {p.get("id"): p for p in root.iter("score-part")}
        try:
            divisions = [_divisions(d.text or "") for d in root.iter("divisions")]
            self.resolution = math.lcm(_LEAST, *(d.numerator for d in divisions))
            if self.resolution > _MOST:
                raise ReadError("has divisions without a common multiple: export it again")
            self.parts = [
                _Part(p, described.get(p.get("id")), self.resolution, self.losses)
                for p in root.findall("part")
            ]
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            raise ReadError(f"has a number that is none ({error}): export it again") from error
        self.starts = measure_starts(self.parts, self.resolution)

    def measures(self) -> list[tuple[Fraction, tuple[int, int] | None]]:
        """Where the measures of the first part begin, in quarter notes, and their new meters."""
        measures = self.parts[0].measures if self.parts else []
        pairs = zip(self.starts, measures, strict=False)
        return [(Fraction(start, self.resolution), m.meter) for start, m in pairs]

    def first_tempo(self) -> float:
        found = [
            (start + m.tempo[0], number, m.tempo[1])
            for number, part in enumerate(self.parts)
            for start, m in zip(self.starts, part.measures, strict=False)
            if m.tempo is not None
        ]
        return min(found)[2] if found else DEFAULT_TEMPO


def measure_starts(parts: Iterable[_Part], resolution: int) -> list[int]:
    """Where each measure begins, of all parts together, and where the last one ends.

    A measure lasts as long as the notes of all parts, and as long as their rests up to the bar's
    length. A first or implicit measure, which may be an upbeat, lasts as long as the parts that
    have notes in it.
    """
    starts = [0]
    bar = 4 * resolution
    rows = [p.measures for p in parts]
    for k in range(max(map(len, rows), default=0)):
        here = [r[k] for r in rows if k < len(r)]
        meter = next((m.meter for m in here if m.meter), None)
        bar = bar if meter is None else 4 * resolution * meter[0] // meter[1]
        starts.append(starts[-1] + _length(here, bar, resolution, may_be_short=k == 0))
    return starts


def _length(measures: list[_Measure], bar: int, resolution: int, *, may_be_short: bool) -> int:
    may_be_short |= any(m.is_implicit for m in measures)
    filled = [m for m in measures if m.length]
    with_notes = [m for m in filled if m.sounding]
    if may_be_short and with_notes:
        filled = with_notes
    lengths = {m.length for m in filled}
    if len(lengths) == 1:
        (length,) = lengths
        rests_too_long = not with_notes and length > bar
        length = bar if rests_too_long else length
    else:
        sounding = max((m.sounding for m in filled), default=0)
        length = max(sounding, min(max(lengths, default=0), bar))
    # divisions that cannot express a tuplet miss the barline
    off = abs(length - bar)
    if not length or (off * _NOISE < resolution and off * 48 % resolution):
        return bar
    return length


@dataclass
class Merged:
    """A note, with what is tied to it, in ticks."""

    onset: int
    duration: int
    key: int
    velocity: int
    staff: int
    is_drum: bool


def _merged(part: _Part, starts: list[int]) -> list[Merged]:
    """The notes of a part; tied notes are one.

    A tied note continues the open note of its pitch that ends at its onset. A tie that leads to no
    note ends there.
    """
    open_ties: dict[tuple[int, bool, int], Merged] = {}
    merged: list[Merged] = []
    for start, measure in zip(starts, part.measures, strict=False):
        for event in sorted(measure.events, key=_onset):
            onset = start + event.onset
            begun = None
            if event.tie[0]:
                begun = open_ties.pop((event.key, event.is_drum, onset), None)
            if begun is None:
                begun = Merged(onset, *event[1:6])
                merged.append(begun)
            else:
                begun.duration += event.duration
            if event.tie[1]:
                open_ties[event.key, event.is_drum, onset + event.duration] = begun
    return merged


_onset = itemgetter(0)


def _pitch(element: Element) -> int:
    return _midi_number(*((c.tag, c.text) for c in element))


@lru_cache(maxsize=4096)
def _midi_number(*written: tuple[str, str | None]) -> int:
    """The pitch of a step, an alteration and an octave."""
    texts = {tag: (text or "").strip() for tag, text in written}
    step = _STEPS.get(texts.get("step", ""))
    if step is None:
        raise ValueError(f"a pitch with the step {texts.get('step')!r:.20}")
    alter = math.floor(float(texts.get("alter") or 0) + 0.5)
    return 12 * (int(texts.get("octave", "")) + 1) + step + alter


def _divisions(text: str) -> Fraction:
    divisions = Fraction(text.strip())
    if divisions <= 0:
        raise ValueError(f"divisions of {text.strip():.20}")
    return divisions


def _written_length(element: Element) -> Fraction:
    """The duration of a note's type, dots and tuplet, in quarter notes; 0 without a type."""
    length = Fraction(_TYPES.get((element.findtext("type") or "").strip(), 0))
    length *= 2 - Fraction(1, 2 ** len(element.findall("dot")))
    ratio = element.find("time-modification")
    if ratio is not None:
        length *= Fraction(ratio.findtext("normal-notes") or 1)
        length /= Fraction(ratio.findtext("actual-notes") or 1)
    return length


def _velocity(element: Element) -> int:
    dynamics = element.get("dynamics")
    if dynamics is None:
        return DEFAULT_VELOCITY
    return max(1, min(127, int(float(dynamics) * _FORTE)))


def _meter(time: Element) -> tuple[int, int] | None:
    """Beats and their type; None without a meter. Meters that add up count as one."""
    beats = [b.text or "" for b in time.iter("beats")]
    types = [int(t.text or 4) for t in time.iter("beat-type")]
    if not beats or len(beats) != len(types):
        return None
    numbers = [sum(int(n) for n in b.split("+")) for b in beats]
    unit = max(types)
    total = sum(n * unit // t for n, t in zip(numbers, types, strict=True))
    return (total, unit) if total > 0 and unit > 0 else None


def _tempo(element: Element) -> float | None:
    """Quarter notes a minute."""
    for metronome in element.iter("metronome"):
        unit, number = metronome.findtext("beat-unit"), metronome.findtext("per-minute")
        try:
            beats = float((number or "").strip().split()[-1])
        except (ValueError, IndexError):
            continue
        length = Fraction(_TYPES.get((unit or "").strip(), 1))
        length *= 2 - Fraction(1, 2 ** len(metronome.findall("beat-unit-dot")))
        if math.isfinite(beats) and beats > 0:
            return beats * float(length)
    for sound in element.iter("sound"):
        try:
            tempo = float(sound.get("tempo") or "")
        except ValueError:
            continue
        if math.isfinite(tempo) and tempo > 0:
            return tempo
    return None


def _instruments(described: Element | None) -> tuple[int, dict[str, int]]:
    """The program of a part, and the key of each of its percussion instruments."""
    if described is None:
        return 0, {}
    keys = {}
    for instrument in described.iter("midi-instrument"):
        key = (instrument.findtext("midi-unpitched") or "").strip()
        if key.isdecimal() and 1 <= int(key) <= 128:
            keys[instrument.get("id", "")] = int(key) - 1
    text = (described.findtext("midi-instrument/midi-program") or "").strip()
    program = max(0, int(text) - 1) if text.isdecimal() else 0
    if not program:
        name = described.findtext("score-instrument/instrument-name") or ""
        program = named_program(name)
    return (program if program <= 127 else 0), keys


FORMATS = {s: {"fast": read_musicxml} for s in (".xml", ".musicxml", ".mxl")}
