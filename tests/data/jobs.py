"""Functions that a pool's workers import by name."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import Any

import numpy as np


def double(item: int) -> int:
    return 2 * item


def arrays(n: int) -> list[np.ndarray]:
    return [np.full(n, i, dtype=np.int64) for i in range(4)]


def misbehave(item: Any) -> Any:
    """Crash, hang, raise or answer, as the item says."""
    if item == "segfault":
        ctypes.string_at(0)
    elif item == "hang":
        time.sleep(3600)
    elif item == "spin":  # within C code, where no Python signal handler runs
        sum(range(10**15))
    elif item == "memory":
        return bytes(2**40)
    elif item == "hoard":
        _hoard.append(bytes(60 * 2**20))
        return len(_hoard)
    elif item == "exit":
        sys.exit(7)
    elif item == "raise":
        raise ValueError("raised by the job")
    elif item == "pid":
        return os.getpid()
    elif item == "modules":
        return sorted(sys.modules)
    return item


_hoard: list[bytes] = []
