"""A process pool with limits for each item: a crash, a hang or a leak costs one item, not the run.

Existing pools do not do this: one dead worker breaks ``ProcessPoolExecutor``; pebble's workers
share one pipe, which a worker that is killed while writing leaves locked, and its timeout applies
to a whole chunk. Here each worker has its own socket, receives chunks of items and answers them one
by one in order, so that the item that killed it is known.

Workers are started by :mod:`subprocess`: torch's threads would not survive a fork, and the spawn
method of ``multiprocessing`` imports the command's own modules in each worker. POSIX only.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Pipe, wait
from typing import Any, Generic, TypeVar

from gan_music.data import worker as protocol
from gan_music.system import signals
from gan_music.system.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# The target duration of a chunk, in seconds: long compared to a round trip of 0.1 ms, short enough
# that workers finish at about the same time.
_CHUNK_S = 0.1
_LARGEST_CHUNK = 256
_PARENTS_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True)
class Failure:
    """The reason why an item has no result."""

    reason: str


class Pool(Generic[Item, Result]):
    """Maps a function over items in ``n_workers`` processes, with limits for each item.

    Parameters
    ----------
    function : takes one item; importable by name. Its exceptions are raised in the parent, except
        that a MemoryError gives the item a :class:`Failure`.
    timeout_s : seconds of wall-clock time for each item.
    memory_mb : MiB of address space beyond what a worker has at its start. Linux only: macOS
        ignores such a limit.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        *,
        n_workers: int,
        timeout_s: float,
        memory_mb: int,
    ) -> None:
        self.n_workers, self.timeout_s, self.memory_mb = n_workers, timeout_s, memory_mb
        self._setup = pickle.dumps((function, timeout_s, memory_mb))
        self._waiting: deque[int] = deque()

    def run(self, items: Sequence[Item]) -> Iterator[tuple[int, Result | Failure]]:
        """Yield (index of an item, its result) as items are done, each once.

        Workers end with the loop, whatever ends it (Ctrl-C too).

        Raises
        ------
        UserError
            If a worker cannot start.
        """
        self._waiting = deque(range(len(items)))
        workers: list[_Worker] = []
        try:
            for _ in range(min(self.n_workers, len(items))):
                workers.append(_Worker(self._setup))
            while workers:
                signals.raise_received()
                for connection in wait([w.connection for w in workers]):
                    worker = next(w for w in workers if w.connection is connection)
                    yield from self._receive(worker, items)
                    if worker.ended:
                        workers.remove(worker)
                        yield from self._replace(worker, workers)
                    elif worker.ready and not worker.pending:
                        workers.remove(worker)  # no items are left
                        worker.end()
        finally:
            for worker in workers:
                worker.end()

    def _receive(
        self, worker: _Worker, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield a worker's answers; it is sent the next chunk before they are yielded."""
        while worker.connection.poll():
            try:
                kind, value = worker.connection.recv()
            except (EOFError, OSError):
                worker.ended = True
                return
            if kind == protocol.RAISED:
                raise value
            if kind == protocol.OUT_OF_MEMORY:
                worker.out_of_memory = True  # the worker exits
                continue
            index = worker.pending.popleft() if kind == protocol.DONE else None
            worker.ready = True
            worker.n_done += index is not None
            if not worker.pending:
                worker.send(self._chunk(worker), items)
            if index is not None:
                yield index, value

    def _chunk(self, worker: _Worker) -> list[int]:
        if worker.first is not None:
            index, worker.first = worker.first, None
            return [index]
        fair = -(-len(self._waiting) // self.n_workers)
        return [self._waiting.popleft() for _ in range(min(worker.chunk_size(), fair))]

    def _replace(
        self, worker: _Worker, workers: list[_Worker]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Determine why a worker ended, and start another one for the remaining items."""
        code = worker.end()
        if not worker.ready:
            raise _cannot_start(worker.last_line)
        culprit = worker.pending.popleft() if worker.pending else None
        self._waiting.extendleft(reversed(worker.pending))
        again = None
        if culprit is not None:
            # earlier items may have used up its memory or corrupted its heap, or it was killed from
            # outside: try again
            is_killed = code == -signal.SIGKILL and not worker.is_second
            if (worker.n_done or is_killed) and code != -signal.SIGALRM:
                again = culprit
            else:
                yield culprit, Failure(self._reason(worker, code))
        if again is not None or self._waiting:
            workers.append(_Worker(self._setup, first=again))

    def _reason(self, worker: _Worker, code: int) -> str:
        if worker.out_of_memory:
            return f"takes more memory than data.memory_mb={self.memory_mb}"
        if code == -signal.SIGALRM:
            return f"takes longer to read than data.timeout_s={self.timeout_s:g}"
        end = f"code {code}" if code >= 0 else signal.Signals(-code).name
        return f"the reader crashed ({end})" + (f": {worker.last_line}" if code < 0 else "")


def _cannot_start(why: str) -> UserError:
    return UserError(
        f"a process that reads files did not start ({why}): see that the machine has memory and "
        "processes left, or choose fewer data.n_workers."
    )


class _Worker:
    """A process, its socket, and the indices of the items that it has not answered yet."""

    def __init__(self, setup: bytes, first: int | None = None) -> None:
        self.first = first  # its first item, sent alone, for the second time
        self.is_second = first is not None
        self.pending: deque[int] = deque()
        self.ready = self.ended = self.out_of_memory = False
        self.n_done = 0
        self.last_line = ""  # the last line of stderr, set by end()
        self._n_sent, self._sent_at = 0, 0.0
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed by end()
        self.connection, theirs = Pipe()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
            # idle threads would each reserve address space
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        # workers inherit the mask: a process group gets the signal, but only the parent handles it
        old = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENTS_SIGNALS)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", protocol.__name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=environment,
            )
        except OSError as error:  # too little memory, or too many processes or files
            self.connection.close()
            self._stderr.close()
            raise _cannot_start(str(error)) from error
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        with contextlib.suppress(OSError):  # if it has died, the next read tells
            self.connection.send_bytes(setup)

    def chunk_size(self) -> int:
        """The size of the next chunk: twice the last one's, or half if that took too long."""
        if not self._n_sent:
            return 1
        if time.monotonic() - self._sent_at < _CHUNK_S:
            return min(2 * self._n_sent, _LARGEST_CHUNK)
        return max(1, self._n_sent // 2)

    def send(self, indices: list[int], items: Sequence[Any]) -> None:
        self.pending.extend(indices)
        self._n_sent, self._sent_at = len(indices), time.monotonic()
        if indices:
            with contextlib.suppress(OSError):  # if it has died, the next read tells
                self.connection.send([items[i] for i in indices])

    def end(self) -> int:
        """Kill the process if it is running, and return its exit code."""
        if not self.ended:
            self._process.kill()
        code = self._process.wait()
        self.connection.close()
        with self._stderr as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="backslashreplace").split("\n")
        self.last_line = next((x.strip()[:200] for x in reversed(lines) if x.strip()), "no message")
        return code
