"""Streams that are closed, full or have lost their reader, by the shell."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import default_signals

ROOT = Path(__file__).parents[2]
GENERATE = "generate n_pieces=1 n_notes=16 out=out"
FULL = (
    "error: standard output cannot be written (No space left on device): what was printed is "
    "incomplete; make room there, or print to another place.\n"
)
CLOSED = "is closed: let the command print to a file or to /dev/null.\n"


def shell(command: str, cwd: Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, redirected by a shell."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m gan_music.{command}"],
        cwd=cwd,
        text=True,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_is_cut_short_without_a_word(tmp_path: Path) -> None:
    code, out, errors = shell("generate --help | head -n 1", tmp_path)
    assert (code, errors) == (0, "")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("command", [GENERATE, "extract clear=true data.cache_dir=c", "report r"])
def test_a_closed_stream_is_refused_before_anything_is_done(command: str, tmp_path: Path) -> None:
    refused = f"error: standard output {CLOSED}"
    assert shell(f"{command} >&-", tmp_path) == (1, "", refused)
    assert shell(f"{command} 2>&-", tmp_path) == (1, f"error: standard error {CLOSED}", "")
    assert shell(f"{command} >&- 2>&-", tmp_path) == (1, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_full_output_is_told_once_the_work_is_done(tmp_path: Path) -> None:
    assert shell(f"{GENERATE} > /dev/full", tmp_path) == (1, "", FULL)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["sample_01.mid"]


def test_a_full_stream_with_help_and_errors(tmp_path: Path) -> None:
    assert shell("export --help > /dev/full", tmp_path) == (1, "", FULL)
    assert shell("report > /dev/full", tmp_path)[2].startswith("error: no run is given: use ")
    code, out, errors = shell("report 2> /dev/full", tmp_path)
    assert (code, errors) == (1, "")
    assert out.startswith("error: standard error cannot be written (No space left on device): ")
    assert shell("report > /dev/full 2> /dev/full", tmp_path) == (1, "", "")


def test_a_terminal_that_was_closed_is_no_error(tmp_path: Path) -> None:
    # as of a process that was started with nohup
    ours, theirs = pty.openpty()
    code = (
        "import pathlib, sys, time\n"
        "from gan_music.system.command_process import command_process\n"
        "with command_process():\n"
        "    print('begun', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    print('not seen', flush=True)\n"
        "    print('nor this', file=sys.stderr, flush=True)\n"
        "    pathlib.Path(sys.argv[1]).write_text('done')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        cwd=ROOT,
        preexec_fn=default_signals,
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        assert os.read(ours, 100).startswith(b"begun")
        os.close(ours)
        process.communicate(b"\n")
    assert process.returncode == 0
    assert (tmp_path / "file").read_text() == "done"


def test_a_closed_terminal_ends_a_command_as_sigterm_does(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from gan_music.system.command_process import command_process\n"
        "with command_process():\n"
        "    try:\n"
        "        print('begun', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('not seen', flush=True)\n"
        "        pathlib.Path(sys.argv[1]).write_text('interrupted')\n"
    )
    pid, ours = pty.fork()
    if not pid:
        default_signals()
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", code, str(tmp_path / "file")])
    assert os.read(ours, 100).startswith(b"begun")
    os.close(ours)  # the kernel sends SIGHUP
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
    assert (tmp_path / "file").read_text() == "interrupted"
