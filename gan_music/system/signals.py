"""Ctrl-C and SIGTERM: both end a command as an exception does, at once or where it is safe."""

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
    """SIGTERM: a request to end, as Ctrl-C is, of a scheduler or a shutdown."""


_KINDS: dict[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within the block SIGTERM raises :class:`Terminated`, so that whoever cleans up can."""
    with _handling(_raise, signal.SIGTERM):
        yield


class DeferredSignals:
    """Ctrl-C and SIGTERM are noted while ``noting``, for :meth:`raise_noted` at a safe place.

    A second one is raised at once. Only the main thread can note them.
    """

    def __init__(self) -> None:
        self.noted: type[KeyboardInterrupt] | None = None

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note the first within the block."""
        with _handling(self._note, *_KINDS):
            yield

    def raise_noted(self) -> None:
        """Raise what was noted, if anything was."""
        if self.noted is not None:
            raise self.noted

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted is not None:
            _raise(number, frame)
        self.noted = _KINDS[number]
        log.warning("stopping where it is safe, in a moment; once more stops at once")


def _raise(number: int, frame: FrameType | None) -> None:
    raise _KINDS[number]


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
