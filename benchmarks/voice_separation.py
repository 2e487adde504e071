"""How well voices are separated, on pieces whose tracks are voices.

    python benchmarks/voice_separation.py MUSIC

MUSIC is a folder, or a part of music21's corpus (bach). Its pieces of several monophonic tracks are
merged and separated again. Prints, by number of voices, the share of notes that are in their own
voice, counted from the highest, and the precision and recall of links: pairs of successive notes of
a voice.
"""

from __future__ import annotations

from collections.abc import Iterator

import common
import numpy as np

from gan_music.metrics.piece.voice_separation import separate, tracks_as_voices
from gan_music.music.piece import IntArray, Piece


def links(piece: Piece, voice: IntArray) -> Iterator[tuple[int, int]]:
    for number in np.unique(voice[voice >= 0]):
        own = np.flatnonzero(voice == number)
        own = own[np.argsort(piece.onset[own], kind="stable")]
        yield from zip(own[:-1].tolist(), own[1:].tolist(), strict=True)


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("music", metavar="MUSIC")
    music = parser.parse_args().music
    # by number of voices: pieces, notes, notes in their voice, links found, true, both
    counts: dict[int, IntArray] = {}
    for piece in common.read_pieces(music, min_notes=1):
        if (true := tracks_as_voices(piece)) is None:
            continue
        own = separate(piece.merged())  # merging keeps the order of the notes
        found, expected = set(links(piece, own)), set(links(piece, true))
        row = (1, len(own), (own == true).sum(), len(found), len(expected), len(found & expected))
        n_voices = len(np.unique(true))
        counts[n_voices] = counts.get(n_voices, np.zeros(6, np.int64)) + np.array(row)
    if not counts:
        print("no piece has several monophonic tracks")
    for n_voices, row in sorted(counts.items()):
        n_pieces, n_notes, n_right, n_found, n_true, n_both = row.tolist()
        print(
            f"{n_voices} voices, {n_pieces} pieces, {n_notes:,} notes: {n_right / n_notes:.1%} in "
            f"their voice; links: precision {n_both / n_found:.1%}, recall {n_both / n_true:.1%}"
        )


if __name__ == "__main__":
    common.command(main)
