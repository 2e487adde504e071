"""Drums in MusicXML: unpitched notes whose keys of General MIDI's percussion map are kept.

music21 writes the instrument of a part, not that of each unpitched note. So :func:`unpitched`
encodes a key as a place on the staff, and :func:`with_drum_keys` replaces that in the written
document by the usual place and the key's own instrument.
"""

from __future__ import annotations

from xml.etree import ElementTree

from music21 import duration, note

DRUM_CHANNEL = 9  # counted from 0
_STEPS = "CDEFGAB"
# key -> its place on the staff, as in most drum sets; others are in the middle
_PLACES = {
    **dict.fromkeys((35, 36), "F4"),
    **dict.fromkeys((37, 38, 39, 40), "C5"),
    **dict.fromkeys((41, 43), "A4"),
    **dict.fromkeys((45, 47), "D5"),
    **dict.fromkeys((48, 50), "E5"),
    **dict.fromkeys((42, 46), "G5"),
    **dict.fromkeys((49, 52, 55, 57), "A5"),
    **dict.fromkeys((51, 53, 59), "F5"),
    44: "D4",
}
_MIDDLE = "B4"
_CYMBALS = frozenset((42, 44, 46, 49, 51, 52, 53, 55, 57, 59))  # with crosses as heads


def unpitched(key: int, length: duration.Duration) -> note.Unpitched:
    """A note of a drum, for :func:`with_drum_keys`."""
    octave, step = divmod(key, len(_STEPS))
    made = note.Unpitched(duration=length)
    made.displayStep, made.displayOctave = _STEPS[step], octave
    if key in _CYMBALS:
        made.notehead = "x"
    return made


def with_drum_keys(data: bytes) -> bytes:
    """A MusicXML document with the key of each unpitched note."""
    if b"<unpitched>" not in data:
        return data
    head, _, _ = data.partition(b"<score-partwise")
    root = ElementTree.fromstring(data)
    for part in root.findall("part"):
        keys = set()
        for element in part.iter("note"):
            place = element.find("unpitched")
            if place is None:
                continue
            step, octave = place.find("display-step"), place.find("display-octave")
            assert step is not None
            assert octave is not None
            key = _STEPS.index(step.text or "C") + len(_STEPS) * int(octave.text or 0)
            place_on_staff = _PLACES.get(key, _MIDDLE)
            step.text, octave.text = place_on_staff[0], place_on_staff[1]
            keys.add(key)
            for old in element.findall("instrument"):
                element.remove(old)
            before = max(i for i, e in enumerate(element) if e.tag in ("duration", "tie"))
            used = ElementTree.Element("instrument", id=_id(part, key))
            element.insert(before + 1, used)
        if keys:
            _declare(root, part, sorted(keys))
    return head + ElementTree.tostring(root, encoding="utf-8")


def _id(part: ElementTree.Element, key: int) -> str:
    return f"{part.get('id')}-D{key}"


def _declare(root: ElementTree.Element, part: ElementTree.Element, keys: list[int]) -> None:
    """List the drums of a part as its instruments."""
    declared = next(p for p in root.iter("score-part") if p.get("id") == part.get("id"))
    for old in [e for e in declared if e.tag in ("score-instrument", "midi-instrument")]:
        declared.remove(old)
    for key in keys:
        made = ElementTree.SubElement(declared, "score-instrument", id=_id(part, key))
        ElementTree.SubElement(made, "instrument-name").text = f"Drum {key}"
    for key in keys:
        made = ElementTree.SubElement(declared, "midi-instrument", id=_id(part, key))
        ElementTree.SubElement(made, "midi-channel").text = str(DRUM_CHANNEL + 1)
        ElementTree.SubElement(made, "midi-unpitched").text = str(key + 1)
