"""Reads MusicXML through music21, which is given and corrected what it reads otherwise.

music21 counts the measures of each part by themselves, so that parts fall out of step after a
measure whose length differs between them; reads cue notes as notes; and reads no time-wise scores.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.etree import _Element as Element

from gan_music.io.formats.musicxml import Score
from gan_music.io.formats.musicxml_file import open_score
from gan_music.io.formats.score import pieces_of
from gan_music.music.piece import Piece


def read_musicxml(path: Path, grid: int, name: str) -> list[Piece]:
    """The piece in a score."""
    from music21 import converter

    root = open_score(path)
    score = Score(root)
    _silence_cues(root)
    _sound_ties(root)
    _plain_transpositions(root)
    with _drum_keys():
        parsed = converter.parseData(etree.tostring(root, encoding="unicode"), format="musicxml")
    for part in parsed.parts:
        measures = part.getElementsByClass("Measure")
        for start, measure in zip(score.starts, list(measures), strict=False):
            part.setElementOffset(measure, Fraction(start, score.resolution))
        part.coreElementsChanged()
    return pieces_of(parsed, grid, name)


def _silence_cues(root: Element) -> None:
    """Turn cue notes into rests, and take out those of a chord."""
    for measure in root.iter("measure"):
        for note in measure.findall("note"):
            if note.find("cue") is None:
                continue
            if note.find("chord") is not None or note.find("grace") is not None:
                measure.remove(note)
                continue
            for tag in ("cue", "pitch", "unpitched", "tie", "notations", "lyric"):
                for element in note.findall(tag):
                    note.remove(element)
            note.insert(0, etree.Element("rest"))


def _sound_ties(root: Element) -> None:
    """Let a tie that is only drawn sound."""
    for note in root.iter("note"):
        if note.find("tie") is None:
            for tied in note.findall("notations/tied"):
                if tied.get("type") in ("start", "stop"):
                    note.append(etree.Element("tie", {"type": tied.get("type", "")}))


def _plain_transpositions(root: Element) -> None:
    """Write octaves as steps, since music21 fails where an octave is all there is."""
    for transpose in root.iter("transpose"):
        octaves = int(transpose.findtext("octave-change") or 0)
        chromatic = round(float(transpose.findtext("chromatic") or 0))
        diatonic = int(transpose.findtext("diatonic") or round(chromatic * 7 / 12))
        for element in list(transpose):
            transpose.remove(element)
        for tag, number in (("diatonic", diatonic + 7 * octaves), ("chromatic", chromatic)):
            text = number + 12 * octaves if tag == "chromatic" else number
            etree.SubElement(transpose, tag).text = str(text)


@contextlib.contextmanager
def _drum_keys() -> Iterator[None]:
    """Within the block, music21 keeps the key of each unpitched note of MusicXML, as
    ``editorial.drum_key``: it reads the first percussion instrument of a part alone.
    """
    from music21.musicxml.xmlToM21 import MeasureParser

    original = MeasureParser.xmlToSimpleNote

    def with_key(self: Any, element: Any, *arguments: Any, **named: Any) -> Any:
        found = original(self, element, *arguments, **named)
        used, part = element.find("instrument"), getattr(self.parent, "mxScorePart", None)
        if element.find("unpitched") is not None and used is not None and part is not None:
            for instrument in part.iter("midi-instrument"):
                key = instrument.findtext("midi-unpitched", "")
                if instrument.get("id") == used.get("id") and key.strip().isdecimal():
                    found.editorial.drum_key = int(key) - 1
        return found

    MeasureParser.xmlToSimpleNote = with_key
    try:
        yield
    finally:
        MeasureParser.xmlToSimpleNote = original


FORMATS = {suffix: {"music21": read_musicxml} for suffix in (".xml", ".musicxml", ".mxl")}
