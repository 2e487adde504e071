"""Standard output and standard error that are closed, full, or whose reader has gone.

A reader that has gone, as that of ``| head``, or a terminal that was closed, is no error. A stream
that cannot be written for another reason does not stop the work: the command says so at its end.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_OUTPUT, _ERRORS = "standard output", "standard error"


class _Stream:
    """A stream that writes to ``/dev/null`` once it cannot be written; ``error`` says why."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._is_terminal = stream.isatty()
        self.error: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._redirected_on_error():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._redirected_on_error():
            self._stream.flush()

    @contextmanager
    def _redirected_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            is_gone = error.errno == errno.EIO and self._is_terminal
            if not is_gone and not isinstance(error, BrokenPipeError):
                self.error = (
                    f"{self._name} cannot be written ({error.strerror}): what was printed is "
                    "incomplete; make room there, or print to another place."
                )
            # what is still in its buffer goes there, too
            with contextlib.suppress(OSError, io.UnsupportedOperation):
                devnull = os.open(os.devnull, os.O_WRONLY)
                os.dup2(devnull, self._stream.fileno())
                os.close(devnull)


@contextmanager
def guarded() -> Iterator[None]:
    """Within the block the standard streams raise no errors.

    The process ends with a sentence and exit code 1: before the block, if one of them is closed, as
    by ``>&-``; after it, if one could not be written and nothing else has failed.
    """
    _refuse_closed()
    out, errors = _Stream(sys.stdout, _OUTPUT), _Stream(sys.stderr, _ERRORS)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, errors
    try:
        yield
    finally:
        # the interpreter's own flush at its end would print an error
        out.flush()
        errors.flush()
        sys.stdout, sys.stderr = before
        if errors.error:  # perhaps it was to tell why the command has failed
            _tell(errors.error, sys.stdout)
    if out.error:
        _tell(out.error, sys.stderr)
    if out.error or errors.error:
        sys.exit(1)


def _refuse_closed() -> None:
    """Refuse closed streams: the files that are opened next would have their numbers."""
    for name, stream, other in (
        (_OUTPUT, sys.stdout, sys.stderr),
        (_ERRORS, sys.stderr, sys.stdout),
    ):
        if stream is None:
            _tell(f"{name} is closed: let the command print to a file or to /dev/null.", other)
            sys.exit(1)


def _tell(sentence: str, file: TextIO | None) -> None:
    with contextlib.suppress(OSError):
        print(f"error: {sentence}", file=file, flush=True)
