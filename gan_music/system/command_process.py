"""How the process of a command ends, whatever it does: streams, signals, exit code."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gan_music.system import signals
from gan_music.system.standard_streams import guarded


@contextmanager
def command_process() -> Iterator[None]:
    """The block is all that the process does, its imports too.

    Ctrl-C, SIGTERM and SIGHUP end it with what to do next and the exit codes 130, 143 and 129; a
    standard stream that cannot be written, with a sentence and exit code 1.
    """
    with signals.handled(ends_process=True):
        try:
            with guarded():
                yield
        except KeyboardInterrupt as error:
            with signals.shielding():
                if not signals.has_told():
                    with contextlib.suppress(OSError):
                        print("interrupted; give the same command again", file=sys.stderr)
                # half-imported libraries log statistics at the interpreter's end
                logging.disable()
                sys.exit(signals.exit_code(error))
