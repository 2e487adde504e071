from __future__ import annotations

from pathlib import Path

import pytest

from gan_music.system.atomic_files import atomic_write, remove_temporaries


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["*", "*.npz"])
def test_temporary_files_of_killed_writers_are_removed(tmp_path: Path, name: str) -> None:
    left = tmp_path / "ab" / f".{'ab' * 32}.npz.{'0' * 32}.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with atomic_write(tmp_path / "b.npz") as temporary:
        temporary.write_bytes(b"whole")
        assert remove_temporaries(tmp_path, name) == 1
        assert temporary.exists()  # its writer is alive
    assert not left.exists()
    assert (tmp_path / "b.npz").read_bytes() == b"whole"
