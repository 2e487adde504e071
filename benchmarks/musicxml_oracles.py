"""Independent answers to which notes a MusicXML score has, for compare_readers.py.

:func:`compare_musicxml` holds what ``data.reader=fast`` reads against

- ``data.reader=music21``: onset, duration, pitch and track of each note, meters and tempo;
- music21's own parse of the whole score: onset in the measure, pitch as written and whether a tie
  ends there, of each note of each measure of each part (it plays cue notes, and differs there);
- partitura, if it is installed: onset and pitch (its parts fall out of step after a measure whose
  length differs between them, and transposing parts stay as written).

The share of notes that it returns is that of ``fast`` and ``data.reader=music21``.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.etree import _Element as Element
from music21 import converter, harmony

from gan_music.io.formats.musicxml import Score
from gan_music.io.formats.musicxml_file import open_score
from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece

Compared = tuple[int, int, int, list[tuple[str, str]]]
Place = tuple[int, int]  # part, measure


def compare_musicxml(path: Path, grid: int) -> Compared:
    """Numbers of notes: of ``fast``, of ``music21``, common to both; (cause, example) of
    differences.
    """
    found: dict[str, Piece] = {}
    refused: dict[str, str] = {}
    for reader in ("fast", "music21"):
        try:
            (found[reader],) = read(path, grid=grid, reader=reader)
        except ReadError as error:
            refused[reader] = str(error)
    if refused:
        return 0, 0, 0, [(f"refused by {' and '.join(refused)}", next(iter(refused.values())))]
    fast, music21 = _notes(found["fast"]), _notes(found["music21"])
    differ = []
    if fast != music21:
        differ.append(("music21 reads other notes", _first(fast, music21)))
    for field in ("meters", "tempo", "tracks"):
        own, other = (str(getattr(found[r], field)) for r in ("fast", "music21"))
        if own != other:
            differ.append((f"music21 reads other {field}", f"{own:.60}, {other:.60}"))
    root = open_score(path)
    differ += _beside_music21(root)
    differ += _beside_partitura(root, found["fast"])
    return fast.total(), music21.total(), (fast & music21).total(), differ


def _notes(piece: Piece) -> Counter[tuple[int, ...]]:
    columns = (piece.onset, piece.duration, piece.pitch, piece.track)
    return Counter(zip(*(c.tolist() for c in columns), strict=True))


def _first(own: Counter[Any], other: Counter[Any]) -> str:
    sides = (sorted((own - other).elements()), sorted((other - own).elements()))
    return "; ".join(
        f"{len(s)} {name} as {s[:1]}" for s, name in zip(sides, ("own", "others"), strict=True)
    )


def _beside_music21(root: Element) -> list[tuple[str, str]]:
    """Each measure of each part against music21's own parse of all that the score holds."""
    score = Score(root)
    try:
        parsed = converter.parse(etree.tostring(root, encoding="unicode"), format="musicxml")
    except Exception as error:  # music21's parser raises exceptions of any type
        return [("music21's own parse fails", str(error)[:80])]
    own: dict[Place, Counter[Any]] = {}
    for number, part in enumerate(score.parts):
        for k, measure in enumerate(part.measures):
            own[number, k] = Counter(
                (Fraction(n.onset, score.resolution), n.key, n.ends_tie)
                for n in measure.notes
                if not n.is_drum
            )
    other: dict[Place, Counter[Any]] = {}
    for number, staves in enumerate(_parts(parsed, root)):
        for part in staves:
            for k, measure in enumerate(part.getElementsByClass("Measure")):
                other.setdefault((number, k), Counter()).update(_of_measure(measure))
    places = [p for p in own if own[p] != other.get(p, Counter())]
    if not places:
        return []
    part, measure = places[0]
    example = f"{len(places)} measures; {measure + 1} of part {part + 1}: "
    return [
        (
            "a measure has other notes in music21's own parse",
            example + _first(own[places[0]], other.get(places[0], Counter())),
        )
    ]


def _parts(parsed: Any, root: Element) -> list[list[Any]]:
    """The streams of each part, which are one for each staff."""
    ids = [part.get("id") for part in root.findall("part")]
    return [
        [p for p in parsed.parts if any(str(g).split("-Staff")[0] == i for g in p.groups)]
        for i in ids
    ]


def _of_measure(measure: Any) -> list[tuple[Fraction, int, bool]]:
    found = []
    for element in measure.flatten().notes:
        if isinstance(element, harmony.Harmony):
            continue
        for single in getattr(element, "notes", (element,)):
            if hasattr(single, "pitch"):
                ends = single.tie is not None and single.tie.type in ("stop", "continue")
                found.append((Fraction(element.offset), single.pitch.midi, ends))
    return found


def _beside_partitura(root: Element, piece: Piece) -> list[tuple[str, str]]:
    try:
        import partitura
    except ImportError:
        return []
    text = etree.tostring(root)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            array = partitura.load_musicxml(io.BytesIO(text)).note_array()
    except Exception as error:  # of any type
        return [("partitura fails", str(error)[:80])]
    first = min(array["onset_quarter"], default=0) - min(piece.onset, default=0) / piece.grid
    steps = ((array["onset_quarter"] - first) * piece.grid).round().astype(int).tolist()
    other = Counter(zip(steps, array["pitch"].tolist(), strict=True))
    own = Counter(zip(piece.onset.tolist(), piece.pitch.tolist(), strict=True))
    return [] if own == other else [("partitura has other notes", _first(own, other))]
