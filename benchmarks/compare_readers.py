"""How far the readers agree with independent ones, note by note, and the causes of differences.

    python benchmarks/compare_readers.py MUSIC [GRID] [--all]

MUSIC is a folder, a part of music21's corpus (bach, haydn), or ``corpus``, all of it. Of each
format, 100 files evenly spread by size are read, or all of them. Prints for each format the share
of notes that agree, and the number of differences of each cause with the files. The other reader is

- of MusicXML, ``data.reader=music21``; musicxml_oracles.py adds independent ones;
- of MIDI, ``data.reader=music21``: (onset, duration, pitch) on the grid (for the causes, see
  gan_music/io/formats/midi.py), and mido: the same in ticks;
- of Humdrum, a count of the file's note tokens;
- of ABC, abc2midi, if it is installed: onset and pitch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import common
import numpy as np
import oracles
from musicxml_oracles import compare_musicxml

from gan_music.data.sources import Source
from gan_music.io.formats import musicxml
from gan_music.io.formats.midi import music21_events, symusic_events
from gan_music.io.formats.midi_chunks import whole_tracks
from gan_music.io.read import MIDI_SUFFIXES, ReadError, read

AGAIN = "repeated note-on, two note-offs: music21 ends both notes at the first note-off"
ONCE = "repeated note-on, one note-off: music21 ends both notes there, fast has the first alone"
OTHER = "another cause"
N_EXAMPLES = 60  # files named for each cause
N_SAMPLE = 100  # files of a format


def compare_midi(path: Path, grid: int) -> tuple[int, int, int, list[tuple[str, str]]]:
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
    data = whole_tracks(path.read_bytes())
    in_ticks = Counter(
        (onset, duration, pitch)
        for track in symusic_events(data).notes
        for onset, duration, pitch, _ in track.tolist()
    )
    return n_fast, n_music21, n_both, [*_causes(data), *oracles.beside_mido(data, in_ticks)]


def _causes(data: bytes) -> Iterator[tuple[str, str]]:
    """A (cause, example) for each note that music21 reads differently, before any rounding."""
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


COMPARE = {"MIDI": compare_midi, "MusicXML": compare_musicxml, **oracles.BY_SUFFIX}


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("music", metavar="MUSIC")
    parser.add_argument("grid", type=common.count, nargs="?", default=common.GRID, metavar="GRID")
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    grid = given.grid
    sources: dict[str, list[Source]] = {}
    for source in common.find_music(given.music):
        suffix = source.path.suffix.lower()
        if suffix in MIDI_SUFFIXES:
            sources.setdefault("MIDI", []).append(source)
        elif suffix in musicxml.FORMATS:
            sources.setdefault("MusicXML", []).append(source)
        elif suffix in oracles.BY_SUFFIX:
            sources.setdefault(suffix, []).append(source)
    if not given.all:
        sources = {name: _some(own) for name, own in sources.items()}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for name, own in sources.items():
            compare = COMPARE[name]
            results = pool.map(compare, [s.path for s in own], [grid] * len(own))
            others = ("fast", "music21") if name in ("MIDI", "MusicXML") else ("read", "expected")
            print(f"{name}: {len(own)} files, grid of {grid}")
            _show([s.name for s in own], results, others)


def _some(sources: list[Source]) -> list[Source]:
    sources.sort(key=lambda s: (s.path.stat().st_size, s.name))
    chosen = np.unique(np.linspace(0, len(sources) - 1, N_SAMPLE).astype(int))
    return [sources[i] for i in chosen]


def _show(names: list[str], results: Iterable[oracles.Compared], readers: tuple[str, str]) -> None:
    n_first = n_second = n_both = 0
    causes: Counter[str] = Counter()
    examples: dict[str, dict[str, str]] = {}  # of each cause, one a file
    for name, (first, second, both, differences) in zip(names, results, strict=True):
        n_first, n_second, n_both = n_first + first, n_second + second, n_both + both
        for cause, example in differences:
            causes[cause] += 1
            examples.setdefault(cause, {}).setdefault(name, example)
    print(f"notes: {readers[0]} {n_first:,}, {readers[1]} {n_second:,}; equal:")
    print(f"  {n_both:,} ({n_both / max(1, n_first, n_second):.4%} of the larger)")
    for cause, count in causes.most_common():
        print(f"  {count:>6}  {cause}")
        for name, example in list(examples[cause].items())[:N_EXAMPLES]:
            print(f"          {name}: {example}")


if __name__ == "__main__":
    common.command(main)
