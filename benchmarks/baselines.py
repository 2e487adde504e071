"""The evaluation protocol: train and measure every baseline with several seeds, in one table.

    python benchmarks/baselines.py MIDI [--out DIR] [--experiments NAME ...] [--seeds N ...]
        [--temperatures T ...] [--draws N] [--against NAME] [--record DIR]
        [--with NAME KEY=VALUE ...]

docs/results.md, "The protocol", describes the options, and OUT/table.md and OUT/temperatures.png,
which are rewritten after each run. A run is one of the training command, in OUT/NAME/seed_SEED. The
same command, given again, skips finished runs and resumes interrupted ones. Unless ``--with`` says
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
            text = report.page(finished, problems, against=arguments.against)
            (out / "table.md").write_text(text, encoding="utf-8")
            if finished:
                report.draw(finished, out / "temperatures.png")
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
    add = parser.add_argument
    add("midi", type=common.folder, metavar="MIDI")
    add("--out", type=Path, default=Path("outputs/baselines"), metavar="DIR")
    add("--experiments", nargs="+", default=EXPERIMENTS, metavar="NAME")
    add("--seeds", nargs="+", type=int, default=SEEDS, metavar="N")
    add("--temperatures", nargs="+", type=_positive, default=TEMPERATURES, metavar="T")
    add("--draws", type=common.count, default=1, metavar="N")
    add("--against", metavar="NAME")
    add("--record", type=Path, metavar="DIR")
    add("--with", dest="extra", action="append", nargs="+", default=[], metavar="NAME")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


if __name__ == "__main__":
    common.command(main)
