"""Fuzzing of the readers: each damaged file must give notes or a reason, in bounded time.

    python benchmarks/fuzz_readers.py [N] [--seed SEED] [--keep DIR]

Makes N files (2,000 by default) from random pieces and from scores of music21's corpus by one to
three mutations each, the same for the same seed, and extracts them with each reader as
``gan_music.extract`` does. Prints the outcomes. Exit code 1 if a file has neither notes nor a
reason, or if extraction fails or exceeds the time limits of its files. ``--keep`` writes the files
into a folder, named by their number and mutations.
"""

from __future__ import annotations

import collections
import io
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import common
import numpy as np
from mutations import MUTATIONS, correct_lengths

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
    """(suffix, content) of valid files of every kind."""
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
        seed, n = rng.integers(1000), int(rng.integers(20, 300))
        found.append((".mid", midi(common.random_piece(int(seed), n), folder)))
    return found


def midi(piece: Piece, folder: Path) -> bytes:
    path = folder / "piece.mid"
    write_midi(piece, path)
    return path.read_bytes()


def write_files(folder: Path, n: int, seed: int) -> None:
    """Make ``n`` damaged files, about half of them MIDI."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as scratch:
        valid = documents(Path(scratch), rng)
    kinds = [[d for d in valid if (d[0] == ".mid") == is_midi] for is_midi in (True, False)]
    for number in range(n):
        choices = kinds[number % 2]
        suffix, content = choices[int(rng.integers(len(choices)))]
        names = []
        for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
            known = MUTATIONS[suffix]
            names.append(list(known)[int(rng.integers(len(known)))])
            content = known[names[-1]](content, rng)
        if suffix == ".mid" and rng.random() < 0.6:
            content = correct_lengths(content)
        path = folder / f"{number:05d}_{'_'.join(names)}{suffix}"
        path.write_bytes(content)


def run_reader(folder: Path, reader: str) -> tuple[Extraction, list[str], float]:
    """A reader's extraction of the files, its failures, and its seconds."""
    sources = find_sources(folder, "")
    if reader == "fast":
        sources = [s for s in sources if s.path.suffix in MIDI_SUFFIXES]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        limits = {"n_workers": N_WORKERS, "timeout_s": TIMEOUT_S, "memory_mb": 1024}
        try:
            result = extract(sources, NoteCache(Path(cache), 24, reader), min_notes=1, **limits)
        except NothingReadError as error:
            result = error.extraction
    seconds = time.monotonic() - start
    known = {piece.name.partition("#")[0] for piece in result.pieces} | result.rejects.keys()
    wrong = [f"no notes and no reason: {s.name}" for s in sources if s.name not in known]
    wrong += [f"an empty reason: {k}" for k, reason in result.rejects.items() if not reason.strip()]
    if seconds > 60 + len(sources) * (TIMEOUT_S + 2) / N_WORKERS:
        wrong.append(f"took {seconds:.0f} s")
    return result, wrong, seconds


def report(reader: str, result: Extraction, wrong: Sequence[str], seconds: float) -> str:
    limits = ("longer to read", "more memory", "crashed")
    reasons = result.rejects.values()
    kinds = collections.Counter(next((k for k in limits if k in r), "reason") for r in reasons)
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


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("n", nargs="?", type=common.count, default=2000, metavar="N")
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
    return int(failed)


if __name__ == "__main__":
    common.command(main)
