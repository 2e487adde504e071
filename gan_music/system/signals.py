"""Signals that ask a process to end: Ctrl-C, SIGTERM, and SIGHUP, which a closed terminal sends.

The first one raises an exception in the main thread, at once or at a safe place, and is remembered:
whatever becomes of the exception, no new work begins (:func:`raise_received`). Others within a
second are the same request, since ``timeout``, shells and schedulers signal a process and then its
group; a later one is raised at once.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which a scheduler or a shutdown asks a process to end."""


class HungUp(KeyboardInterrupt):
    """SIGHUP, after which the terminal can no longer be written to."""


_EXCEPTIONS: dict[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: HungUp,
}
_SAME_S = 1.0  # seconds within which signals are one request
_AGAIN_S = 5.0  # seconds after which an exception that nothing has caught is raised again


@dataclass
class _State:
    """The signals of this process."""

    is_handling: bool = False
    received: int | None = None  # the first
    last_at: float = 0.0
    is_deferring: bool = False
    is_shielding: bool = False
    has_told: bool = False  # what to do next


_state = _State()


@contextmanager
def handled(*, ends_process: bool = False) -> Iterator[None]:
    """Within the block each of these signals raises its exception.

    One that the process ignores from its start stays ignored: SIGHUP under ``nohup``, Ctrl-C in a
    script's background. Only the main thread can handle signals.

    Parameters
    ----------
    ends_process : nothing is left to do after the block: from then on, a signal ends the process
        without a word.
    """
    if _state.is_handling or threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.__init__(is_handling=True)  # type: ignore[misc]
    before: dict[int, Any] = {
        number: signal.getsignal(number)
        for number in (*_EXCEPTIONS, signal.SIGALRM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    hook = sys.unraisablehook

    def on_unraisable(unraisable: Any) -> None:
        # of __del__ and the like, where Python drops exceptions: raise it again
        if isinstance(unraisable.exc_value, KeyboardInterrupt) and received():
            signal.setitimer(signal.ITIMER_REAL, 0.01)
        else:
            hook(unraisable)

    try:
        take_over()
        sys.unraisablehook = on_unraisable
        yield
    finally:
        sys.unraisablehook = hook
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if ends_process or old is None else old)
        _state.__init__()  # type: ignore[misc]


def take_over() -> None:
    """Replace handlers that a library has installed within the block of :func:`handled`."""
    for number in (*_EXCEPTIONS, signal.SIGALRM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_alarm if number == signal.SIGALRM else _on_signal)


def received() -> bool:
    """Whether one of the signals has arrived."""
    return _state.received is not None


def raise_received() -> None:
    """Raise the exception of the signal that has arrived, if any."""
    if _state.received is not None:
        _raise(_state.received)


@contextmanager
def deferring() -> Iterator[None]:
    """Within the block the first signal waits for :func:`raise_received`, or for its end."""
    _state.is_deferring = True
    try:
        yield
    finally:
        _state.is_deferring = False
    raise_received()


@contextmanager
def shielding() -> Iterator[None]:
    """Within the block, which must be short, signals wait for its end."""
    outer, was_received = _state.is_shielding, received()
    _state.is_shielding = True
    signal.setitimer(signal.ITIMER_REAL, 0)  # what was raised has been caught
    try:
        yield
    finally:
        _state.is_shielding = outer
    if not (outer or was_received or _state.is_deferring):
        raise_received()


def exit_code(error: KeyboardInterrupt) -> int:
    """The exit code by a shell's convention, 128 and the number of the signal."""
    return 128 + next((n for n, kind in _EXCEPTIONS.items() if type(error) is kind), signal.SIGINT)


def tell(sentence: str, *arguments: object) -> None:
    """Log what to do after an interruption."""
    _state.has_told = True
    log.warning(sentence, *arguments)


def has_told() -> bool:
    """Whether :func:`tell` has been called."""
    return _state.has_told


def _on_signal(number: int, frame: FrameType | None) -> None:
    now, is_first = time.monotonic(), _state.received is None
    if not is_first and now - _state.last_at < _SAME_S:
        return
    _state.last_at = now
    if is_first:
        _state.received = number
    if _state.is_shielding:
        return
    if _state.is_deferring and is_first:
        log.warning("stopping at the next safe place; a second signal stops at once")
        return
    _raise(number)


def _raise(number: int) -> None:
    # code in between may swallow the exception
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    raise _EXCEPTIONS[number]


def _on_alarm(number: int, frame: FrameType | None) -> None:
    if not _state.is_shielding:
        raise_received()
