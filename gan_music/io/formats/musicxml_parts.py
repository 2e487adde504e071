"""The parts of a MusicXML score: what their measures hold, each for itself.

- Cue notes are silent. Grace notes have no duration.
- The notes of a chord have their own durations, except where their types are one.
- A note without a duration lasts as long as its type, dots and tuplet say.
- A rest of a whole bar may be written longer or shorter than its bar: its end is kept apart.

Times are in ticks from the beginning of the measure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml.etree import _Element as Element

from gan_music.io.errors import ReadError
from gan_music.io.formats import musicxml_values as values
from gan_music.io.formats.measures import TimeSignature
from gan_music.io.instruments import SNARE, track_name
from gan_music.io.limits import MAX_QUARTERS

_LEAST, _MOST = 6720, 10**10  # ticks a quarter note
OF_MEASURES = ("note", "backup", "forward", "attributes", "direction", "sound")  # that are read
_STOPS, _STARTS = {"stop", "continue"}, {"start", "continue"}  # types of ties


class Note(NamedTuple):
    """A note in its measure. ``key`` is its pitch as written or, of drums, that of its sound."""

    place: int  # of its element in the measure
    onset: int
    duration: int
    key: int
    velocity: int
    staff: int
    is_drum: bool
    is_grace: bool
    ends_tie: bool
    begins_tie: bool


class Transposition(NamedTuple):
    """How the notes of a staff sound from here on; staff 0 is all of them."""

    onset: int
    staff: int
    semitones: int


@dataclass
class Measure:
    """What a measure of a part holds: ``length`` is the end of all but whole-bar rests, and
    ``rest`` the end of these.
    """

    is_implicit: bool = False
    notes: list[Note] = field(default_factory=list)
    length: int = 0
    rest: int = 0
    meter: TimeSignature | None = None  # a new one
    tempo: tuple[int, float] | None = None  # the first one: onset, quarter notes a minute
    transpositions: list[Transposition] = field(default_factory=list)


@dataclass
class Part:
    """A part of a score. ``described`` is its element in the list of parts."""

    name: str
    described: Element | None
    measures: list[Measure]

    @property
    def program(self) -> int:
        return 0 if self.described is None else values.program(self.described)


def ticks_of_a_quarter(root: Element) -> int:
    """A multiple of all divisions of a score.

    Raises
    ------
    ReadError
        If divisions are no positive numbers, or have no common multiple of any use.
    """
    texts = {element.text for element in root.iter("divisions")}
    try:
        divisions = [values.number(text, "the number of divisions", above=0) for text in texts]
    except ValueError as error:
        raise ReadError(f"cannot be read: {error}; export it again") from error
    ticks = math.lcm(_LEAST, *(d.numerator for d in divisions))
    if ticks > _MOST:
        raise ReadError("its divisions have no common multiple; give all parts the same ones")
    return ticks


def read_part(
    element: Element, described: Element | None, resolution: int, lost: Counter[str]
) -> Part:
    """Read a part, in ticks of which a quarter note has ``resolution``.

    ``lost`` counts cue notes (``cue``) and grace notes (``grace``).

    Raises
    ------
    ReadError
        With the measure, if it cannot be understood.
    """
    name = "" if described is None else described.findtext("part-name") or ""
    name = track_name(" ".join(name.split()))
    reader = _Reader(resolution, {} if described is None else values.drum_keys(described), lost)
    measures = []
    for number, measure in enumerate(element.findall("measure"), 1):
        try:
            measures.append(reader.measure(measure))
        except ValueError as error:
            where = f"measure {measure.get('number') or number} of part"
            part = name or element.get("id") or "without a name"
            raise ReadError(f"{where} {part} cannot be read: {error}; correct it") from error
    return Part(name, described, measures)


class _Reader:
    """Reads the measures of a part, one after the other."""

    def __init__(self, resolution: int, drum_keys: Mapping[str, int], lost: Counter[str]) -> None:
        self.resolution, self.drum_keys, self.lost = resolution, drum_keys, lost
        self.ticks: int | None = None  # of one division
        self.most = MAX_QUARTERS * resolution

    def measure(self, element: Element) -> Measure:
        found = Measure(is_implicit=element.get("implicit") == "yes")
        now = onset = of_lead = 0
        lead: Element | None = None  # the first note of a chord
        rests: list[tuple[Element, int]] = []
        for index, child in enumerate(element.iterchildren(*OF_MEASURES)):
            tag = child.tag
            if tag == "note":
                inside = {c.tag: c for c in child}
                duration = 0 if "grace" in inside else self._duration(child, inside)
                if "chord" not in inside or lead is None:
                    lead, of_lead = child, duration
                    onset, now = now, now + duration
                elif duration != of_lead and values.are_written_alike(child, lead):
                    duration = of_lead
                if "rest" in inside:
                    rests.append((child, now))
                    continue
                self._note(child, inside, (index, onset, duration), found)
            elif tag == "backup":
                now, lead = max(0, now - self._in_ticks(child.findtext("duration"))), None
            elif tag == "forward":
                now, lead = now + self._in_ticks(child.findtext("duration")), None
            elif tag == "attributes":
                self._attributes(child, now, found)
                lead = lead if child.find("divisions") is None else None
            elif tag in ("direction", "sound") and not found.tempo and (t := values.tempo(child)):
                found.tempo = (now, t)
            if now > found.length:
                found.length = now
        for rest, end in rests:
            is_alone = len(rests) == 1 and not found.notes
            if values.stands_for_a_bar(rest, is_alone=is_alone):
                found.rest = max(found.rest, end)
            else:
                found.length = max(found.length, end)
        return found

    def _note(
        self,
        element: Element,
        inside: Mapping[str, Element],
        at: tuple[int, int, int],
        found: Measure,
    ) -> None:
        """Add a note; ``at`` is its place, its onset and its duration."""
        if "cue" in inside:
            self.lost["cue"] += 1
            return
        is_drum, is_grace = "unpitched" in inside, "grace" in inside
        if is_drum:
            key = self._drum_key(inside.get("instrument"))
        else:
            key = values.midi_number(inside.get("pitch"))
        if is_grace:
            self.lost["grace"] += 1
        ends_tie = begins_tie = False
        if "tie" in inside or "notations" in inside:
            ties = {t.get("type") for t in element.iter("tie" if "tie" in inside else "tied")}
            ends_tie, begins_tie = not ties.isdisjoint(_STOPS), not ties.isdisjoint(_STARTS)
        staff = values.staff(inside["staff"].text) if "staff" in inside else 1
        velocity = values.velocity(element.get("dynamics"))
        found.notes.append(Note(*at, key, velocity, staff, is_drum, is_grace, ends_tie, begins_tie))

    def _attributes(self, element: Element, now: int, found: Measure) -> None:
        if (text := element.findtext("divisions")) is not None:
            self.ticks = int(self.resolution / values.number(text, "divisions"))
        for transpose in element.findall("transpose"):
            staff = values.staff(transpose.get("number", "0"))
            found.transpositions.append(Transposition(now, staff, values.semitones(transpose)))
        for time in element.findall("time"):
            if time.get("number", "1") == "1" and (meter := values.time_signature(time)):
                found.meter = meter

    def _duration(self, element: Element, inside: Mapping[str, Element]) -> int:
        if "duration" in inside:
            return self._in_ticks(inside["duration"].text)
        return round(values.written_length(element) * self.resolution)

    def _in_ticks(self, text: str | None) -> int:
        if self.ticks is None:
            raise ValueError("no divisions come before its first duration")
        if text is not None and text.isdecimal() and len(text) < 16:
            ticks = int(text) * self.ticks
        else:
            ticks = round(values.number(text, "a duration") * self.ticks)
        if not 0 <= ticks <= self.most:
            raise ValueError(f"a duration is {text}")
        return ticks

    def _drum_key(self, instrument: Element | None) -> int:
        if instrument is None and len(self.drum_keys) == 1:
            (key,) = self.drum_keys.values()
            return key
        return self.drum_keys.get("" if instrument is None else instrument.get("id", ""), SNARE)
