"""Damaged files through every reader: each must give notes or a reason, in bounded time.

    python benchmarks/fuzz_readers.py [N] [--seed SEED] [--keep DIR]

Makes N files (2,000 by default) out of generated pieces and of parts of music21's corpus by one to
three mutations each, always the same for a seed, and extracts them as ``gan_music.extract`` does:
once with each reader. Prints what became of them, and ends with code 1 if a file was lost in
silence, if the run broke, or if it took longer than its files may take. ``--keep`` leaves the files
in a folder; a file's name holds its number, what it was made of and its mutations.
"""

from __future__ import annotations

import argparse
import collections
import io
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from damage import MUTATIONS, mend_lengths

from gan_music.data.cache import NoteCache
from gan_music.data.extraction import Extraction, NothingReadError, extract
from gan_music.data.read_report import refusal_lines
from gan_music.data.sources import find_sources
from gan_music.io.read import MIDI_SUFFIXES, READERS, read
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece

TIMEOUT_S = 10
N_WORKERS = 2
CORPUS = ("bach/bwv66.6", "bach/bwv1.6", "bach/bwv253", "palestrina/agnus_00")
ABC = ("ryansmammoth/abitha", "ryansmammoth/acacia")


def documents(folder: Path, rng: np.random.Generator) -> list[tuple[str, bytes]]:
    """(suffix, content) of sound files of every kind."""
    found = []
    for source in find_sources(None, [*CORPUS, *ABC]):
        content = source.path.read_bytes()
        found.append((source.path.suffix, content))
        if source.path.suffix == ".mxl":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                name = next(n for n in archive.namelist() if not n.startswith("META-INF"))
                found += [(".xml", archive.read(name)), (".musicxml", archive.read(name))]
            found.append((".mid", midi(read(source.path)[0], folder)))
    for _ in range(6):
        n = int(rng.integers(20, 300))
        onset, pitch = np.cumsum(rng.integers(0, 24, n)), rng.integers(21, 109, n)
        found.append(
            (".mid", midi(Piece.from_arrays(onset, rng.integers(1, 96, n), pitch, grid=24), folder))
        )
    return found


def midi(piece: Piece, folder: Path) -> bytes:
    """The bytes of its MIDI file."""
    path = folder / "piece.mid"
    write_midi(piece, path)
    return path.read_bytes()


def write_files(folder: Path, n: int, seed: int) -> None:
    """Make ``n`` damaged files, about half of them MIDI."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as scratch:
        sound = documents(Path(scratch), rng)
    kinds = [[d for d in sound if (d[0] == ".mid") == is_midi] for is_midi in (True, False)]
    for number in range(n):
        choices = kinds[number % 2]
        suffix, content = choices[int(rng.integers(len(choices)))]
        names = []
        for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
            known = MUTATIONS[suffix]
            names.append(list(known)[int(rng.integers(len(known)))])
            content = known[names[-1]](content, rng)
        if suffix == ".mid" and rng.random() < 0.6:
            content = mend_lengths(content)
        path = folder / f"{number:05d}_{'_'.join(names)}{suffix}"
        path.write_bytes(content)


def run_reader(folder: Path, reader: str) -> tuple[Extraction, list[str], float]:
    """What a reader makes of the files, what is wrong with that, and the seconds it took."""
    sources = find_sources(folder, "")
    if reader == "fast":
        sources = [s for s in sources if s.path.suffix in MIDI_SUFFIXES]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        try:
            result = extract(
                sources,
                NoteCache(Path(cache), 24, reader),
                min_notes=1,
                n_workers=N_WORKERS,
                timeout_s=TIMEOUT_S,
                memory_mb=1024,
            )
        except NothingReadError as error:
            result = error.extraction
    seconds = time.monotonic() - start
    told = {piece.name.partition("#")[0] for piece in result.pieces} | result.rejects.keys()
    wrong = [f"lost in silence: {source.name}" for source in sources if source.name not in told]
    wrong += [f"no reason: {name}" for name, reason in result.rejects.items() if not reason.strip()]
    if seconds > 60 + len(sources) * (TIMEOUT_S + 2) / N_WORKERS:
        wrong.append(f"took {seconds:.0f} s")
    return result, wrong, seconds


def report(reader: str, result: Extraction, wrong: Sequence[str], seconds: float) -> str:
    """A table of outcomes."""
    kinds = collections.Counter(
        next((k for k in ("longer to read", "more memory", "crashed") if k in reason), "reason")
        for reason in result.rejects.values()
    )
    n_read = result.n_files - len(result.rejects)
    lines = [
        f"{reader}: {result.n_files} files in {seconds:.0f} s",
        f"  read {n_read}, with {result.n_notes:,} notes; refused {len(result.rejects)}: "
        f"{kinds['reason']} as unreadable, {kinds['longer to read']} for time, "
        f"{kinds['more memory']} for memory, {kinds['crashed']} for a crash",
        *refusal_lines(result.rejects),
        f"  failures: {len(wrong)}",
        *(f"    {what}" for what in wrong[:20]),
    ]
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("n", nargs="?", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        write_files(folder, arguments.n, arguments.seed)
        for reader in (r for r in READERS if r != "published"):
            result, wrong, seconds = run_reader(folder, reader)
            print(report(reader, result, wrong, seconds), flush=True)
            failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
