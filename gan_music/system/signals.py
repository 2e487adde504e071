"""Ctrl-C and SIGTERM as exceptions, raised at once or deferred to a safe place."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which a scheduler or a shutdown asks a process to end."""


_EXCEPTIONS: dict[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within the block SIGTERM raises :class:`Terminated`, so that ``finally`` blocks run."""
    with _handling(_raise, signal.SIGTERM):
        yield


class DeferredSignals:
    """Ctrl-C and SIGTERM stay ``pending`` while ``deferring``, until :meth:`raise_pending`.

    A second signal is raised at once. Only the main thread can defer signals.
    """

    def __init__(self) -> None:
        self.pending: type[KeyboardInterrupt] | None = None

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Defer the first signal that arrives within the block."""
        with _handling(self._defer, *_EXCEPTIONS):
            yield

    def raise_pending(self) -> None:
        """Raise the deferred signal, if one has arrived."""
        if self.pending is not None:
            raise self.pending

    def _defer(self, number: int, frame: FrameType | None) -> None:
        if self.pending is not None:
            _raise(number, frame)
        self.pending = _EXCEPTIONS[number]
        log.warning("stopping at the next safe place; a second signal stops at once")


def _raise(number: int, frame: FrameType | None) -> None:
    raise _EXCEPTIONS[number]


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any], *numbers: int) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
