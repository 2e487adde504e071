"""Sweeps and commands that get a signal at set moments, by a function that is called there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TINY, run_python, status_of

# a command whose n-th call of a function first sends a signal to its own process
PROGRAM = """
import functools, importlib, os, signal, sys
name, place, number, nth = {moment!r}, None, signal.{number}, {nth}
def patched(function):
    @functools.wraps(function)
    def call(*arguments, **options):
        global nth
        nth -= 1
        if not nth:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # as `timeout` does
        return function(*arguments, **options)
    return call
module, _, path = name.partition(':')
place = importlib.import_module(module)
*owners, last = path.split('.')
for owner in owners:
    place = getattr(place, owner)
setattr(place, last, patched(getattr(place, last)))
sys.argv = [{command!r}, *sys.argv[1:]]
from gan_music.{command} import main
main()
"""
CONTINUE = "interrupted; continue the sweep by the same command and skip_done=true "
LIGHTNING = "lightning.pytorch.loops."
# moment of a sweep -> statuses of its two jobs
MOMENTS = {
    "gan_music.runs.sweep:plan": {},
    "gan_music.cli:checked": {"0": "interrupted"},
    "gan_music.data.pool:Pool._receive": {"0": "interrupted"},
    "gan_music.runs.status:_write": {"0": "interrupted"},
    f"{LIGHTNING}evaluation_loop:_EvaluationLoop._evaluation_step": {"0": "interrupted"},
    f"{LIGHTNING}training_epoch_loop:_TrainingEpochLoop.advance": {"0": "interrupted"},
    "gan_music.training.callbacks.last_checkpoint:LastCheckpoint._save": {"0": "interrupted"},
    "gan_music.training.run:evaluate_run": {"0": "interrupted"},
    "gan_music.page.html:read_run": {"0": "interrupted"},
    "gan_music.training.run:end_run": {"0": "done"},
}
QUICK = ("trainer.max_epochs=1", "data.n_workers=1", "model.warm_start_epochs=0")


def send(
    command: str, moment: str, *words: str, cwd: Path, number: str = "SIGTERM", nth: int = 1
) -> tuple[int, str]:
    """Exit code and output of a command that gets a signal twice at a moment."""
    program = cwd / "program.py"
    program.write_text(PROGRAM.format(command=command, moment=moment, number=number, nth=nth))
    done = run_python(str(program), *words, cwd=cwd)
    assert "Traceback" not in done.stdout + done.stderr
    assert "unexpected" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("moment", MOMENTS)
def test_sigterm_ends_a_sweep(moment: str, midi_folder: Path, tmp_path: Path) -> None:
    words = ("-m", "seed=1,2", "data=midi", f"data.root={midi_folder}", *TINY, *QUICK)
    words += ("report=true", "hydra.sweep.dir=s", "data.cache_dir=kept")
    code, text = send("train", moment, *words, cwd=tmp_path)
    assert code == 143, text
    statuses = {p.parent.name: status_of(p.parent) for p in tmp_path.glob("s/*/status.json")}
    assert {n: s["status"] for n, s in statuses.items()} == MOMENTS[moment]
    last = text.splitlines()[-1]
    if moment == "gan_music.runs.sweep:plan":
        assert last == "interrupted; give the same command again"
    else:
        assert last.endswith(f"{CONTINUE}hydra.sweep.dir=s")
    assert not list(tmp_path.rglob("*.tmp"))
