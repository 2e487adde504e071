"""How fast music is read: a folder cold and from the cache, and files beside music21's own parse.

    python benchmarks/reading.py [MUSIC] [--parsed 12]

MUSIC is a folder, or a part of music21's corpus (bach, haydn); without it, 64 random MIDI files of
two tracks and 2,000 notes are read. All is read by all CPU cores into an empty cache, then from it.
Then each of some files of every format, evenly spread by size, is read in this process and parsed
by music21, in turn; the ratio is that of the sums.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import common
import numpy as np
from music21 import converter

from gan_music.data.cache import NoteCache
from gan_music.data.extraction import Extraction, extract
from gan_music.data.sources import Source
from gan_music.io.read import ReadError, read
from gan_music.io.write import write_midi
from gan_music.music.piece import Track

_N_FILES, _N_NOTES = 64, 2_000


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("music", nargs="?", metavar="MUSIC")
    parser.add_argument("--parsed", type=common.count, default=12, metavar="N_FILES")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sources = common.find_music(arguments.music or _random_files(Path(name, "music")))
        read_all(sources, Path(name, "cache"))
        formats = sorted({s.path.suffix.lower() for s in sources})
        for suffix in formats:
            files = [s.path for s in sources if s.path.suffix.lower() == suffix]
            files.sort(key=lambda p: (p.stat().st_size, p.name))
            chosen = np.unique(np.linspace(0, len(files) - 1, arguments.parsed).astype(int))
            beside_music21(suffix, [files[i] for i in chosen])


def _random_files(folder: Path) -> str:
    folder.mkdir()
    for number in range(_N_FILES):
        piece = common.random_piece(number, _N_NOTES)
        hands = (Track("right"), Track("left"))
        piece = replace(piece, track=(piece.pitch < 60).astype(np.int64), tracks=hands)
        write_midi(piece, folder / f"{number}.mid")
    return str(folder)


def read_all(sources: list[Source], cache: Path) -> None:
    """Read them twice with the same cache."""
    for what in ("cold", "from the cache"):
        seconds, found = _timed(
            lambda: extract(sources, NoteCache(cache, common.GRID), min_notes=1)
        )
        assert isinstance(found, Extraction)
        n_notes = sum(map(len, found.pieces))
        print(f"{found.n_files:,} files, {n_notes:,} notes, {what}: {seconds:.2f} s", flush=True)


def beside_music21(suffix: str, files: list[Path]) -> None:
    """Read and parse each of these, in turn; files that either refuses are left out."""
    with contextlib.suppress(ReadError):
        read(files[0], grid=common.GRID)  # imports
    converter.parse(files[0], forceSource=True)
    ours, theirs = [], []
    for file in files:
        try:
            ours.append(_timed(lambda file=file: read(file, grid=common.GRID))[0])
        except ReadError:
            continue
        theirs.append(_timed(lambda file=file: converter.parse(file, forceSource=True))[0])
    if ours:
        print(f"{suffix}: {len(ours)} files in one process: {sum(ours):.3f} s; ", end="")
        print(f"music21 {sum(theirs):.1f} s; music21 / read {sum(theirs) / sum(ours):,.0f}")


def _timed(step: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    made = step()
    return time.perf_counter() - start, made


if __name__ == "__main__":
    common.command(main)
