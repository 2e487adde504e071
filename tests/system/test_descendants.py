from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_processes_and_theirs_are_ended_but_for_those_that_ignore_it() -> None:
    code = """
import os, signal, subprocess, sys
from gan_music.system.descendants import descendants, end_descendants
def start(program):
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()
WAIT = "print(os.getpid(), flush=True); time.sleep(60)"
below = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import os, time; {WAIT}'])"
parent, child = start(below)
obstinate, _ = start(f"import os, signal, time; signal.signal(15, lambda *_: None); {WAIT}")
deaf, _ = start(f"import os, signal, time; signal.signal(15, signal.SIG_IGN); {WAIT}")
print(sorted(descendants()) == sorted([parent.pid, int(child), obstinate.pid]))
end_descendants(wait_s=1)
print(parent.wait(), obstinate.wait(), deaf.poll(), descendants())
deaf.kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n-15 -9 None []\n", "")
