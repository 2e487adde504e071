"""The files of a data set: those of a folder, or of music21's corpus."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gan_music.io.read import SUFFIXES
from gan_music.system.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A file and its name: the path relative to the root, with forward slashes.

    Backslashes and characters that cannot be printed or encoded in UTF-8 are escaped in the name.
    ``problem`` says why the file cannot be read, if that is known without reading it.
    """

    path: Path
    name: str
    problem: str = ""


def find_sources(
    root: Path | None, query: str | Sequence[str], suffixes: Collection[str] = SUFFIXES
) -> list[Source]:
    """The music files below ``root``, or without a root those of a part of music21's corpus.

    Symbolic links to folders are followed, each folder once. A folder that cannot be listed is a
    source with a problem.

    Parameters
    ----------
    suffixes : of music files below ``root``, in lower case.
    query : a folder of the corpus, or the beginning of a path in it (``bach/bwv66``), or several.

    Raises
    ------
    UserError
        If the folder does not exist or holds no file of a known kind; if a query matches nothing.
    """
    if root is not None:
        return _in_folder(root, suffixes)
    return _in_corpus([query] if isinstance(query, str) else list(query))


def printable(name: str) -> str:
    """A file's name with backslashes, control characters and invalid UTF-8 escaped.

    Different names stay different.
    """
    return "".join(
        c.encode("unicode_escape").decode()
        if c == "\\" or unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"
        else c
        for c in name
    )


def _in_folder(root: Path, suffixes: Collection[str]) -> list[Source]:
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(f"data.root={root} {what}: name a folder of MIDI files or scores.")
    sources = []
    others: Counter[str] = Counter()
    for path, problem in _files(root):
        if problem or path.suffix.lower() in suffixes:
            sources.append(Source(path, printable(path.relative_to(root).as_posix()), problem))
        else:
            others[printable(path.suffix.lower()) or "no suffix"] += 1
    if not sources:
        raise UserError(
            f"data.root={root} holds no music: put files there that end in "
            f"{', '.join(sorted(suffixes))}."
        )
    if others:
        kinds = ", ".join(f"{suffix} {n}" for suffix, n in others.most_common(8))
        log.info("left alone %d files of other kinds: %s", others.total(), kinds)
    return sources


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """(path, "") of each file below, in order; (path, problem) of folders that cannot be listed."""
    unlisted: list[tuple[Path, str]] = []

    def note(error: OSError) -> None:
        unlisted.append((Path(error.filename), f"a folder that cannot be listed: {error.strerror}"))

    seen = set()
    inside = os.path.realpath(root)
    for folder, folders, files in os.walk(root, followlinks=True, onerror=note):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # a linked folder inside the root is found at its own path
        folders[:] = [
            name
            for name in sorted(folders)
            if not os.path.islink(path := os.path.join(folder, name))
            or os.path.commonpath([inside, os.path.realpath(path)]) != inside
        ]
        for name in sorted(files):
            yield Path(folder, name), ""
    yield from unlisted


def _in_corpus(queries: Sequence[str]) -> list[Source]:
    base = _corpus()
    files = {
        path.relative_to(base).as_posix(): path
        for path in base.rglob("*")
        if path.suffix.lower() in SUFFIXES
    }
    chosen: set[str] = set()
    for query in queries:
        start = query.strip("/").lower()
        start += "" if "/" in start else "/"  # a folder is named in full, a path in it by its start
        found = {name for name in files if name.lower().startswith(start)}
        if not found:
            raise UserError(
                f"data.query={query} matches nothing in music21's corpus: "
                "python -m gan_music.extract --help names what there is."
            )
        chosen |= found
    if not chosen:
        raise UserError("data.query=[] asks for nothing: name a part of the corpus, as in bach.")
    return [Source(files[name], name) for name in sorted(chosen)]


def _corpus() -> Path:
    """The corpus folder, without importing music21, which takes half a second."""
    spec = find_spec("music21")
    base = Path(spec.origin or "").parent / "corpus" if spec else Path()
    if not spec or not base.is_dir():
        raise UserError(
            "music21 was installed without its corpus: name a folder of music, data.root=DIR."
        )
    return base
