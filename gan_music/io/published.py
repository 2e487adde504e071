"""The notes that the paper's published loader keeps of a file, and no others.

It parses with music21's default quantization (to sixteenths and triplet quavers), takes the first
part that ``instrument.partitionByInstrument`` finds, or else all notes, and walks through its notes
and chords. At the first chord it asks for the pitches of ``chord.normalOrder``, which are plain
integers without a ``midi``; the ``AttributeError`` ends the file there, and what came before is
kept. A file that music21 cannot partition, or whose first part begins with a chord, keeps nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_published(path: Path) -> list[tuple[Any, Any, int, int]]:
    """(onset, length, pitch, velocity) of the notes that are kept, in quarters.

    The published loader has no velocities; they are music21's.
    """
    from music21 import chord, converter, instrument, note

    score = converter.parse(path, forceSource=True)
    partitioned = instrument.partitionByInstrument(score)
    elements = partitioned.parts[0].recurse() if partitioned else score.flatten().notes
    kept: list[tuple[Any, Any, int, int]] = []
    for element in elements:
        if isinstance(element, note.Note):
            velocity = max(1, min(127, element.volume.velocity or 64))
            kept.append((element.offset, element.quarterLength, element.pitch.midi, velocity))
        elif isinstance(element, chord.Chord):
            break
    return kept
