"""Commands in processes that are forked from one that has imported everything.

Importing torch and Lightning takes most of the time of a small command. A forked process is
otherwise like a fresh one: its own folder, environment, output and ``__main__``. Tests of signals,
of kills, of other interpreters and of limits start an interpreter instead.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class CommandServer:
    """A process that runs commands on request; it ends with this one."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.address = str(Path(self.folder.name, "socket"))
        # the end of its standard input tells it that this process is gone
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.command_server", self.address],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        atexit.register(self.process.kill)

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: dict[str, str], timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """``python -m MODULE ...`` or ``python FILE ...``."""
        with (
            tempfile.TemporaryFile("w+", dir=self.folder.name) as out,
            tempfile.TemporaryFile("w+", dir=self.folder.name) as errors,
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.connect(self.address)
            request = {"arguments": arguments, "cwd": str(cwd), "env": env}
            files = [out.fileno(), errors.fileno()]
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], files)
            answers = connection.makefile()
            pid = int(answers.readline())
            connection.settimeout(timeout)
            try:
                code = int(answers.readline())
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout) from error
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read())
        return subprocess.CompletedProcess(arguments, code, *texts)


def serve(address: str) -> None:
    """Run requests, each in a process of its own, until standard input ends."""
    import gan_music

    for found in pkgutil.walk_packages(gan_music.__path__, "gan_music."):
        if "." in found.name.removeprefix("gan_music."):  # not the commands, which are to be run
            importlib.import_module(found.name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    parent = os.getppid()
    listener.settimeout(5)
    while os.getppid() == parent:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if not os.fork():
            listener.close()
            _answer(connection)
            os._exit(0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    text, files, _, _ = socket.recv_fds(connection, 2**20, 2)
    while not text.endswith(b"\n"):
        text += connection.recv(2**20)
    pid = os.fork()
    if not pid:
        connection.close()
        _run(json.loads(text), *files)
    connection.sendall(f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(f"{code}\n".encode())


def _run(request: dict[str, Any], out: int, errors: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(errors, 2)
    os.closerange(3, 64)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    is_module = request["arguments"][0] == "-m"
    sys.argv = request["arguments"][is_module:]
    sys.path[0] = request["cwd"] if is_module else str(Path(sys.argv[0]).parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: Any = 0
    try:
        if is_module:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter does at its end
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    serve(sys.argv[1])
