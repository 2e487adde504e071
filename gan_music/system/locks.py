"""Locks that vanish with the process that holds them, even where it is killed."""

from __future__ import annotations


def lock(file: int, *, shared: bool = False) -> bool | None:
    """Try to lock an open file or folder, until it is closed or this process ends.

    Several processes can hold a ``shared`` lock at once, but none beside one that is not shared.
    Returns True if this process holds the lock now, False if another one does, None if the file
    system has no locks.
    """
    if shared:
        return _share(file)
    from filelock import lock_descriptor  # 80 ms, which a command that only prints help would miss

    try:
        return lock_descriptor(file, blocking=False)
    except OSError:
        return None


def _share(file: int) -> bool | None:
    try:
        import fcntl  # filelock, which calls it too, has no shared locks; nor has Windows

        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True
