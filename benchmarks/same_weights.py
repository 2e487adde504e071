"""Whether two revisions train and generate the same, bit for bit, on one CPU thread.

    python benchmarks/same_weights.py OLD NEW [--midi DIR] [--experiments NAME ...]

OLD and NEW are checkouts. Each trains every experiment, with a short warm start so that batches of
adversarial training are reached, and generates from the packaged checkpoint. Compared are the
weights in ``last.ckpt`` (those of OLD under the names that NEW's migration gives them), the samples
that the run wrote, and the generated MIDI files. Without ``--midi``, a few pieces of music21's
corpus stand for the folder of the experiments on piano music. Exit code 1 if anything differs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import common

from gan_music.system.errors import UserError

PIANO = ("data.window=64", "data.stride=64", "data.batch_size=16", "model.hidden_size=64")
# overrides by experiment; "a|b=value" is b=value where a checkout has no key a
EXPERIMENTS: dict[str, tuple[str, ...]] = {
    "quick": ("trainer.max_epochs=2", "model.warm_start_epochs=1"),
    "paper": ("trainer.max_epochs=1",),
    "attention_lm": ("trainer.max_epochs=1", *PIANO),
    "flagship": (
        *("trainer.max_epochs=3", "model.warm_start_epochs=1", *PIANO),
        "model.critic_pretrain_batches|model.lead_batches=2",
        "model.rollout_batch|model.n_fakes=8",
        "model.replay_batch|model.n_met=8",
        "model.replay_size|model.n_kept=16",
    ),
    "crnn_gan": ("trainer.max_epochs=2", "model.warm_start_epochs=1", *PIANO),
    "lstm_lm": ("trainer.max_epochs=1", *PIANO),
    "markov": (),
}
DEFAULT = ("quick", "paper", "attention_lm", "flagship")
SMALL = (
    *("trainer=cpu", "trainer.precision=32-true", "seed=0", "report=false"),
    *("samples.n_pieces=4", "samples.n_notes=64", "samples.n_validation_windows=8"),
    *("samples.show_every_n_epochs=null", "samples.n_sounds=0", "collapse.n_windows=8"),
)
CORPUS = ("data=corpus", "data.query=[monteverdi/madrigal.3.1,monteverdi/madrigal.3.2]")
COMPARE = """
import sys, torch
from pathlib import Path
from gan_music.checkpoints.checkpoint import load_checkpoint
old, new = (load_checkpoint(Path(p)).state_dict for p in sys.argv[1:])
assert old.keys() == new.keys(), f"names differ: {sorted(old.keys() ^ new.keys())[:5]}"
assert all(a.shape == new[k].shape for k, a in old.items()), "shapes differ"
gaps = [(a.double() - new[k].double()).abs().max() for k, a in old.items() if a.numel()]
largest = float(max(gaps, default=0))
same = all(a.dtype == new[k].dtype and torch.equal(a, new[k]) for k, a in old.items())
print(len(new), sum(v.numel() for v in new.values()), largest, int(same))
"""


def python(checkout: Path, *arguments: str, cwd: Path) -> str:
    """What Python prints with a checkout's package, on one thread.

    Raises
    ------
    UserError
        If it fails, with the last line of its error.
    """
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment | {"XDG_CACHE_HOME": str(cwd / "cache")},
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{checkout}: python {' '.join(arguments[:3])[:80]} failed: {last}")
    return done.stdout


def has_setting(checkout: Path, key: str) -> bool:
    """Whether a checkout's conf has a key of a group, such as ``model.lr``."""
    group, _, name = key.partition(".")
    files = (checkout / "conf" / group).glob("*.yaml")
    return any(line.startswith(f"{name}:") for file in files for line in file.open())


def renamed(checkout: Path, override: str) -> str:
    """An override with the first of its keys that a checkout has."""
    keys, _, value = override.partition("=")
    first, *others = keys.split("|")
    known = [key for key in (first, *others) if has_setting(checkout, key)] if others else [first]
    if not known:
        raise UserError(f"{checkout} has none of the settings {keys}: name another revision.")
    return f"{known[0]}={value}"


def trained(checkout: Path, experiment: str, music: Sequence[str], cwd: Path) -> Path:
    folder = cwd / experiment
    words = (*SMALL, *(music if experiment != "quick" else ()), *EXPERIMENTS[experiment])
    overrides = [renamed(checkout, word) for word in words]
    train = ("-m", "gan_music.train", f"experiment={experiment}", *overrides)
    python(checkout, *train, f"hydra.run.dir={folder}", cwd=cwd)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mid"))}


def compare(
    experiment: str, checkouts: tuple[Path, Path], music: Sequence[str], folders: tuple[Path, Path]
) -> tuple[str, bool]:
    """A row of the table, and whether all is the same."""
    runs = [
        trained(checkout, experiment, music, folder)
        for checkout, folder in zip(checkouts, folders, strict=True)
    ]
    last = [str(run / "checkpoints" / "last.ckpt") for run in runs]
    n, size, largest, same = python(checkouts[1], "-c", COMPARE, *last, cwd=folders[1]).split()
    old, new = (contents(run / "samples") for run in runs)
    samples = bool(old) and old == new
    row = f"{experiment:14}{n:>9}{int(size):>14,}{float(largest):>13.3g}"
    return f"{row}  {verdict(same == '1')}, samples {verdict(samples)}", same == "1" and samples


def verdict(same: bool) -> str:
    return "same" if same else "DIFFER"


def generated(checkout: Path, cwd: Path) -> dict[str, bytes]:
    """What the command writes with the packaged checkpoint and seed 0."""
    words = ("seed=0", "n_pieces=4", "n_notes=128", "out=generated")
    python(checkout, "-m", "gan_music.generate", *words, cwd=cwd)
    return contents(cwd / "generated")


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("old", type=common.folder, metavar="OLD")
    parser.add_argument("new", type=common.folder, metavar="NEW")
    parser.add_argument("--midi", type=common.folder, metavar="DIR")
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, default=DEFAULT)
    given = parser.parse_args()
    music = ("data=midi", f"data.root={given.midi}") if given.midi else CORPUS
    old, new = given.old, given.new
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = (Path(scratch, "old"), Path(scratch, "new"))
        for folder, checkout in zip(folders, (old, new), strict=True):
            folder.mkdir()
            where = "import gan_music, os; print(os.path.dirname(gan_music.__path__[0]))"
            if Path(python(checkout, "-c", where, cwd=folder).strip()) != checkout:
                raise UserError(f"{checkout} has no package gan_music: name a checkout.")
        print(f"{'experiment':14}{'tensors':>9}{'weights':>14}{'difference':>13}", flush=True)
        for experiment in given.experiments:
            row, same = compare(experiment, (old, new), music, folders)
            print(row, flush=True)
            results.append(same)
        results.append(generated(old, folders[0]) == generated(new, folders[1]))
        print(f"{'generate':50}  {verdict(results[-1])}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    common.command(main)
