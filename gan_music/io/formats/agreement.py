"""Whether music21 reads the notes that a format's standard says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gan_music.io.errors import ReadError, Refused
from gan_music.music.piece import Piece

_ADVICE = "; use data.reader=auto"


def agreed(read: Sequence[Piece | Refused], by_music21: list[Piece]) -> list[Piece | Refused]:
    """The pieces that music21 reads, if their notes are those of the direct reader.

    Raises
    ------
    ReadError
        If they are not, with the number of notes that differ.
    """
    if len(read) != len(by_music21):
        raise ReadError(f"music21 reads {len(by_music21)} of {len(read)} pieces in it{_ADVICE}")
    found: list[Piece | Refused] = []
    for number, (own, other) in enumerate(zip(read, by_music21, strict=True), 1):
        if isinstance(own, Refused):
            found.append(own)
        elif own.same_notes(other):
            found.append(replace(other, losses=own.losses))
        else:
            lost = Counter(own.notes()) - Counter(other.notes())
            further = Counter(other.notes()) - Counter(own.notes())
            where = f"piece {number}: " if len(read) > 1 else ""
            raise ReadError(
                f"{where}music21 reads {max(lost.total(), further.total())} of {len(own)} notes "
                f"otherwise than the format's standard says{_ADVICE}"
            )
    return found
