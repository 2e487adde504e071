"""Locks that vanish with the process that holds them, even where it is killed."""

from __future__ import annotations


def lock(file: int) -> bool | None:
    """Try to lock an open file or folder, until it is closed or this process ends.

    Returns True if this process holds the lock now, False if another one does, None if the file
    system has no locks.
    """
    from filelock import lock_descriptor  # 80 ms, which a command that only prints help would miss

    try:
        return lock_descriptor(file, blocking=False)
    except OSError:
        return None
