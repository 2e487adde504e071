"""Reads MusicXML directly.

- The measures of all parts begin together, whatever their own lengths.
- A part, or a staff of a part on several staves, is a track; unpitched notes are a track of drums.
- Tied notes are one note, also between voices and staves of a part.
- Cue notes are silent. Grace notes have no duration in the score and last one step.
- Repeats are read once, as written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from gan_music.io.errors import ReadError
from gan_music.io.formats.musicxml_file import open_score
from gan_music.io.formats.quarters import Note, meters_of, piece_in_quarters
from gan_music.io.instruments import SNARE, named_program, track_name
from gan_music.music.piece import DEFAULT_TEMPO, DEFAULT_VELOCITY, ONE_TRACK, Piece, Track

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TYPES = {
    **{"maxima": 32, "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1},
    **{"eighth": Fraction(1, 2), "16th": Fraction(1, 4), "32nd": Fraction(1, 8)},
    **{"64th": Fraction(1, 16), "128th": Fraction(1, 32), "256th": Fraction(1, 64)},
}
_NOISE = Fraction(1, 16)  # quarter notes by which rounded divisions may miss a barline
_FORTE = 90 / 100  # of the velocity that a note's dynamics of 100 % stand for

Time = Fraction


class _Event(NamedTuple):
    """A note in its measure; ``key`` is a pitch, or a drum's key."""

    onset: Time
    duration: Time
    key: int
    velocity: int
    staff: int
    is_drum: bool
    tie: tuple[bool, bool]  # whether it continues a note, and whether it is continued


@dataclass
class _Measure:
    events: list[_Event] = field(default_factory=list)
    length: Time = Time(0)  # of all that it holds
    sounding: Time = Time(0)  # until the last note ends
    meter: tuple[int, int] | None = None  # a new one
    tempo: tuple[Time, float] | None = None
    is_implicit: bool = False


@dataclass
class Losses:
    """Notes of a score that a piece has not, or not as they are."""

    cues: int = 0
    graces: int = 0


class _Part:
    """The measures of a part, from what stands in front of them."""

    def __init__(self, part: Element, described: Element | None, losses: Losses) -> None:
        self.name = "" if described is None else described.findtext("part-name") or ""
        self.program, self.drum_keys = _instruments(described)
        self.losses = losses
        self.divisions = Time(1)
        self.transpositions: dict[int, int] = {}  # of each staff; 0: of all
        self.n_staves = 1
        self.measures = [self._measure(m) for m in part.iter("measure")]

    def _measure(self, element: Element) -> _Measure:
        found = _Measure(is_implicit=element.get("implicit") == "yes")
        now = latest = Time(0)
        for child in element:
            tag = child.tag
            if tag == "note":
                is_chord = child.find("chord") is not None
                onset = latest if is_chord else now
                duration = self._note(child, onset, found)
                if not is_chord:
                    latest, now = now, now + duration
            elif tag == "backup":
                now = max(Time(0), now - self._duration(child))
            elif tag == "forward":
                now += self._duration(child)
            elif tag == "attributes":
                self._attributes(child, found)
            elif tag in ("direction", "sound"):
                if found.tempo is None and (tempo := _tempo(child)) is not None:
                    found.tempo = (now, tempo)
            found.length = max(found.length, now)
        return found

    def _note(self, element: Element, onset: Time, found: _Measure) -> Time:
        """Add a note, and give its duration; 0 of a grace note."""
        is_grace = element.find("grace") is not None
        duration = Time(0) if is_grace else self._duration(element)
        if element.find("rest") is not None:
            return duration
        if element.find("cue") is not None:
            self.losses.cues += 1
            return duration
        pitch, unpitched = element.find("pitch"), element.find("unpitched")
        if pitch is None and unpitched is None:
            return duration
        self.losses.graces += is_grace
        staff = int(element.findtext("staff") or 1)
        if pitch is not None:
            key = _pitch(pitch) + self.transpositions.get(staff, self.transpositions.get(0, 0))
        else:
            used = element.find("instrument")
            key = self.drum_keys.get("" if used is None else used.get("id", ""), SNARE)
        ties = [tie.get("type") for tie in element.iter("tie")] or [
            tied.get("type") for tied in element.iter("tied")
        ]
        tie = ("stop" in ties or "continue" in ties, "start" in ties or "continue" in ties)
        found.events.append(
            _Event(onset, duration, key, _velocity(element), staff, pitch is None, tie)
        )
        found.sounding = max(found.sounding, onset + duration)
        return duration

    def _attributes(self, element: Element, found: _Measure) -> None:
        if divisions := element.findtext("divisions"):
            self.divisions = max(Time(divisions.strip()), Time(1, 1_000_000))
        if staves := element.findtext("staves"):
            self.n_staves = max(self.n_staves, int(staves))
        for transpose in element.iter("transpose"):
            semitones = float(transpose.findtext("chromatic") or 0)
            octaves = int(transpose.findtext("octave-change") or 0)
            number = int(transpose.get("number") or 0)
            if not number:
                self.transpositions.clear()
            self.transpositions[number] = round(semitones) + 12 * octaves
        if (time := element.find("time")) is not None and (meter := _meter(time)) is not None:
            found.meter = meter

    def _duration(self, element: Element) -> Time:
        text = element.findtext("duration")
        if text is not None:
            return max(Time(0), Time(text.strip()) / self.divisions)
        length = Time(_TYPES.get((element.findtext("type") or "").strip(), 0))
        dots = len(element.findall("dot"))
        length *= 2 - Time(1, 2**dots)
        ratio = element.find("time-modification")
        if ratio is not None:
            length *= Time(ratio.findtext("normal-notes") or 1)
            length /= Time(ratio.findtext("actual-notes") or 1)
        return length


def read_musicxml(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a score."""
    root = open_score(path)
    parts, _ = parts_of(root)
    starts = measure_starts(parts)
    tracks: list[Track] = []
    notes: list[Note] = []
    track: list[int] = []
    for part in parts:
        staves = sorted({e.staff for m in part.measures for e in m.events})
        for staff in staves:
            for is_drum in (False, True):
                own = [n for n, s, d in _merged(part, starts) if s == staff and d == is_drum]
                if own:
                    notes += own
                    track += [len(tracks)] * len(own)
                    tracks.append(
                        Track(track_name(part.name), 0 if is_drum else part.program, is_drum)
                    )
    piece = piece_in_quarters(
        notes,
        grid,
        name,
        meters=meters_of([(s, m.meter) for s, m in _first_measures(parts, starts)], grid),
        tempo=_first_tempo(parts, starts),
        track=track,
        tracks=tracks or ONE_TRACK,
    )
    return [piece]


def parts_of(root: Element) -> tuple[list[_Part], Losses]:
    """The parts of a score, and what is lost of them.

    Raises
    ------
    ReadError
        If a number in it is none.
    """
    losses = Losses()
    described = {p.get("id"): p for p in root.iter("score-part")}
    try:
        parts = [_Part(p, described.get(p.get("id")), losses) for p in root.findall("part")]
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ReadError(f"has a number that is none ({error}): export it again") from error
    return parts, losses


def measure_starts(parts: Iterable[_Part]) -> list[Time]:
    """Where each measure begins, of all parts together, and where the last one ends.

    A measure lasts as long as the notes of all parts, and as long as their rests up to the bar's
    length. A first or implicit measure, which may be an upbeat, lasts as long as the parts that
    have notes in it.
    """
    starts = [Time(0)]
    bar = Time(4)
    rows = [p.measures for p in parts]
    for k in range(max(map(len, rows), default=0)):
        here = [r[k] for r in rows if k < len(r)]
        bar = next((Time(4 * m.meter[0], m.meter[1]) for m in here if m.meter), bar)
        starts.append(starts[-1] + _length(here, bar, may_be_short=k == 0))
    return starts


def _length(measures: list[_Measure], bar: Time, *, may_be_short: bool) -> Time:
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
        sounding = max((m.sounding for m in filled), default=Time(0))
        length = max(sounding, min(max(lengths, default=Time(0)), bar))
    # divisions that cannot express a tuplet miss the barline
    off = abs(length - bar)
    if not length or (off < _NOISE and (off * 48) % 1):
        return bar
    return length


def _merged(part: _Part, starts: list[Time]) -> Iterator[tuple[Note, int, bool]]:
    """The notes of a part with their staves, and whether they are drums; tied notes are one.

    A tied note continues the open note of its pitch that ends at its onset. A tie that leads to no
    note ends there.
    """
    open_ties: dict[tuple[int, bool, Time], list] = {}
    merged: list[list] = []
    for start, measure in zip(starts, part.measures, strict=False):
        for event in sorted(measure.events, key=lambda e: e.onset):
            onset = start + event.onset
            place = (event.key, event.is_drum)
            begun = open_ties.pop((*place, onset), None) if event.tie[0] else None
            if begun is None:
                begun = [onset, event.duration, event.key, event.velocity, event.staff]
                begun.append(event.is_drum)
                merged.append(begun)
            else:
                begun[1] += event.duration
            if event.tie[1]:
                open_ties[(*place, onset + event.duration)] = begun
    for onset, duration, key, velocity, staff, is_drum in merged:
        yield (onset, duration, key, velocity), staff, is_drum


def _first_measures(parts: list[_Part], starts: list[Time]) -> list[tuple[Time, _Measure]]:
    return list(zip(starts, parts[0].measures, strict=False)) if parts else []


def _first_tempo(parts: list[_Part], starts: list[Time]) -> float:
    found = [
        (start + m.tempo[0], number, m.tempo[1])
        for number, part in enumerate(parts)
        for start, m in zip(starts, part.measures, strict=False)
        if m.tempo is not None
    ]
    return min(found)[2] if found else DEFAULT_TEMPO


def _pitch(element: Element) -> int:
    step = _STEPS.get((element.findtext("step") or "").strip())
    if step is None:
        raise ValueError(f"a pitch with the step {element.findtext('step')!r:.20}")
    octave, alter = element.findtext("octave") or "", element.findtext("alter") or 0
    return 12 * (int(octave) + 1) + step + math.floor(float(alter) + 0.5)


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
        length = Time(_TYPES.get((unit or "").strip(), 1))
        length *= 2 - Time(1, 2 ** len(metronome.findall("beat-unit-dot")))
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
