"""The zip archives of checkpoints: nothing before, behind or beside what torch writes."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_music.checkpoints.torch_file import opened, read_outline, read_shapes, read_tensors
from gan_music.system.zip_sizes import ArchiveError


def written(content: Any, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def with_members(more: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A checkpoint with further members, or with others in place of its own."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(written({"a": 1}))) as old:
        found = {i.filename: old.read(i) for i in old.infolist()}
    with zipfile.ZipFile(file, "w", kind) as new:
        for name, data in (found | more).items():
            new.writestr(zipfile.ZipInfo(name), data, kind)
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    return file.getvalue()


def directory(at: int, number: int) -> bytes:
    """A checkpoint whose directory says something else of its first member."""
    data = bytearray(with_members({}))
    start = data.index(b"PK\1\2") + at
    data[start : start + 2] = number.to_bytes(2, "little")
    return bytes(data)


WHOLE = written({"a": 1})
OTHER = pickle.dumps({"a": 2}, 2)
FILES = {
    "a legacy pickle before": written({"a": 2}, legacy=True) + WHOLE,
    "a tar before": tar() + WHOLE,
    "a pickle before": OTHER + WHOLE,
    "a checkpoint before": written({"a": 2}) + WHOLE,
    "a checkpoint behind": WHOLE + written({"a": 2})[:-1] + b"\1",
    "a byte behind": WHOLE + b"\0",
    "a comment": WHOLE[:-2] + b"\4\0abcd",
    "a legacy pickle": written({"a": 2}, legacy=True),
    "another folder": with_members({"more/data.pkl": OTHER}),
    "a table in capitals": with_members({"archive/DATA.PKL": OTHER}),
    "a table with a NUL in its name": with_members({"archive/data.pkl!": OTHER}).replace(
        b"pkl!", b"pkl\0"
    ),
    "a table above": with_members({"archive/../archive/data.pkl": OTHER}),
    "constants of TorchScript": with_members({"archive/constants.pkl": OTHER}),
    "code of TorchScript": with_members({"archive/code/__torch__.py": b"import os"}),
    "compressed": with_members({}, zipfile.ZIP_DEFLATED),
    "another byte order": with_members({"archive/byteorder": b"big"}),
    "a long byte order": with_members({"archive/byteorder": b"little" * 1000}),
    "too large a table": with_members({"archive/data.pkl": bytes(2**24 + 1)}),
    "members without end": with_members({f"archive/data/{i}": b"" for i in range(70_000)}),
    "an encrypted member": directory(8, 1),
    "an unknown compression": directory(10, 99),
    "another checksum": directory(16, 1),
    "too large a member": directory(26, 65535),
    "a member of two sizes": directory(22, 65535),
    "a gap before": directory(42, 1),
    "empty": b"",
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_one_archive_of_torch(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(FILES[name])
    with pytest.raises(ArchiveError):
        read_shapes(tmp_path / "a")


def test_two_tables_in_one_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("archive/data.pkl", OTHER)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("archive/data.pkl", OTHER)
    with pytest.raises(ArchiveError):
        read_shapes(tmp_path / "a")


def test_what_the_others_are_made_of_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(with_members({}))
    assert read_shapes(tmp_path / "a") == {"a": 1}
    assert directory(8, 0) == with_members({})


def test_a_file_that_is_replaced_is_read_as_it_was_checked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(written({"a": torch.arange(3)}))
    (tmp_path / "b").write_bytes(written({"a": torch.zeros(10**6)}))
    with opened(path) as archive:
        outline = read_outline(archive)
        (tmp_path / "b").replace(path)
        assert read_tensors(outline, archive)["a"].tolist() == [0, 1, 2]


def test_damaged_numbers_are_noticed(tmp_path: Path) -> None:
    numbers = torch.arange(100, dtype=torch.int64)
    data = bytearray(written({"a": numbers}))
    data[data.index(numbers.numpy().tobytes()) + 8] ^= 1
    (tmp_path / "a").write_bytes(data)
    with opened(tmp_path / "a") as archive:
        outline = read_outline(archive)
        with pytest.raises(ArchiveError):
            read_tensors(outline, archive)


def test_numbers_are_read_as_torch_reads_them(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    kinds: tuple[Callable[[], torch.Tensor], ...] = (
        lambda: base.double(),
        lambda: base.half(),
        lambda: base.bfloat16(),
        lambda: base.long(),
        lambda: base.int(),
        lambda: base.short(),
        lambda: base.to(torch.int8),
        lambda: base.to(torch.uint8),
        lambda: base > 3,
        lambda: base.transpose(0, 2),
        lambda: base[:, 1:, ::2],
        lambda: torch.zeros(0, 5),
        lambda: torch.tensor(7.0),
        lambda: torch.zeros(3, 1).expand(3, 1),
    )
    content = {"kinds": [made() for made in kinds], "base": base, "part": base[1]}
    torch.save(content, tmp_path / "a")
    expected = torch.load(tmp_path / "a", weights_only=True)
    with opened(tmp_path / "a") as archive:
        found = read_tensors(read_outline(archive), archive)
    for a, b in zip(found["kinds"], expected["kinds"], strict=True):
        assert a.dtype == b.dtype
        assert a.stride() == b.stride()
        assert torch.equal(a, b)
    found["base"][1, 0, 0] = -1.0  # they share memory, as they did
    assert found["part"][0, 0] == -1.0
    assert found["kinds"][9][0, 0, 1] == -1.0
