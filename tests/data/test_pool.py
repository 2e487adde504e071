from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gan_music.data.pool import Failure, Pool
from gan_music.system.errors import UserError
from tests.data import jobs


def run(
    items: list[Any],
    job: Callable[[Any], Any] = jobs.misbehave,
    *,
    n_workers: int = 2,
    timeout_s: float = 30,
    memory_mb: int = 256,
) -> list[Any]:
    """The results in the order of the items; each item must have exactly one."""
    pool = Pool(job, n_workers=n_workers, timeout_s=timeout_s, memory_mb=memory_mb)
    results = list(pool.run(items))
    assert sorted(number for number, _ in results) == list(range(len(items)))
    return [result for _, result in sorted(results, key=lambda r: r[0])]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000])
def test_every_item_has_its_result(n: int) -> None:
    assert run(list(range(n)), jobs.double) == [2 * i for i in range(n)]


def test_arrays_come_back() -> None:
    for i, result in enumerate(run([1, 2000, 70_000], jobs.arrays)):
        assert [len(a) for a in result] == [[1, 2000, 70_000][i]] * 4
        assert [a[0] for a in result] == [0, 1, 2, 3]
        assert all(isinstance(a, np.ndarray) for a in result)


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("segfault", r"crashed \(SIGSEGV\)"),
        ("exit", r"crashed \(code 7\)"),
        ("memory", r"more memory than data\.memory_mb=256"),
    ],
)
def test_only_the_culprit_is_lost(n_workers: int, item: str, reason: str) -> None:
    items: list[Any] = [*range(20), item, *range(21, 40)]
    results = run(items, n_workers=n_workers)
    failure = results[20]
    assert isinstance(failure, Failure)
    assert re.search(reason, failure.reason)
    assert results[:20] + results[21:] == items[:20] + items[21:]


@pytest.mark.parametrize("item", ["hang", "spin"])
def test_a_hang_ends(item: str) -> None:
    results = run([1, item, 2, 3], timeout_s=1, n_workers=1)
    assert results == [1, Failure("takes longer to read than data.timeout_s=1"), 2, 3]


def test_only_culprits_everywhere() -> None:
    results = run(["segfault", "exit"] * 3)
    assert all(isinstance(r, Failure) for r in results)


def test_an_item_is_not_blamed_for_earlier_ones() -> None:
    # each item keeps 60 MB: 256 MB are full after four, and a new process continues
    results = run(["hoard"] * 9, n_workers=1)
    assert not [r for r in results if isinstance(r, Failure)]
    assert max(results) <= 4


def test_what_a_job_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="raised by the job"):
        run([1, "raise", 2])


def test_workers_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_here(item: int) -> int:
        return item

    only_here.__module__, only_here.__qualname__ = jobs.__name__, "only_here"
    monkeypatch.setattr(jobs, "only_here", only_here, raising=False)
    with pytest.raises(UserError, match=r"did not start \(AttributeError.*only_here"):
        run([1, 2], only_here)


def test_no_more_processes_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*arguments: Any, **options: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", no_more)
    with pytest.raises(UserError, match=r"\(\[Errno 11\].*\): see that .* fewer data.n_workers\."):
        run([1])


def test_workers_end_with_the_loop() -> None:
    pool = Pool(jobs.misbehave, n_workers=2, timeout_s=600, memory_mb=256)
    results = pool.run(["pid", "pid", "hang", "hang"])
    pids = [next(results)[1], next(results)[1]]
    results.close()  # type: ignore[attr-defined]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import os, signal\nfrom gan_music.data.pool import Pool\nfrom tests.data import jobs\n"
        "pool = Pool(jobs.misbehave, n_workers=1, timeout_s=600, memory_mb=256)\n"
        "print(next(pool.run(['pid', 'pid']))[1], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    pid = int(done.stdout)
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the worker lives on")


def test_workers_are_light() -> None:
    (modules,) = run(["modules"])
    loaded = {m.split(".")[0] for m in modules}
    assert not loaded & {"torch", "lightning", "music21", "hydra", "matplotlib"}
