from __future__ import annotations

from pathlib import Path

from gan_music.system.locks import lock


def test_file_systems_without_locks_are_told_from_taken_ones(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with (tmp_path / "a").open() as file:
        number = file.fileno()
    assert lock(number) is None  # closed, which fails as a missing lock does
