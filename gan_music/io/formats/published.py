"""Reads the notes that the published loader of Neo & Saleem (2024) keeps of a MIDI file.

The loader parses with music21's default quantization (to sixteenth notes and eighth-note triplets)
and takes the first part of ``instrument.partitionByInstrument``, or all notes if there is none. At
the first chord it reads ``midi`` of the integers in ``chord.normalOrder``. The ``AttributeError``
ends the file there, and the notes before it are kept. A file that music21 cannot partition, or
whose first part begins with a chord, gives no notes.
"""

from __future__ import annotations

from pathlib import Path

from gan_music.io.formats import abc, humdrum, midi, midi_chunks, musicxml
from gan_music.io.formats.score import Note, piece_in_quarters
from gan_music.music.piece import Piece


def read_published(path: Path, grid: int, name: str) -> list[Piece]:
    """One piece with the notes that are kept.

    The published loader has no velocities; these are music21's.
    """
    from music21 import chord, converter, instrument, note

    if path.suffix.lower() in midi.FORMATS:
        midi_chunks.whole_tracks(path.read_bytes())  # refuses one that is cut off
    parsed = converter.parse(path, forceSource=True)
    partitioned = instrument.partitionByInstrument(parsed)
    elements = partitioned.parts[0].recurse() if partitioned else parsed.flatten().notes
    kept: list[Note] = []
    for element in elements:
        if isinstance(element, note.Note):
            velocity = max(1, min(127, element.volume.velocity or 64))
            kept.append((element.offset, element.quarterLength, element.pitch.midi, velocity))
        elif isinstance(element, chord.Chord):
            break
    return [piece_in_quarters(kept, grid, name)]


FORMATS = {
    suffix: {"published": read_published}
    for module in (midi, musicxml, abc, humdrum)
    for suffix in module.FORMATS
}
