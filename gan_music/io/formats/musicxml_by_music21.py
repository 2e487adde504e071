"""The notes of MusicXML as music21 reads them.

music21 counts the measures of each part by themselves, so that parts fall out of step after one
whose length differs between them; it plays cue notes, and its voices, staves and instruments lose
or double notes. So it is given each measure with nothing but divisions, notes, rests and moves.
What it reads of these is each note's onset in the measure, duration, pitch and ties.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from lxml.etree import Element, SubElement, _Element, tostring

from gan_music.io.errors import ReadError
from gan_music.io.formats import musicxml_values as values
from gan_music.io.formats.musicxml_parts import OF_MEASURES, Note, Part

_ADVICE = "use data.reader=auto"


def with_notes_of_music21(parts: Sequence[Part], root: _Element, resolution: int) -> None:
    """Give the notes of the parts of a score what music21 reads of them.

    Raises
    ------
    ReadError
        If music21 does not read the same notes.
    """
    from music21 import converter, note

    text = tostring(_plain(root), encoding="unicode")
    parsed = converter.parse(text, format="musicxml", forceSource=True)
    for part, own in zip(parts, parsed.parts, strict=True):
        measures = list(own.getElementsByClass("Measure"))
        for number, (measure, other) in enumerate(zip(part.measures, measures, strict=True), 1):
            read = {}
            for element in other.flatten().notes:
                onset = Fraction(element.offset)
                for single in getattr(element, "notes", (element,)):
                    is_drum = isinstance(single, note.Unpitched)
                    read[int(single.style.color)] = (onset, single, is_drum)
            if set(read) != {n.place for n in measure.notes}:
                where = f"measure {number} of part {part.name or 'without a name'}"
                raise ReadError(f"music21 does not read all notes of {where}; {_ADVICE}")
            measure.notes = [_as_read(n, *read[n.place], resolution) for n in measure.notes]


def _as_read(own: Note, onset: Fraction, single: Any, is_drum: bool, resolution: int) -> Note:
    tie = single.tie.type if single.tie is not None else None
    return own._replace(
        onset=round(onset * resolution),
        duration=round(Fraction(single.quarterLength) * resolution),
        key=own.key if is_drum else math.floor(single.pitch.ps + 0.5),
        is_drum=is_drum,
        ends_tie=tie in ("stop", "continue"),
        begins_tie=tie in ("start", "continue"),
    )


def _plain(root: _Element) -> _Element:
    """A score with nothing but divisions, notes, rests and moves."""
    plain = Element("score-partwise")
    listed = SubElement(plain, "part-list")
    for number, part in enumerate(root.findall("part")):
        described = SubElement(listed, "score-part", {"id": f"P{number}"})
        SubElement(described, "part-name")
        own = SubElement(plain, "part", {"id": f"P{number}"})
        divisions = Fraction(1)
        for count, measure in enumerate(part.findall("measure"), 1):
            made = SubElement(own, "measure", {"number": str(count)})
            # music21 fails at measures of grace notes without a meter
            time = SubElement(SubElement(made, "attributes"), "time")
            SubElement(time, "beats").text = SubElement(time, "beat-type").text = "4"
            for chord in _chords(measure):
                _, first = chord[0]
                if first.tag == "note":
                    made.extend(_plain_chord(chord, divisions))
                elif (text := first.findtext("divisions")) is None:
                    made.append(copy.copy(first))
                else:
                    divisions = values.number(text, "divisions")
                    SubElement(SubElement(made, "attributes"), "divisions").text = text
    return plain


def _chords(measure: _Element) -> Iterator[list[tuple[int, _Element]]]:
    """The elements of a measure that matter, with their indices; the notes of a chord as one."""
    chord: list[tuple[int, _Element]] = []
    for index, child in enumerate(measure.iterchildren(*OF_MEASURES)):
        if child.tag not in ("note", "backup", "forward") and child.find("divisions") is None:
            continue
        if chord and (child.find("chord") is None or chord[0][1].tag != "note"):
            yield chord
            chord = []
        chord.append((index, child))
    if chord:
        yield chord


def _plain_chord(chord: Sequence[tuple[int, _Element]], divisions: Fraction) -> Iterator[_Element]:
    """The notes of a chord that sound, or a rest of its length."""
    _, first = chord[0]
    sounding = [(i, n) for i, n in chord if n.find("cue") is None and n.find("rest") is None]
    for number, (index, note) in enumerate(sounding):
        # a colour is what music21 keeps of every note
        made = Element("note", {"color": str(index)})
        if number:
            SubElement(made, "chord")
        made.extend(copy.copy(e) for e in note.iterchildren("grace", "pitch", "unpitched"))
        if note.find("grace") is None:
            alike = first if values.are_written_alike(note, first) else note
            SubElement(made, "duration").text = _duration(alike, divisions)
        else:
            SubElement(made, "type").text = "eighth"
        ties = note.findall("tie") or note.findall("notations/tied")
        made.extend(Element("tie", {"type": t.get("type", "")}) for t in ties)
        yield made
    if first.find("grace") is not None or (sounding and sounding[0][1] is first):
        return
    if sounding:
        back = Element("backup")
        SubElement(back, "duration").text = _duration(sounding[0][1], divisions)
        yield back
    rest = Element("note")
    SubElement(rest, "rest")
    SubElement(rest, "duration").text = _duration(first, divisions)
    yield rest


def _duration(note: _Element, divisions: Fraction) -> str:
    text = note.findtext("duration")
    return str(float(values.written_length(note) * divisions)) if text is None else text
