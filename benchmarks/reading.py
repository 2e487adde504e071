"""How fast music is read: a folder cold and from the cache, and files beside music21's own parse.

    python benchmarks/reading.py [DIR] [--parsed 12]

Without a folder, 64 random files of two tracks and 2,000 notes are read. The folder is read by all
CPU cores into an empty cache, then from it. Then each of some files, evenly spread by size, is read
in this process and parsed by music21, in turn; the ratio is that of the sums.
"""

from __future__ import annotations

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
from gan_music.data.sources import find_sources
from gan_music.io.read import MIDI_SUFFIXES, ReadError, read
from gan_music.io.write import write_midi
from gan_music.music.piece import Track
from gan_music.system.errors import UserError

_N_FILES, _N_NOTES = 64, 2_000


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("folder", nargs="?", type=common.folder, metavar="DIR")
    parser.add_argument("--parsed", type=common.count, default=12, metavar="N_FILES")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or _random_files(Path(name, "music"))
        whole_folder(folder, Path(name, "cache"))
        beside_music21(_some(folder, arguments.parsed))


def _random_files(folder: Path) -> Path:
    folder.mkdir()
    for number in range(_N_FILES):
        piece = common.random_piece(number, _N_NOTES)
        hands = (Track("right"), Track("left"))
        piece = replace(piece, track=(piece.pitch < 60).astype(np.int64), tracks=hands)
        write_midi(piece, folder / f"{number}.mid")
    return folder


def whole_folder(folder: Path, cache: Path) -> None:
    """Read it twice with the same cache."""
    for what in ("cold", "from the cache"):
        seconds, found = _timed(
            lambda: extract(find_sources(folder, ""), NoteCache(cache, common.GRID), min_notes=1)
        )
        assert isinstance(found, Extraction)
        n_notes = sum(map(len, found.pieces))
        print(f"{found.n_files:,} files, {n_notes:,} notes, {what}: {seconds:.2f} s", flush=True)


def _some(folder: Path, n: int) -> list[Path]:
    files = [p for p in folder.rglob("*") if p.suffix.lower() in MIDI_SUFFIXES]
    files.sort(key=lambda p: (p.stat().st_size, p.name))
    if not files:
        raise UserError(f"{folder} holds no MIDI file: name another folder.")
    return [files[i] for i in np.unique(np.linspace(0, len(files) - 1, n).astype(int))]


def beside_music21(files: list[Path]) -> None:
    """Read and parse each of these, in turn; files that either refuses are left out."""
    read(files[0], grid=common.GRID)  # imports
    converter.parse(files[0], forceSource=True)
    ours, theirs = [], []
    for file in files:
        try:
            ours.append(_timed(lambda file=file: read(file, grid=common.GRID))[0])
        except ReadError:
            continue
        theirs.append(_timed(lambda file=file: converter.parse(file, forceSource=True))[0])
    print(f"{len(ours)} files, one process: {sum(ours):.3f} s, music21 {sum(theirs):.1f} s")
    print(f"music21 / read {sum(theirs) / sum(ours):,.0f}")


def _timed(step: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    made = step()
    return time.perf_counter() - start, made


if __name__ == "__main__":
    common.command(main)
