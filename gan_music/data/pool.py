"""Jobs in processes that can be replaced: a crash, a hang or a hunger costs one item, not the run.

Why no pool that exists: in ``ProcessPoolExecutor`` one dead worker breaks the pool; pebble's
workers share one pipe, which a worker that is killed while it writes leaves locked, and its time
limit is a whole chunk's. Here every worker has a socket of its own, is sent chunks of items and
answers them one by one in order, so that the item it died of is known.

Workers are started by :mod:`subprocess`: not by a fork, which torch's threads would not survive,
and not by ``multiprocessing``, whose spawn loads the command's own modules into each. POSIX only.
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
from gan_music.system.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# A chunk holds so many items that it takes about this long, in seconds: long beside the 0.1 ms of
# a round trip, short enough that at the end no worker waits for another.
_CHUNK_S = 0.1
_LARGEST_CHUNK = 256


@dataclass(frozen=True)
class Failure:
    """Why an item has no result."""

    reason: str


class Pool(Generic[Item, Result]):
    """One function over many items in ``n_workers`` processes, each item under limits.

    Parameters
    ----------
    job : a function of one item, importable by name. What it raises is raised in the parent, but a
        MemoryError is the item's :class:`Failure`.
    timeout_s : seconds by the clock that an item may take.
    memory_mb : MiB of address space that a worker may take beyond what it has at its start. Kept on
        Linux only: macOS accepts such a limit and ignores it.
    """

    def __init__(
        self,
        job: Callable[[Item], Result],
        *,
        n_workers: int,
        timeout_s: float,
        memory_mb: int,
    ) -> None:
        self.n_workers, self.timeout_s, self.memory_mb = n_workers, timeout_s, memory_mb
        self._setup = pickle.dumps((job, timeout_s, memory_mb))
        self._waiting: deque[int] = deque()

    def run(self, items: Sequence[Item]) -> Iterator[tuple[int, Result | Failure]]:
        """(number of an item, its result), each item once, as they are done.

        Whatever ends the loop, Ctrl-C too, ends the workers.

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
                for connection in wait([w.connection for w in workers]):
                    worker = next(w for w in workers if w.connection is connection)
                    yield from self._receive(worker, items)
                    if worker.ended:
                        workers.remove(worker)
                        yield from self._replace(worker, workers)
                    elif worker.ready and not worker.pending:
                        workers.remove(worker)  # nothing is left for it
                        worker.end()
        finally:
            for worker in workers:
                worker.end()

    def _receive(
        self, worker: _Worker, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """All that a worker has sent; it gets more to do before its answers are passed on."""
        while worker.connection.poll():
            try:
                kind, value = worker.connection.recv()
            except (EOFError, OSError):
                worker.ended = True
                return
            if kind == protocol.RAISED:
                raise value
            if kind == protocol.OUT_OF_MEMORY:
                worker.out_of_memory = True  # it ends itself now
                continue
            number = worker.pending.popleft() if kind == protocol.DONE else None
            worker.ready = True
            worker.n_done += number is not None
            if not worker.pending:
                worker.send(self._chunk(worker), items)
            if number is not None:
                yield number, value

    def _chunk(self, worker: _Worker) -> list[int]:
        if worker.first is not None:
            number, worker.first = worker.first, None
            return [number]
        fair = -(-len(self._waiting) // self.n_workers)
        return [self._waiting.popleft() for _ in range(min(worker.chunk_size(), fair))]

    def _replace(
        self, worker: _Worker, workers: list[_Worker]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Find out what a worker died of, and start another for what is left."""
        code = worker.end()
        if not worker.ready:
            raise _cannot_start(worker.last_words)
        culprit = worker.pending.popleft() if worker.pending else None
        self._waiting.extendleft(reversed(worker.pending))
        again = None
        if culprit is not None:
            # what came before may have left it with little memory, or a broken heap
            if worker.n_done and code != -signal.SIGALRM:
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
        return f"the reader crashed ({end})" + (f": {worker.last_words}" if code < 0 else "")


def _cannot_start(why: str) -> UserError:
    return UserError(
        f"a process that reads files did not start ({why}): see that the machine has memory and "
        "processes left, or choose fewer data.n_workers."
    )


class _Worker:
    """A process, the socket to it, and the numbers of the items that it has not answered."""

    def __init__(self, setup: bytes, first: int | None = None) -> None:
        self.first = first  # the item it begins with
        self.pending: deque[int] = deque()
        self.ready = self.ended = self.out_of_memory = False
        self.n_done = 0
        self.last_words = ""  # the last line that it wrote to stderr, once it has ended
        self._n_sent, self._sent_at = 0, 0.0
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed by end()
        self.connection, theirs = Pipe()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
            # threads would be started, each with a heap of its own, and have nothing to do
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        # the mask is inherited: Ctrl-C reaches the whole group, and only the parent shall answer
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", protocol.__name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=environment,
            )
        except OSError as error:  # of memory, of processes or of files there are no more
            self.connection.close()
            self._stderr.close()
            raise _cannot_start(str(error)) from error
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        with contextlib.suppress(OSError):  # it died meanwhile: reading from it will tell
            self.connection.send_bytes(setup)

    def chunk_size(self) -> int:
        """How many items to send next: twice the last number, or half, as the last ones took."""
        if not self._n_sent:
            return 1
        if time.monotonic() - self._sent_at < _CHUNK_S:
            return min(2 * self._n_sent, _LARGEST_CHUNK)
        return max(1, self._n_sent // 2)

    def send(self, numbers: list[int], items: Sequence[Any]) -> None:
        self.pending.extend(numbers)
        self._n_sent, self._sent_at = len(numbers), time.monotonic()
        if numbers:
            with contextlib.suppress(OSError):  # it died meanwhile: reading from it will tell
                self.connection.send([items[n] for n in numbers])

    def end(self) -> int:
        """Kill it, if it has not ended, and return its exit code."""
        if not self.ended:
            self._process.kill()
        code = self._process.wait()
        self.connection.close()
        with self._stderr as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="backslashreplace").split("\n")
        self.last_words = next(
            (x.strip()[:200] for x in reversed(lines) if x.strip()), "no message"
        )
        return code
