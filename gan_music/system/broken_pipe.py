"""Standard output whose reader may go before a command has ended, as ``| head`` does."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class _Lasting:
    """A stream that goes on writing to nowhere once its reader is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._into_nowhere():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._into_nowhere():
            self._stream.flush()

    @contextlib.contextmanager
    def _into_nowhere(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def tolerate_broken_pipe() -> Iterator[None]:
    """Within it, a reader that goes ends nothing: what a command does outlasts what it prints."""
    if sys.stdout is None:  # closed from the start, as by `>&-`
        yield
        return
    lasting: Any = _Lasting(sys.stdout)
    with contextlib.redirect_stdout(lasting):
        try:
            yield
        finally:
            lasting.flush()  # at the end of the interpreter nobody would catch it
