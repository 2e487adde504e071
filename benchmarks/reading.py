"""What reading music costs: both readers, the cache, several processes, ten times the files.

    python benchmarks/reading.py [DIR] [--sample N] [--scores QUERY]

DIR holds MIDI files; without one, scores of music21's corpus (Bach's chorales, or those of QUERY)
are written as MIDI first. Each pair is timed in one run, and its ratio is printed.
"""

from __future__ import annotations

import os
import random
import resource
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import common
from music21 import converter

from gan_music.data.cache import NoteCache
from gan_music.data.extraction import Extraction, extract, read_and_store
from gan_music.data.pool import Pool
from gan_music.data.sources import Source, find_sources
from gan_music.io.read import read
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece


def timed(sources: Sequence[Source], cache: NoteCache, n_workers: int) -> tuple[float, Extraction]:
    """Seconds from the start of the workers to the last array, and the pieces."""
    start = time.perf_counter()
    result = extract(sources, cache, min_notes=1, n_workers=n_workers)
    return time.perf_counter() - start, result


def music21_alone(sources: Sequence[Source], n: int) -> tuple[float, float]:
    """Seconds a file on a sample: music21's ``converter.parse``, and ``data.reader=music21``."""
    sample = random.Random(0).sample(list(sources), min(n, len(sources)))
    read(sample[0].path, reader="music21")  # imports
    warnings.simplefilter("ignore")
    parse = events = 0.0
    for source in sample:
        start = time.perf_counter()
        with suppress(Exception):  # a refused file costs time as well
            converter.parse(source.path, forceSource=True, quarterLengthDivisors=(common.GRID,))
        parse += time.perf_counter() - start
        start = time.perf_counter()
        with suppress(ValueError):
            read(source.path, grid=common.GRID, reader="music21")
        events += time.perf_counter() - start
    return parse / len(sample), events / len(sample)


def warm_seconds(sources: Sequence[Source], n_workers: int) -> float:
    """Seconds a file, without the first eighth, in which the workers start."""
    with tempfile.TemporaryDirectory() as folder:
        cache = NoteCache(Path(folder), common.GRID)
        pool: Pool = Pool(
            partial(read_and_store, cache=cache), n_workers=n_workers, timeout_s=600, memory_mb=4096
        )
        start, n_first = time.perf_counter(), len(sources) // 8
        for n_done, _ in enumerate(pool.run([(s, cache.key(s.path)) for s in sources]), 1):
            if n_done == n_first:
                start = time.perf_counter()
        return (time.perf_counter() - start) / (len(sources) - n_first)


def tenfold(pieces: Sequence[Piece], folder: Path) -> None:
    """Ten copies of each piece as MIDI, with other names and shifted pitches."""
    for number, piece in enumerate(pieces):
        for shift in range(10):
            low, high = int(piece.pitch.min()), int(piece.pitch.max())
            moved = min(max(shift - 5, -low), 127 - high)
            copy = Piece.from_arrays(
                piece.onset,
                piece.duration,
                piece.pitch + moved,
                velocity=(piece.velocity - shift).clip(1),  # no two files alike
                grid=piece.grid,
                tempo=piece.tempo,
            )
            write_midi(copy, folder / f"{number:04d}_{shift}.mid")


def array_bytes(result: Extraction) -> int:
    """Bytes of the arrays of all notes."""
    return sum(
        a.nbytes
        for p in result.pieces
        for a in (p.onset, p.duration, p.pitch, p.velocity, p.meters)
    )


def peak_bytes() -> int:
    """Peak resident memory of this process (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """The command."""
    parser = common.Parser(__doc__)
    parser.add_argument("folder", nargs="?", type=common.folder, metavar="DIR")
    parser.add_argument("--sample", type=common.count, default=12, metavar="N")
    parser.add_argument("--scores", default="bach", metavar="QUERY")
    arguments = parser.parse_args()
    n_workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        scores = find_sources(None, arguments.scores)
        folder = arguments.folder
        if folder is None:
            folder = work / "midi"
            folder.mkdir()
            for number, piece in enumerate(
                extract(scores, NoteCache(work / "c0", common.GRID), min_notes=1).pieces
            ):
                write_midi(piece, folder / f"{number:03d}.mid")
        sources = find_sources(folder, "")

        empty, result = timed(sources, NoteCache(work / "c1", common.GRID), n_workers)
        n, notes = len(sources), result.n_notes
        print(f"{n} files with {notes:,} notes, on {n_workers} CPUs")
        print(f"auto, empty cache           {empty:8.2f} s  {1e3 * empty / n:8.2f} ms a file")
        cached = min(
            timed(sources, NoteCache(work / "c1", common.GRID), n_workers)[0] for _ in range(3)
        )
        print(f"from the cache              {cached:8.2f} s  {1e3 * cached / n:8.2f} ms a file")
        parse, events = music21_alone(sources, arguments.sample)
        print(f"one process, {arguments.sample} files of the same, for all {n}:")
        for name, cost in (("music21's converter.parse", parse), ("data.reader=music21", events)):
            print(
                f"{name:28}{cost * n:8.2f} s  {1e3 * cost:8.2f} ms a file: auto is "
                f"{cost * n / empty:.0f} times faster"
            )

        ten = work / "ten"
        ten.mkdir()
        tenfold(result.pieces, ten)
        before, one = peak_bytes(), array_bytes(result)
        many, result = timed(find_sources(ten, ""), NoteCache(work / "c2", common.GRID), n_workers)
        print(f"ten times the files         {many:8.2f} s  {many / empty:8.2f} times the time")
        print(
            f"memory grew by {(peak_bytes() - before) / 1e6:.0f} MB for "
            f"{array_bytes(result) / 1e6:.0f} MB of arrays ({one / 1e6:.0f} MB before)"
        )

        one_process, two = warm_seconds(scores, 1), warm_seconds(scores, 2)
        print(f"scores, 1 process           {1e3 * one_process:8.2f} ms a file, workers warm")
        print(
            f"scores, 2 processes         {1e3 * two:8.2f} ms a file: "
            f"{one_process / two:.2f} times faster"
        )


if __name__ == "__main__":
    common.command(main)
