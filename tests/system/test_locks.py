from __future__ import annotations

from pathlib import Path

from gan_music.system.locks import lock


def test_file_systems_without_locks_are_told_from_taken_ones(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with (tmp_path / "a").open() as file:
        number = file.fileno()
    assert lock(number) is None  # closed, which fails as a missing lock does


def test_a_shared_lock_is_held_by_several_but_not_beside_one_that_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    with path.open() as a, path.open() as b, path.open() as c:
        assert lock(a.fileno(), shared=True) is True
        assert lock(b.fileno(), shared=True) is True
        assert lock(c.fileno()) is False
    with path.open() as a, path.open() as b:
        closed = b.fileno()
        assert lock(a.fileno()) is True
        assert lock(b.fileno(), shared=True) is False
        a.close()
        assert lock(b.fileno(), shared=True) is True
    assert lock(closed, shared=True) is None  # as on a file system without locks
