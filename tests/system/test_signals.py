"""Signals at set moments of small processes; commands are in ``tests/test_interrupted.py``."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import default_signals

HEAD = """
import logging, os, signal, sys, time
from gan_music.system import signals
from gan_music.system.command_process import command_process
def send(number):
    os.kill(os.getpid(), number)
signals._SAME_S = 0.1
with command_process():
"""
SAID = "interrupted; give the same command again\n"


def run(block: str, *, ignored: int | None = None) -> subprocess.CompletedProcess[str]:
    """A process of a command that does what is in the block."""

    def prepare() -> None:
        default_signals()
        if ignored is not None:
            signal.signal(ignored, signal.SIG_IGN)

    text = HEAD + "".join(f"    {line}\n" for line in block.strip().splitlines())
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=Path(__file__).parents[2],
        preexec_fn=prepare,  # no thread forks here
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def result(block: str, *, ignored: int | None = None) -> tuple[int, str, str]:
    done = run(block, ignored=ignored)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_in_one_way(name: str, code: int) -> None:
    block = f"""
try:
    send(signal.{name})
    print('not reached')
finally:
    print('cleaned up')
"""
    assert result(block) == (code, "cleaned up\n", SAID)


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGTERM"])
def test_what_is_ignored_from_the_start_stays_ignored(name: str) -> None:
    number = getattr(signal, name)
    other, code = ("SIGHUP", 129) if name == "SIGTERM" else ("SIGTERM", 143)
    block = f"send(signal.{name})\nprint('goes on')\nwith signals.handled(): send(signal.{other})"
    assert result(block, ignored=number) == (code, "goes on\n", SAID)
    block = f"with signals.deferring(): send(signal.{name})\nprint('goes on')"
    assert result(block, ignored=number) == (0, "goes on\n", "")


def test_signals_in_quick_succession_are_one() -> None:
    # as of `timeout`, which signals the process and then its group
    block = """
try:
    send(signal.SIGTERM)
finally:
    send(signal.SIGTERM)
    send(signal.SIGHUP)
    print('cleaned up')
"""
    assert result(block) == (143, "cleaned up\n", SAID)


def test_a_later_one_ends_the_cleaning_up() -> None:
    block = """
try:
    send(signal.SIGTERM)
finally:
    time.sleep(0.2)
    send(signal.SIGINT)
    print('not reached')
"""
    assert result(block) == (130, "", SAID)


def test_a_deferred_signal_waits_for_a_safe_place() -> None:
    block = """
with signals.deferring():
    assert not signals.received()
    send(signal.SIGTERM)
    send(signal.SIGTERM)
    print('at work', signals.received())
    signals.raise_received()
    print('not reached')
"""
    code, out, errors = result(block)
    assert (code, out) == (143, "at work True\n")
    assert errors == f"stopping at the next safe place; a second signal stops at once\n{SAID}"
    assert result("with signals.deferring(): send(signal.SIGHUP)\nprint('not reached')")[0] == 129
    block = """
with signals.deferring():
    send(signal.SIGTERM)
    time.sleep(0.2)
    send(signal.SIGINT)
    print('not reached')
"""
    assert result(block)[:2] == (130, "")


def test_a_shielded_block_is_completed() -> None:
    block = """
with signals.shielding():
    send(signal.SIGTERM)
    print('whole')
print('not reached')
"""
    assert result(block) == (143, "whole\n", SAID)


def test_an_exception_that_is_swallowed_is_raised_again() -> None:
    block = """
signals._AGAIN_S = 0.05
try:
    send(signal.SIGTERM)
except BaseException:
    pass
time.sleep(30)
"""
    assert result(block) == (143, "", SAID)
    # Python itself drops what __del__ raises, and prints it
    block = """
class Closing:
    def __del__(self):
        send(signal.SIGTERM)
        for _ in range(100): pass
closing = Closing()
del closing
time.sleep(30)
"""
    assert result(block) == (143, "", SAID)


def test_the_work_of_a_signal_that_was_swallowed_late_ends_too() -> None:
    block = """
try:
    send(signal.SIGTERM)
except BaseException:
    with signals.shielding():
        print('written')
signals.raise_received()
print('not reached')
"""
    assert result(block) == (143, "written\n", SAID)


def test_handlers_of_a_library_are_replaced() -> None:
    block = """
signal.signal(signal.SIGTERM, lambda *_: print('mine'))
signals.take_over()
send(signal.SIGTERM)
"""
    assert result(block) == (143, "", SAID)


def test_it_is_told_once_what_to_do() -> None:
    block = """
try:
    send(signal.SIGTERM)
except KeyboardInterrupt:
    signals.tell('interrupted; resume %s', 'me')
    raise
"""
    assert result(block) == (143, "", "interrupted; resume me\n")
    code, out, _ = result("print('done')\nsend(signal.SIGTERM)")
    assert (code, out) == (143, "done\n")


def test_a_signal_after_the_end_ends_the_process_without_a_word() -> None:
    block = "import atexit\natexit.register(send, signal.SIGINT)\nprint('done')"
    assert result(block) == (-signal.SIGINT, "done\n", "")


@pytest.mark.parametrize("command", ["train", "generate", "evaluate", "extract", "export"])
def test_a_command_can_be_interrupted_in_its_first_imports(command: str, tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == 'gan_music.cli':
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ['seed=1']
from gan_music.{command} import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", SAID)
    assert list(tmp_path.iterdir()) == []
