"""The evaluation protocol: train and measure every baseline with several seeds, in one table.

    python benchmarks/baselines.py MIDI [--out DIR] [--experiments ...] [--seeds ...]
        [--temperatures ...] [--draws N] [--against EXPERIMENT] [--record DIR]
        [--with EXPERIMENT KEY=VALUE ...]

A run is one of the training command, in OUT/EXPERIMENT/seed_SEED. The same command, given again,
skips finished runs and resumes interrupted ones. OUT/table.md and OUT/temperatures.png are
rewritten after each run; docs/results.md, "The protocol", describes them. Unless ``--with`` says
otherwise, paper has trainer.max_epochs=1 (its 100 epochs take days) and the data.movement of the
others, so that all have one test split.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import common
from protocol import report
from protocol.records import record
from protocol.runs import EVERY, FINISHED, INTERRUPTED, Run, carry_out, differences, plan, state

EXPERIMENTS = ("markov", "paper", "crnn_gan", "lstm_lm", "attention_lm")
SEEDS = (0, 1, 2)
TEMPERATURES = (0.8, 0.9, 1.0, 1.1)


def main() -> int:
    """The command; exit code 1 if a run fails."""
    parser = _parser()
    arguments = parser.parse_args()
    out, midi = arguments.out.expanduser().absolute(), arguments.midi
    names = [e.partition("=")[0] for e in arguments.experiments]
    extra = _extra(arguments.extra, names, parser)
    if arguments.against not in (None, *names):
        parser.error(f"--against {arguments.against}: name one of --experiments")
    runs = plan(arguments.experiments, arguments.seeds, extra, midi, out)
    out.mkdir(parents=True, exist_ok=True)
    finished: list[report.Finished] = []
    failures: list[str] = []
    try:
        for number, run in enumerate(runs, 1):
            _tell(f"[{number}/{len(runs)}] {run.name}")
            failure = _run(run) or _measure(run, midi, arguments, finished)
            if arguments.record and not failure:
                record(run, arguments.record)
            if failure:
                failures.append(f"{run.name}, failed: {failure}")
                _tell(f"  failed: {failure}")
            problems = [*failures, *(d for r in runs for d in differences(r))]
            _write(out, finished, problems, arguments.against)
    except KeyboardInterrupt:
        _tell("interrupted: the same command resumes")
        return 130
    _tell((out / "table.md").read_text(encoding="utf-8"))
    _tell(f"in {out / 'table.md'}, pictured in {out / 'temperatures.png'}")
    return 1 if failures else 0


def _run(run: Run) -> str | None:
    """Train unless the run is finished; return the reason of a failure, or None."""
    if state(run.folder) == FINISHED:
        _tell("  was finished already")
        return None
    how = "resumes" if state(run.folder) == INTERRUPTED else "starts"
    _tell(f"  {how}: {run.folder / 'train.log'}")
    start = time.monotonic()
    failure = carry_out(run)
    if failure is None:
        _tell(f"  finished after {(time.monotonic() - start) / 60:.1f} minutes")
    return failure


def _measure(
    run: Run, midi: Path, asked: argparse.Namespace, finished: list[report.Finished]
) -> str | None:
    """Add a finished run with its further samples; return the reason of a failure, or None."""
    # slow to import, and not needed to refuse arguments
    from protocol.samples import Samples

    start = time.monotonic()
    failure, swept, again = None, {}, []
    try:
        samples = Samples(run.folder, midi)
        swept = samples.temperatures(asked.temperatures)
        again = samples.draws(asked.draws)
    except Exception as error:  # whatever it is, the other runs continue
        failure = f"its samples: {error}"
    else:
        if swept or again:
            _tell(f"  more samples after {time.monotonic() - start:.0f} s")
    finished.append(report.load(run.experiment, run.seed, run.folder, swept, again))
    return failure


def _write(
    out: Path, finished: Sequence[report.Finished], problems: Sequence[str], against: str | None
) -> None:
    text = report.page(finished, problems, against=against)
    (out / "table.md").write_text(text, encoding="utf-8")
    if finished:
        report.draw(finished, out / "temperatures.png")


def _tell(text: str) -> None:
    print(text, flush=True)


def _extra(
    given: Sequence[Sequence[str]], experiments: Sequence[str], parser: argparse.ArgumentParser
) -> dict[str, list[str]]:
    extra: dict[str, list[str]] = {}
    for name, *overrides in given:
        if name not in (*experiments, EVERY):
            parser.error(f"--with {name}: name one of {', '.join(experiments)}, or {EVERY}")
        for override in overrides:
            if "=" not in override:
                parser.error(f"--with {name} {override}: give KEY=VALUE")
        extra.setdefault(name, []).extend(overrides)
    return extra


def _parser() -> argparse.ArgumentParser:
    parser = common.Parser(__doc__)
    parser.add_argument("midi", type=common.folder, metavar="MIDI", help="a folder of MIDI files")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/baselines"),
        metavar="DIR",
        help="runs, table.md and temperatures.png; %(default)s",
    )
    parser.add_argument(
        "--experiments",
        nargs="+",
        default=EXPERIMENTS,
        metavar="NAME",
        help="files of conf/experiment, or NAME=FILE for one under another name; "
        f"{' '.join(EXPERIMENTS)}",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="N", help="0 1 2")
    parser.add_argument(
        "--temperatures",
        nargs="+",
        type=_positive,
        default=TEMPERATURES,
        metavar="T",
        help="sampling temperatures, for models that have one; 0.8 0.9 1.0 1.1",
    )
    parser.add_argument(
        "--draws",
        type=common.count,
        default=1,
        metavar="N",
        help="sets of samples of each run, whose figures are averaged; %(default)s",
    )
    parser.add_argument(
        "--against",
        metavar="EXPERIMENT",
        help="add a table of differences from this one, paired by seed",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="also keep the figures and settings of finished runs there, without music and "
        "weights; --out DIR makes the tables from them",
    )
    parser.add_argument(
        "--with",
        dest="extra",
        action="append",
        nargs="+",
        default=[],
        metavar=("EXPERIMENT", "KEY=VALUE"),
        help="settings of one experiment, or of all: "
        "--with paper trainer.max_epochs=3 --with all trainer=cpu",
    )
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


if __name__ == "__main__":
    common.command(main)
