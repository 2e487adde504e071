"""Standard output whose reader may close it before the command ends, as ``| head`` does."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class _TolerantStream:
    """A stream that writes to ``/dev/null`` once its reader has closed the pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._redirected_if_broken():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._redirected_if_broken():
            self._stream.flush()

    @contextlib.contextmanager
    def _redirected_if_broken(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self._stream.fileno())
            os.close(devnull)


@contextlib.contextmanager
def tolerate_broken_pipe() -> Iterator[None]:
    """Within the block, a closed standard output does not end the command."""
    if sys.stdout is None:  # closed from the start, as by `>&-`
        yield
        return
    tolerant: Any = _TolerantStream(sys.stdout)
    with contextlib.redirect_stdout(tolerant):
        try:
            yield
        finally:
            tolerant.flush()  # the interpreter's own flush at exit would print an error
