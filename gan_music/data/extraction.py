"""Reads sources into pieces, in parallel and through the cache; refused files are reported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gan_music.data import read_report
from gan_music.data.cache import NoteCache
from gan_music.data.pack import is_pack, open_pack, write_pack
from gan_music.data.pool import Failure, Pool
from gan_music.data.sources import Source, find_sources
from gan_music.io.limits import check_file
from gan_music.io.read import ReadError, Refused, read_or_refuse
from gan_music.music.piece import Piece, lengths
from gan_music.system.errors import UserError

# (source, its key) -> the reason why it cannot be stored in the cache, or None
ReadingPool = Pool[tuple[Source, str], str | None]


@dataclass
class Extraction:
    """The pieces of a data set, in the order of its files, and what is refused.

    Attributes
    ----------
    rejects : the reason by the name of a file, or of a piece of a file that has others.
    n_refused_files : how many of these are files.
    """

    pieces: Sequence[Piece] = field(default_factory=list)
    rejects: dict[str, str] = field(default_factory=dict)
    n_files: int = 0
    n_cached: int = 0
    n_refused_files: int = 0

    @property
    def n_notes(self) -> int:
        return int(lengths(self.pieces).sum())

    def summary(self) -> str:
        """One sentence, and a line for each reason of refusal."""
        line = (
            f"{len(self.pieces)} pieces with {self.n_notes:,} notes "
            f"({self.n_cached} files from the cache); {self.n_refused_files} files refused"
        )
        if n_refused_pieces := len(self.rejects) - self.n_refused_files:
            line += f", and {n_refused_pieces} pieces of other files"
        return "\n".join([line, *read_report.refusal_lines(self.rejects)])

    def table(self) -> str:
        """See :func:`read_report.table`."""
        return read_report.table(
            self.pieces, self.rejects, n_files=self.n_files, n_refused_files=self.n_refused_files
        )

    def write_rejects(self, path: Path) -> None:
        """See :func:`read_report.write_rejects`."""
        read_report.write_rejects(self.rejects, path)

    def write_losses(self, path: Path) -> None:
        """See :func:`read_report.write_losses`."""
        read_report.write_losses(self.pieces, path)


class NothingReadError(UserError):
    """No piece could be used; ``extraction`` has the reasons."""

    def __init__(self, extraction: Extraction) -> None:
        reasons = read_report.refusals(extraction.rejects)[:3]
        super().__init__(
            f"none of {extraction.n_files} files could be used: "
            + "; ".join(f"{reason} ({n}, for instance {name})" for reason, n, name in reasons)
            + ". Name a folder with whole MIDI files or scores."
        )
        self.extraction = extraction


def extract(
    sources: Sequence[Source],
    cache: NoteCache,
    *,
    min_notes: int,
    n_workers: int | None = None,
    timeout_s: float = 120.0,
    memory_mb: int = 2048,
    pack: Path | None = None,
) -> Extraction:
    """Read all sources: from the cache if they are in it, otherwise into it.

    Each source gives pieces or a reason for its refusal, even if reading it crashes the process. A
    refusal because of a limit is not cached, since the file may be read at another time.

    Parameters
    ----------
    min_notes : a piece with fewer, drums aside, is refused.
    n_workers : processes that read; None for one a CPU core.
    timeout_s, memory_mb : limits for each file, as in :class:`gan_music.data.pool.Pool`.
    pack : a folder to write the pieces to (:mod:`gan_music.data.pack`), with one file's pieces in
        memory at a time; None keeps all of them in memory.

    Raises
    ------
    NothingReadError
        If no piece is left.
    UserError
        If the cache or the pack cannot be written.
    """
    result = Extraction(n_files=len(sources))
    pool = Pool(
        partial(read_and_store, cache=cache),
        n_workers=n_workers or os.cpu_count() or 1,
        timeout_s=timeout_s,
        memory_mb=memory_mb,
    )
    pieces = _pieces(sources, cache, pool, result, min_notes=min_notes)
    result.pieces = list(pieces) if pack is None else write_pack(pieces, pack, grid=cache.grid)
    return result


def extract_root(
    root: Path | None, query: str | Sequence[str], cache: NoteCache, **options: Any
) -> Extraction:
    """The pieces of a folder, of music21's corpus, or of a pack, which is not read again."""
    if root is None or not is_pack(root):
        return extract(find_sources(root, query, cache.suffixes), cache, **options)
    if options.get("pack") is not None:
        raise UserError(f"{root} is a pack already: leave pack out, or name the music it is of.")
    pieces = open_pack(root)
    if pieces.grid != cache.grid:
        raise UserError(
            f"data.grid={cache.grid}, but the music in the pack {root} has a grid of "
            f"{pieces.grid}: give data.grid={pieces.grid}, or pack it again."
        )
    long = np.flatnonzero(pieces.pitched().lengths >= options["min_notes"])
    result = Extraction(pieces.take(long), n_files=len(pieces), n_cached=len(pieces))
    if not len(long):
        raise UserError(
            f"no piece of {root} has data.min_notes={options['min_notes']} notes: give fewer."
        )
    return result


def _pieces(
    sources: Sequence[Source],
    cache: NoteCache,
    pool: ReadingPool,
    result: Extraction,
    *,
    min_notes: int,
) -> Iterator[Piece]:
    """Yield pieces in the order of the sources; refusals are added to ``result``.

    The cache is filled first and read afterwards, so that no piece waits in memory for its turn.
    """
    keys: list[str] = []
    missing: list[int] = []
    refused: dict[int, str] = {}
    for number, source in enumerate(sources):
        try:
            keys.append(_key(source, cache))
        except ReadError as error:
            keys.append("")
            refused[number] = str(error)
            continue
        if keys[-1] not in cache:
            missing.append(number)
    if missing:
        cache.remove_temporaries()
    result.n_cached = len(sources) - len(refused) - len(missing)
    try:
        refused |= _fill([(sources[number], keys[number]) for number in missing], missing, pool)
    except BaseException:
        cache.remove_temporaries()  # of workers that were stopped while they wrote
        raise
    n_pieces = 0
    for number, source in enumerate(sources):
        content = refused.get(number) or cache.load(keys[number], source.name)
        if content is None:  # the entry is damaged, or was removed meanwhile
            result.n_cached -= 1
            again = _fill([(source, keys[number])], [number], pool)
            content = again.get(number) or cache.load(keys[number], source.name)
        if content is None:
            content = "cannot be kept in the cache"
        if isinstance(content, str):
            content = [Refused(source.name, content)]
        used, reasons = _used(content, min_notes)
        if not used:
            reasons = {source.name: "; ".join(dict.fromkeys(reasons.values()))}
            result.n_refused_files += 1
        result.rejects.update(reasons)
        n_pieces += len(used)
        yield from used
    if not n_pieces:
        raise NothingReadError(result)


def _used(items: Sequence[Piece | Refused], min_notes: int) -> tuple[list[Piece], dict[str, str]]:
    """The pieces of a file that are long enough, and the reason against each other one."""
    used: list[Piece] = []
    reasons: dict[str, str] = {}
    for item in items:
        if isinstance(item, Refused):
            reasons[item.name] = read_report.one_line(item.reason)
        elif len(item.pitched()) < min_notes:
            reasons[item.name] = f"fewer notes with a pitch than data.min_notes={min_notes}"
        else:
            used.append(item)
    return used, reasons


def _key(source: Source, cache: NoteCache) -> str:
    if source.problem:
        raise ReadError(source.problem)
    check_file(source.path)
    try:
        return cache.key(source.path)
    except OSError as error:
        raise ReadError(f"cannot be opened: {error.strerror}") from error


def _fill(
    items: Sequence[tuple[Source, str]], numbers: Sequence[int], pool: ReadingPool
) -> dict[int, str]:
    """Read files into the cache; returns the reasons for refusals by ``numbers``."""
    from tqdm import tqdm  # not at the top: workers import this module

    reasons: dict[int, str] = {}
    hidden = not items or not sys.stderr.isatty()
    for i, outcome in tqdm(pool.run(items), "reading", len(items), unit="file", disable=hidden):
        reason = outcome.reason if isinstance(outcome, Failure) else outcome
        if reason is not None:
            reasons[numbers[i]] = reason
    return reasons


def read_and_store(item: tuple[Source, str], cache: NoteCache) -> str | None:
    """A worker's function: read a source into the cache; returns the reason if it cannot."""
    source, key = item
    try:
        content: list[Piece | Refused] | str
        try:
            content = read_or_refuse(
                source.path,
                grid=cache.grid,
                name=source.name,
                reader=cache.reader,
                custom=cache.custom,
            )
        except ReadError as error:
            content = str(error)
            if isinstance(error.__cause__, OSError):
                return content  # not cached: the file's content is not to blame
        cache.store(key, content)
        return None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a reader returned invalid values
        return f"its reader gave what is no piece ({error}); correct the reader, or the file"
