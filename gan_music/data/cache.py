"""The cache of extracted notes: one .npz of plain arrays for each file, read or refused.

The pieces of a file that cannot be read are kept as the reasons for it, in their places.

An entry's key is a hash of the file's bytes, its kind, the grid, the reader with its library's
version, and the extractor's version, so that any change leads to a new entry. Entries are written
to a temporary file and renamed: processes that share the cache see complete entries or none, even
if a writer is killed. An entry that cannot be read back in full (zip has checksums) counts as
missing. Pickles are not loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache as memoised
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gan_music.data.track_table import decode_tracks, encode_tracks
from gan_music.io.read import SUFFIXES, CustomReader, Refused, resolve
from gan_music.music.piece import Losses, Piece, Rounding, names_of_pieces
from gan_music.system.atomic_files import atomic_write, remove_temporaries
from gan_music.system.errors import UserError
from gan_music.system.zip_sizes import member_sizes

# Increase it whenever the same bytes would be read as other notes.
EXTRACTOR_VERSION = 7

ENCODED = "encoded"  # the folder in the cache for the encoded rows of packs


def default_cache_dir() -> Path:
    """``gan_music`` under ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_music"


class NoteCache:
    """Pieces by key, in a folder that is created when the first is stored."""

    def __init__(
        self,
        root: Path,
        grid: int,
        reader: str = "auto",
        custom: Mapping[str, CustomReader] | None = None,
    ) -> None:
        self.root = root
        self.grid = grid
        self.reader = reader
        self.custom = dict(custom or {})

    @property
    def suffixes(self) -> frozenset[str]:
        """Of the files that can be read."""
        return SUFFIXES | self.custom.keys()

    def key(self, path: Path) -> str:
        """The key of a file's present content."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        suffix = path.suffix.lower()
        if suffix in self.custom:
            reader = f"{self.custom[suffix].identity}|{EXTRACTOR_VERSION}"
        else:
            reader = _reader_version(resolve(self.reader, path))
        digest.update(f"|{suffix}|{self.grid}|{reader}".encode())
        return digest.hexdigest()

    def __contains__(self, key: str) -> bool:
        """Whether there is an entry for a key, damaged or not."""
        return self._path(key).exists()

    def load(self, key: str, name: str) -> list[Piece | Refused] | str | None:
        """The pieces of a key, named ``name``, or the reason for refusing the file.

        None without an entry, or if it is damaged.
        """
        try:
            path = self._path(key)
            with zipfile.ZipFile(path) as archive:
                member_sizes(archive, path.stat().st_size)
            # numpy would leave a damaged archive open
            with path.open("rb") as file, np.load(file, allow_pickle=False) as entry:
                if "reason" in entry:
                    return str(entry["reason"])
                return self._pieces(entry, name)
        except Exception:  # no such file, or whatever zipfile and numpy raise for a damaged one
            return None

    def store(self, key: str, content: Sequence[Piece | Refused] | str) -> None:
        """Store the pieces of a file, at least one of them read, or the reason for refusing it.

        Raises
        ------
        UserError
            If the folder cannot be written.
        """
        if isinstance(content, str):
            self._write(key, reason=np.array(content))
            return
        pieces = [p for p in content if isinstance(p, Piece)]
        refused = {i: item.reason for i, item in enumerate(content) if isinstance(item, Refused)}
        notes = [(p.onset, p.duration, p.pitch, p.velocity, p.track) for p in pieces]
        self._write(
            key,
            # [5, N]; onsets and durations are bounded by the readers
            notes=np.concatenate(notes, 1).astype(np.uint32),
            # a row a piece: the numbers of notes and of meters, losses, tempo, rounding
            pieces=np.array(
                [(len(p), len(p.meters), *p.losses, p.tempo, *p.rounding) for p in pieces]
            ),
            meters=np.concatenate([p.meters for p in pieces]),
            tracks=np.array(encode_tracks([p.tracks for p in pieces])),
            refused=np.array(json.dumps(refused)),  # place in the file -> reason
        )

    def remove_temporaries(self) -> None:
        """Remove the temporary files of killed writers; running writers keep theirs."""
        for folder in self.root.glob("[0-9a-f][0-9a-f]"):
            remove_temporaries(folder, "*.npz")
        remove_temporaries(self.root, below=False)

    def size(self) -> tuple[int, int]:
        """The number of entries, of all settings and versions, and their bytes."""
        sizes = [path.stat().st_size for path in self._entries()]
        return len(sizes), sum(sizes)

    def clear(self) -> None:
        """Remove all entries, of all settings and versions, and no other file.

        Raises
        ------
        UserError
            If an entry cannot be removed.
        """
        try:
            for path in self._entries():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"data.cache_dir={self.root} cannot be cleared ({error.strerror}): "
                "remove it by hand."
            ) from error

    def _pieces(self, entry: Mapping[str, np.ndarray], name: str) -> list[Piece | Refused]:
        rows, tracks = entry["pieces"], decode_tracks(str(entry["tracks"]))
        refused = {int(i): reason for i, reason in json.loads(str(entry["refused"])).items()}
        names = names_of_pieces(name, len(rows) + len(refused))
        n_notes, n_meters = rows[:, :2].astype(np.int64).T
        columns = np.split(entry["notes"], np.cumsum(n_notes)[:-1], axis=1)
        meters = np.split(entry["meters"], np.cumsum(n_meters)[:-1])
        parts = iter(zip(columns, meters, rows.tolist(), tracks, strict=True))
        found: list[Piece | Refused] = []
        for i, own_name in enumerate(names):
            if i in refused:
                found.append(Refused(own_name, refused[i]))
                continue
            column, meter, (_, _, *lost, tempo, mean, largest, longer, off), own = next(parts)
            found.append(
                Piece.from_arrays(
                    *column[:3],
                    velocity=column[3],
                    grid=self.grid,
                    meters=meter,
                    tempo=tempo,
                    name=own_name,
                    rounding=Rounding(mean, largest, longer, off),
                    track=column[4],
                    tracks=own,
                    losses=Losses(*map(int, lost)),
                )
            )
        return found

    def _write(self, key: str, **arrays: np.ndarray) -> None:
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub has a keyword there
        except OSError as error:
            raise UserError(
                f"data.cache_dir={self.root} cannot be written ({error.strerror}): "
                "name a folder that can."
            ) from error

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.npz"

    def _entries(self) -> Iterator[Path]:
        """Entries, encoded packs, and temporary files of both."""
        for folder, suffix in (("[0-9a-f][0-9a-f]", "npz"), (ENCODED, "npy")):
            yield from self.root.glob(f"{folder}/*.{suffix}")
            yield from self.root.glob(f"{folder}/.*.{suffix}.*.tmp")


@memoised
def _reader_version(reader: str) -> str:
    library = "symusic" if reader == "fast" else "music21"
    return f"{reader}|{EXTRACTOR_VERSION}|{version(library)}"
