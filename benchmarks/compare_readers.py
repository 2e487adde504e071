"""How far the two MIDI readers agree, note by note, and the causes of their differences.

    python benchmarks/compare_readers.py DIR [GRID]

Reads every MIDI file below a folder with ``data.reader=fast`` and ``data.reader=music21``. Prints
the share of notes that agree in (onset, duration, pitch) on the grid, and the number of differences
of each cause (gan_music/io/formats/midi.py explains them) with an example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import common
import numpy as np

from gan_music.data.sources import Source, find_sources
from gan_music.io.formats.midi import music21_events, symusic_events
from gan_music.io.formats.midi_chunks import whole_tracks
from gan_music.io.read import MIDI_SUFFIXES, ReadError, read

AGAIN = "repeated note-on, two note-offs: music21 ends both notes at the first note-off"
ONCE = "repeated note-on, one note-off: music21 ends both notes there, fast has the first alone"
OTHER = "another cause"


def compare(path: Path, grid: int) -> tuple[int, int, int, list[tuple[str, str]]]:
    """Numbers of notes: of the fast reader, of music21, common to both; (cause, example) of
    differences.
    """
    found: dict[str, Counter[tuple[int, int, int]]] = {}
    refused: dict[str, str] = {}
    for reader in ("fast", "music21"):
        try:
            found[reader] = Counter(read(path, grid=grid, reader=reader)[0].notes())
        except ReadError as error:
            found[reader], refused[reader] = Counter(), str(error)
    n_fast, n_music21 = found["fast"].total(), found["music21"].total()
    n_both = (found["fast"] & found["music21"]).total()
    if len(refused) == 2:
        return 0, 0, 0, [("refused by both", f"fast: {refused['fast']}")]
    if refused:
        ((reader, reason),) = refused.items()
        return n_fast, n_music21, n_both, [(f"refused by {reader} alone", reason)]
    return n_fast, n_music21, n_both, list(_causes(path))


def _causes(path: Path) -> Iterator[tuple[str, str]]:
    """A (cause, example) for each note that music21 reads differently, before any rounding."""
    data = whole_tracks(path.read_bytes())
    fast, music21 = _ends(symusic_events(data).notes), _ends(music21_events(data).notes)
    for (onset, pitch), ends in music21.items():
        own = fast.get((onset, pitch), Counter())
        for end in (ends - own).elements():
            example = f"pitch {pitch} at tick {onset}: music21 ends it at {end}, fast at " + (
                ", ".join(map(str, own)) or "no time"
            )
            earlier = any(
                p == pitch and o <= onset and end in e for (o, p), e in fast.items() if p == pitch
            )
            if not earlier:
                yield OTHER, example
            else:
                yield (AGAIN if own.total() >= ends.total() else ONCE), example
    for (onset, pitch), ends in fast.items():
        if ends.total() > music21.get((onset, pitch), Counter()).total():
            yield OTHER, f"pitch {pitch} at tick {onset}: music21 lacks it"


def _ends(notes: list[np.ndarray]) -> dict[tuple[int, int], Counter[int]]:
    """(onset, pitch) -> numbers of notes by the tick of their end."""
    ends: dict[tuple[int, int], Counter[int]] = {}
    for onset, length, pitch, _ in chain.from_iterable(n.tolist() for n in notes):
        ends.setdefault((onset, pitch), Counter())[onset + length] += 1
    return ends


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("folder", type=common.folder, metavar="DIR")
    parser.add_argument("grid", type=common.count, nargs="?", default=common.GRID, metavar="GRID")
    given = parser.parse_args()
    grid = given.grid
    sources: list[Source] = [
        s for s in find_sources(given.folder, "") if s.path.suffix.lower() in MIDI_SUFFIXES
    ]
    n_fast = n_music21 = n_both = 0
    causes: Counter[str] = Counter()
    examples: dict[str, str] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        results = pool.map(compare, [s.path for s in sources], [grid] * len(sources))
        for source, (fast, music21, both, differences) in zip(sources, results, strict=True):
            n_fast, n_music21, n_both = n_fast + fast, n_music21 + music21, n_both + both
            for cause, example in differences:
                causes[cause] += 1
                examples.setdefault(cause, f"{source.name}: {example}")
    print(f"{len(sources)} files, grid of {grid}")
    print(f"notes: fast {n_fast:,}, music21 {n_music21:,}; equal in onset, duration and pitch:")
    print(f"  {n_both:,} ({n_both / max(1, n_fast, n_music21):.4%} of the larger)")
    for cause, count in causes.most_common():
        print(f"  {count:>6}  {cause}\n          e.g. {examples[cause]}")


if __name__ == "__main__":
    common.command(main)
