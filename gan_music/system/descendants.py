"""The processes that this one has started, and those that they have started. Linux only."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import defaultdict
from pathlib import Path

_WAIT_S = 20.0
_AGAIN_S = 4.0  # one that has only just begun may not have heeded the first signal


def end_descendants(wait_s: float = _WAIT_S) -> None:
    """Ask all of them to end, by SIGTERM, and wait; those that are left are killed.

    Those that ignore SIGTERM end by themselves when this process does.
    """
    end, next_signal = time.monotonic() + wait_s, 0.0
    while found := descendants():
        now = time.monotonic()
        if now >= min(end, next_signal):
            _send(signal.SIGTERM if now < end else signal.SIGKILL, found)
            next_signal = now + _AGAIN_S
        if now >= end:
            return
        time.sleep(0.05)


def descendants() -> list[int]:
    """The ids of those that are alive and do not ignore SIGTERM."""
    children: dict[int, list[int]] = defaultdict(list)
    deaf = set()
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            text = path.read_text()
        except OSError:  # it has just ended
            continue
        fields = dict(re.findall(r"^(State|PPid|SigIgn):\s*(\w+)", text, re.M))
        pid = int(path.parent.name)
        children[int(fields["PPid"])].append(pid)
        if fields["State"] in "ZX" or int(fields["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1:
            deaf.add(pid)
    found = list(children[os.getpid()])
    for pid in found:  # it grows
        found += children[pid]
    return [pid for pid in found if pid not in deaf]


def _send(number: int, processes: list[int]) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except OSError:
            continue
