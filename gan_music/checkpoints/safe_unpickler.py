"""The outline of a file that ``torch.save`` wrote: no code runs and no weight is read.

Such a file is a zip of ``data.pkl``, a pickle of the plain values and the tensors' shapes, and a
member with the numbers of each tensor. ``torch.load(weights_only=True)`` runs no code, but it
trusts the sizes in the pickle: a few bytes can request terabytes, or more numbers than a member
holds. This unpickler accepts only tensors, their dtypes and ``OrderedDict``, represents each tensor
by its shape, and checks the shape against the member's bytes. A file that passes takes no more
memory than it has bytes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

from gan_music.system.zip_sizes import ArchiveError, member_sizes

_BYTES = dict.fromkeys(("DoubleStorage", "LongStorage"), 8)
_BYTES |= dict.fromkeys(("FloatStorage", "IntStorage"), 4)
_BYTES |= dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2)
_BYTES |= dict.fromkeys(("CharStorage", "ByteStorage", "BoolStorage"), 1)
_REFERENCES = {"PUT", "BINPUT", "LONG_BINPUT"}


class Shape(NamedTuple):
    """The shape and the storage type of a tensor that is not read."""

    size: tuple[int, ...]
    storage: str


class _Numbers(NamedTuple):
    storage: str
    n: int


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes, members: dict[str, int]) -> None:
        super().__init__(io.BytesIO(data))
        self.members = members

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _shape
        if module == "torch" and name in _BYTES:
            return name
        raise ArchiveError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> _Numbers:
        kind, storage, key, _, count = pid
        if kind != "storage" or storage not in _BYTES or type(count) is not int:
            raise ArchiveError("a tensor has an unknown dtype")
        if count < 0 or count * _BYTES[storage] != self.members[f"data/{key}"]:
            raise ArchiveError(f"tensor {key} claims other bytes than its member has")
        return _Numbers(storage, count)


def read_shapes(path: Path) -> Any:
    """What ``torch.load`` would give, with a :class:`Shape` for each tensor.

    Raises
    ------
    ArchiveError
        If ``torch.load`` should not be given the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = member_sizes(archive, path.stat().st_size)
            (folder,) = {name.split("/")[0] for name in sizes}
            data = archive.read(f"{folder}/data.pkl")
        members = {name.removeprefix(f"{folder}/"): size for name, size in sizes.items()}
        _check_references(data)
        return _Reader(data, members).load()
    except ArchiveError:
        raise
    except Exception as error:  # zipfile and pickle raise anything on untrusted bytes
        raise ArchiveError(f"{type(error).__name__}: {error}") from error


def _shape(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Shape:
    numbers = (offset, *size, *stride)
    if not isinstance(storage, _Numbers) or not all(type(n) is int and n >= 0 for n in numbers):
        raise ArchiveError("a tensor has no shape")
    if len(size) != len(stride) or math.prod(size) > storage.n:
        raise ArchiveError("a tensor has more numbers than its storage")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) and last >= storage.n:
        raise ArchiveError("a tensor lies outside its storage")
    return Shape(tuple(size), storage.storage)


def _check_references(data: bytes) -> None:
    """Refuse reference numbers for which Python's unpickler would allocate a huge memo."""
    for count, (op, argument, _) in enumerate(pickletools.genops(data)):
        if op.name in _REFERENCES and (argument or 0) > count:
            raise ArchiveError("a reference has a number that is too high")
