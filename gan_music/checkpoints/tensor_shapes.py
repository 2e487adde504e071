"""The shape of a tensor that a checkpoint describes, before its numbers are read.

No size is believed: it is bounded by the numbers of its storage, a member whose bytes are known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from gan_music.system.zip_sizes import ArchiveError

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_MAX_DIMENSIONS = 8
_MAX_EMPTY = 2**20  # of a dimension of a tensor without numbers


@dataclass(frozen=True)
class Shape:
    """The shape and the storage type of a tensor that is not read, and where it lies."""

    size: tuple[int, ...]
    storage: str
    member: str = field(default="", compare=False)
    offset: int = field(default=0, compare=False)
    stride: tuple[int, ...] = field(default=(), compare=False)

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.storage]

    @property
    def n_bytes(self) -> int:
        n = self.dtype.itemsize
        for length in self.size:  # few, and bounded
            n *= length
        return n


class Storage(NamedTuple):
    """The type of a tensor's numbers, the member that holds them, and how many they are."""

    storage: str
    member: str
    n: int


def shape_of(storage: Any, offset: Any, size: Any, stride: Any) -> Shape:
    """The shape of what ``torch._utils._rebuild_tensor_v2`` would build of these arguments.

    Raises
    ------
    ArchiveError
        If it has over 8 dimensions, or does not lie within its storage.
    """
    if not isinstance(storage, Storage) or type(size) is not tuple or type(stride) is not tuple:
        raise ArchiveError("a tensor has no shape")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise ArchiveError("a tensor has too many dimensions")
    most = max(storage.n, _MAX_EMPTY)
    if not all(type(n) is int and 0 <= n <= most for n in (offset, *size, *stride)):
        raise ArchiveError("a tensor has a size or a stride beyond its storage")
    n, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        n *= length
        last += (length - 1) * step
    if n > storage.n or offset > storage.n:
        raise ArchiveError("a tensor has more numbers than its storage")
    if n and last >= storage.n:
        raise ArchiveError("a tensor lies outside its storage")
    return Shape(size, storage.storage, storage.member, offset, stride)
