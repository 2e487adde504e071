"""A data set in a few large files, whose pieces are read from disk on access.

A pack is a folder. ``notes`` holds the notes of all pieces, uint32 ``[N, 5]`` (onset, duration,
pitch, velocity, track); ``meters`` int64 ``[M, 3]``; ``names`` UTF-8 text; ``tracks`` JSON
(:mod:`gan_music.data.track_table`); ``index`` a record a piece with the ends of its parts. The
files are little-endian without headers and memory-mapped read-only, so that the operating system
caches and shares them. ``pack.json`` is written last and marks a complete pack.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import numpy as np

from gan_music.data.track_table import decode_tracks, encode_tracks
from gan_music.music.piece import KEYBOARD, IntArray, Losses, Piece, Rounding
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.system.locks import lock

_VERSION = 3
_NOTE, _METER = np.dtype("<u4"), np.dtype("<i8")
_RECORD = np.dtype(
    [
        ("notes", "<i8"),  # the end of the piece's notes; likewise below
        ("meters", "<i8"),
        ("names", "<i8"),
        ("tracks", "<i8"),
        ("tempo", "<f8"),
        ("rounding", "<f8", (4,)),
        ("losses", "<i8", (3,)),
        ("n_off_keyboard", "<i4"),  # drums aside
        ("n_drums", "<i8"),  # notes
    ]
)


class PackedPieces(Sequence[Piece]):
    """The pieces of a pack, or some of them; each is read on access.

    Parameters
    ----------
    folder : the pack; see :func:`open_pack`.
    chosen : indices of pieces in the pack, in order; None for all.
    with_drums : whether pieces have their drums.
    """

    def __init__(
        self,
        folder: Path,
        about: dict[str, Any],
        chosen: IntArray | None = None,
        *,
        with_drums: bool = True,
    ) -> None:
        self.folder, self.about, self.with_drums = folder, about, with_drums
        self.grid, self.digest = int(about["grid"]), str(about["digest"])
        self._notes = _mapped(folder / "notes", _NOTE, 5)
        self._meters = _mapped(folder / "meters", _METER, 3)
        self._names = _mapped(folder / "names", np.dtype("u1"), 1)
        self._tracks = _mapped(folder / "tracks", np.dtype("u1"), 1)
        self._index = _mapped(folder / "index", _RECORD, 1)[:, 0]
        self.numbers = np.arange(len(self._index)) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> PackedPieces: ...
    def __getitem__(self, index: int | slice) -> Piece | PackedPieces:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        number = int(self.numbers[index])
        onset, duration, pitch, velocity, track = self._part("notes", number).T.astype(np.int64)
        record = self._index[number]
        (tracks,) = decode_tracks(self._part("tracks", number).tobytes().decode())
        piece = Piece(
            onset,
            duration,
            pitch,
            velocity,
            self.grid,
            np.array(self._part("meters", number), dtype=np.int64),
            float(record["tempo"]),
            self._name(number),
            Rounding(*record["rounding"].tolist()),
            track,
            tracks,
            losses=Losses(*record["losses"].tolist()),
        )
        return piece if self.with_drums else piece.pitched()

    def take(self, indices: Sequence[int] | IntArray) -> PackedPieces:
        """The pieces at these indices, in that order."""
        chosen = self.numbers[np.asarray(indices, dtype=np.int64)]
        return PackedPieces(self.folder, self.about, chosen, with_drums=self.with_drums)

    def pitched(self) -> PackedPieces:
        """These pieces without their drums."""
        return PackedPieces(self.folder, self.about, self.numbers, with_drums=False)

    def whole(self) -> PackedPieces:
        """All pieces of the pack."""
        return PackedPieces(self.folder, self.about, with_drums=self.with_drums)

    @property
    def names(self) -> list[str]:
        """The name of each piece."""
        return [self._name(number) for number in self.numbers.tolist()]

    @property
    def lengths(self) -> IntArray:
        """Notes of each piece, ``[N]``."""
        before = np.maximum(0, self.numbers - 1)
        begins = np.where(self.numbers > 0, self._index["notes"][before], 0)
        found: IntArray = self._index["notes"][self.numbers] - begins
        return found if self.with_drums else found - self._index["n_drums"][self.numbers]

    @property
    def n_drums(self) -> int:
        """The number of notes that drums play."""
        return int(self._index["n_drums"][self.numbers].sum())

    @property
    def tempos(self) -> np.ndarray:
        """Quarter notes a minute, ``[N]``."""
        return self._index["tempo"][self.numbers]

    @property
    def n_off_keyboard(self) -> int:
        """The number of notes whose pitch a piano lacks."""
        return int(self._index["n_off_keyboard"][self.numbers].sum())

    def _part(self, what: str, number: int) -> np.ndarray:
        begin = int(self._index[number - 1][what]) if number else 0
        rows: np.ndarray = getattr(self, f"_{what}")[begin : int(self._index[number][what])]
        return rows

    def _name(self, number: int) -> str:
        return self._part("names", number).tobytes().decode()


def is_pack(folder: Path) -> bool:
    """Whether a folder is a pack and not one of music files."""
    return (folder / "pack.json").is_file()


def open_pack(folder: Path) -> PackedPieces:
    """All pieces of a pack.

    Raises
    ------
    UserError
        If it is damaged, or of another version.
    """
    try:
        about = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
        if about["version"] != _VERSION:
            raise UserError(
                f"{folder} is a pack of version {about['version']}, and this program reads "
                f"{_VERSION}: pack the music again."
            )
        for name, size in about["bytes"].items():
            if (folder / name).stat().st_size != size:
                raise ValueError(f"{name} has not the size it was written with")
        return PackedPieces(folder, about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is a damaged pack ({error}): pack the music again.") from error


def write_pack(pieces: Iterable[Piece], folder: Path, *, grid: int) -> PackedPieces:
    """Write pieces, one at a time, to a new folder.

    Raises
    ------
    UserError
        If the folder exists, is being written by another process, or cannot be written.
    """
    if folder.exists():
        raise UserError(f"pack={folder} exists already: name a new folder.")
    try:
        with _building(folder) as temporary:
            _write(pieces, temporary, grid)
            temporary.rename(folder)
    except OSError as error:
        raise UserError(
            f"pack={folder} cannot be written ({error.strerror}): name a folder that can."
        ) from error
    return open_pack(folder)


@contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """A locked, empty folder beside ``folder``; removed at the end if it was not renamed."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    temporary.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        if lock(descriptor) is False:
            raise UserError(
                f"pack={folder} is being written by another command: wait for it, or name another "
                "folder."
            )
        try:
            for path in temporary.iterdir():  # left by a killed process
                path.unlink()
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    finally:
        os.close(descriptor)


def _write(pieces: Iterable[Piece], folder: Path, grid: int) -> None:
    digest, ends = hashlib.sha256(), np.zeros(4, np.int64)
    with (
        (folder / "notes").open("wb") as notes,
        (folder / "meters").open("wb") as meters,
        (folder / "names").open("wb") as names,
        (folder / "tracks").open("wb") as tracks,
        (folder / "index").open("wb") as index,
    ):
        for piece in pieces:
            columns = (piece.onset, piece.duration, piece.pitch, piece.velocity, piece.track)
            parts = (
                np.stack(columns, 1).astype(_NOTE).tobytes(),
                piece.meters.astype(_METER).tobytes(),
                piece.name.encode(),
                encode_tracks([piece.tracks]).encode(),
            )
            ends += (len(piece), len(piece.meters), len(parts[2]), len(parts[3]))
            off = n_off_keyboard([piece.pitched()])
            record = (*ends, piece.tempo, piece.rounding, piece.losses, off, n_drums([piece]))
            row = np.array([record], _RECORD).tobytes()
            files = (notes, meters, names, tracks, index)
            for file, part in zip(files, (*parts, row), strict=True):
                file.write(part)
                digest.update(part)
    sizes = {p.name: p.stat().st_size for p in folder.iterdir()}
    about = {"version": _VERSION, "grid": grid, "digest": digest.hexdigest(), "bytes": sizes}
    with atomic_write(folder / "pack.json") as path:
        path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def take(pieces: Sequence[Piece], indices: Sequence[int]) -> Sequence[Piece]:
    """The pieces at these indices; packed pieces stay on disk."""
    if isinstance(pieces, PackedPieces):
        return pieces.take(indices)
    return [pieces[i] for i in indices]


def pitched(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """The pieces without their drums."""
    if isinstance(pieces, PackedPieces):
        return pieces.pitched()
    return [p.pitched() for p in pieces]


def n_drums(pieces: Sequence[Piece]) -> int:
    """The number of notes that drums play."""
    if isinstance(pieces, PackedPieces):
        return pieces.n_drums
    return sum(len(p) - len(p.pitched()) for p in pieces)


def names(pieces: Sequence[Piece]) -> list[str]:
    """The name of each piece."""
    return pieces.names if isinstance(pieces, PackedPieces) else [p.name for p in pieces]


def tempos(pieces: Sequence[Piece]) -> np.ndarray:
    """Quarter notes a minute, ``[N]``."""
    if isinstance(pieces, PackedPieces):
        return pieces.tempos
    return np.array([p.tempo for p in pieces])


def n_off_keyboard(pieces: Sequence[Piece]) -> int:
    """The number of notes whose pitch a piano lacks."""
    if isinstance(pieces, PackedPieces):
        return pieces.n_off_keyboard
    low, high = KEYBOARD[0], KEYBOARD[-1]
    return sum(int(((p.pitch < low) | (p.pitch > high)).sum()) for p in pieces)


def _mapped(path: Path, dtype: np.dtype, width: int) -> np.ndarray:
    if not path.stat().st_size:
        return np.empty((0, width), dtype)
    return np.memmap(path, dtype, mode="r").reshape(-1, width)
