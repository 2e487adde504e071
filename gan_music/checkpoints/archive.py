"""The zip archive that ``torch.save`` writes, read without trust.

It is opened once, so that what is checked is what is read, whatever becomes of the file's name.
Nothing may stand before or behind the archive: one reader would take the file for one thing, the
next for another.
"""

from __future__ import annotations

import re
import struct
import sys
import zipfile
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import torch

from gan_music.system.zip_sizes import ArchiveError, member_sizes

_MEMBER = re.compile(
    r"data\.pkl|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id|data/\d{1,9}"
)
_BEGIN, _END, _END_64, _LOCATOR = b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7"
_N_END, _N_END_64, _N_LOCATOR = 22, 56, 20  # bytes
_MAX_DIRECTORY = 2**22  # bytes; about 40,000 tensors
_MAX_TABLE = 2**24  # bytes of data.pkl
_CHUNK = 2**20


class Archive:
    """The members of a file that ``torch.save`` wrote: ``data.pkl`` and the numbers of tensors.

    Attributes
    ----------
    sizes : bytes of each member, by its name without the folder that they share.
    n_bytes : of the file.

    Raises
    ------
    ArchiveError
        If ``torch.save`` does not write such a file.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.n_bytes = self._file.seek(0, 2)
            _check_ends(self._file, self.n_bytes)
            self._zip = zipfile.ZipFile(self._file)
            members = member_sizes(self._zip, self.n_bytes)
            folders = {name.split("/")[0] for name in members}
            if len(folders) != 1:
                raise ArchiveError("its members lie in several folders")
            self._folder = f"{folders.pop()}/"
            self.sizes = {n.removeprefix(self._folder): size for n, size in members.items()}
            for info in self._zip.infolist():
                inside = info.orig_filename.removeprefix(self._folder)
                if not _MEMBER.fullmatch(inside) or info.flag_bits & 1:
                    raise ArchiveError("it has a member that no checkpoint has")
                if info.compress_size != info.file_size:
                    raise ArchiveError("a member has two sizes")
            if min(i.header_offset for i in self._zip.infolist()):
                raise ArchiveError("it does not begin with its first member")
            if self.sizes.get("data.pkl", _MAX_TABLE + 1) > _MAX_TABLE:
                raise ArchiveError("its table of values is missing or too large")
            order = self.sizes.get("byteorder", 0)
            if order and (order > 9 or self.read("byteorder") != sys.byteorder.encode()):
                raise ArchiveError("its numbers have another byte order")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def read(self, name: str) -> bytes:
        """A small member."""
        return self._zip.read(self._folder + name)

    def storage(self, name: str) -> torch.UntypedStorage:
        """A member as the memory of tensors."""
        whole = torch.empty(self.sizes[name], dtype=torch.uint8)
        numbers = whole.numpy()
        with self._zip.open(self._folder + name) as stream:
            at = 0
            while chunk := stream.read(_CHUNK):  # the last one checks the CRC
                numbers[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
                at += len(chunk)
        if at != len(whole):
            raise ArchiveError("a member ends early")
        return whole.untyped_storage()


def _check_ends(file: IO[bytes], n_bytes: int) -> None:
    """Check the file's first and last bytes, and the size of its directory, before that is read."""
    file.seek(0)
    begin = file.read(4)
    n_last = _N_END_64 + _N_LOCATOR + _N_END
    file.seek(max(0, n_bytes - n_last))
    last = file.read(n_last)
    end = last[-_N_END:]
    if begin != _BEGIN or end[:4] != _END or end[-2:] != b"\0\0":
        raise ArchiveError("it does not begin and end as an archive of torch")
    (directory,) = struct.unpack("<L", end[12:16])
    if last[_N_END_64:].startswith(_LOCATOR):
        if last[:4] != _END_64:
            raise ArchiveError("its directory is not where torch writes it")
        (directory,) = struct.unpack("<Q", last[40:48])
    if directory > _MAX_DIRECTORY:
        raise ArchiveError("it has too many members")
