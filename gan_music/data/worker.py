"""A worker process of :mod:`gan_music.data.pool`; it is run as a program, never imported to run.

``python -m gan_music.data.worker FD``: FD is a socket. The first message is (function, timeout_s,
memory_mb), each further one a list of items; each item is answered by one message (kind, value).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection

READY = "ready"
DONE = "done"
RAISED = "raised"
OUT_OF_MEMORY = "out of memory"


def main() -> None:
    """Answer items until the parent closes the socket."""
    connection = Connection(int(sys.argv[1]))
    # within an item, too
    threading.Thread(target=_end_with_parent, args=(connection.fileno(),), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent has ended or has closed the socket
        # unpickling imports the function's modules, before the limits apply
        function, timeout_s, memory_mb = connection.recv()
        # the default action ends the process at once, within C code too
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        _limit_memory(memory_mb)
        connection.send((READY, None))
        while True:
            for item in connection.recv():
                signal.setitimer(signal.ITIMER_REAL, timeout_s)
                try:
                    answer = (DONE, function(item))
                except MemoryError:
                    answer = (OUT_OF_MEMORY, None)
                except Exception as error:
                    answer = (RAISED, _picklable(error))
                signal.setitimer(signal.ITIMER_REAL, 0)
                connection.send(answer)
                if answer[0] == OUT_OF_MEMORY:
                    return  # the heap may be fragmented


def _end_with_parent(socket: int) -> None:
    """End this process as soon as the other end of the socket is closed."""
    hung_up = select.poll()
    hung_up.register(socket, 0)
    hung_up.poll()
    os._exit(1)


def _limit_memory(megabytes: int) -> None:
    """Limit the address space to its present size plus ``megabytes`` MiB; Linux only."""
    try:
        with open("/proc/self/statm", "rb") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = used + megabytes * 2**20
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main()
