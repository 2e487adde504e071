"""The protocol: every baseline with several seeds, trained, measured and put into one table.

    python benchmarks/baselines.py MIDI [--out DIR] [--experiments ...] [--seeds ...]
        [--temperatures ...] [--draws N] [--against EXPERIMENT] [--record DIR]
        [--with EXPERIMENT KEY=VALUE ...]

Each run is the training command's, in OUT/EXPERIMENT/seed_SEED. Called again, it leaves finished
runs alone and goes on with one that was cut off from its last epoch. After each run OUT/table.md
and OUT/temperatures.png are written anew. docs/results.md, "The protocol", says what is in them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from protocol import report
from protocol.records import record
from protocol.runs import CUT_OFF, EVERY, FINISHED, Run, carry_out, differences, plan, state

EXPERIMENTS = ("markov", "paper", "crnn_gan", "lstm_lm", "attention_lm")
SEEDS = (0, 1, 2)
TEMPERATURES = (0.8, 0.9, 1.0, 1.1)


def main() -> int:
    """The command; 1 if a run failed."""
    parser = _parser()
    arguments = parser.parse_args()
    out, midi = arguments.out.expanduser().absolute(), arguments.midi.absolute()
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
        _tell("interrupted: the same command goes on")
        return 130
    _tell((out / "table.md").read_text(encoding="utf-8"))
    _tell(f"in {out / 'table.md'}, pictured in {out / 'temperatures.png'}")
    return 1 if failures else 0


def _run(run: Run) -> str | None:
    """Train where there is something to train; what went wrong, or None."""
    if state(run.folder) == FINISHED:
        _tell("  was finished already")
        return None
    how = "goes on where it was cut off" if state(run.folder) == CUT_OFF else "starts"
    _tell(f"  {how}: {run.folder / 'train.log'}")
    start = time.monotonic()
    failure = carry_out(run)
    if failure is None:
        _tell(f"  finished after {(time.monotonic() - start) / 60:.1f} minutes")
    return failure


def _measure(
    run: Run, midi: Path, asked: argparse.Namespace, finished: list[report.Finished]
) -> str | None:
    """Add a finished run, with its other samples; what went wrong, or None."""
    # heavy to import, and not needed for --help
    from protocol.samples import Samples

    start = time.monotonic()
    failure, swept, again = None, {}, []
    try:
        samples = Samples(run.folder, midi)
        swept = samples.temperatures(asked.temperatures)
        again = samples.draws(asked.draws)
    except Exception as error:  # whatever it is, the other runs go on
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
    """Overrides by experiment, as ``--with`` gave them."""
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
    parser = argparse.ArgumentParser(
        description="Train, measure and compare the baselines on a folder of MIDI files.",
        epilog="Finished runs are not run again, and one that was cut off goes on from its last "
        "epoch, so the same command can be given until all is done. Unless told otherwise, paper "
        "has trainer.max_epochs=1 (its 100 epochs take days) and the others' data.movement (so "
        "that all have one test split).",
    )
    parser.add_argument("midi", type=_folder, metavar="MIDI", help="a folder of MIDI files")
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
        help="files of conf/experiment, or NAME=FILE for one under another name, which the rest of "
        f"the command calls it by; {' '.join(EXPERIMENTS)}",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="N", help="0 1 2")
    parser.add_argument(
        "--temperatures",
        nargs="+",
        type=_positive,
        default=TEMPERATURES,
        metavar="T",
        help="of the samples of models that have one; 0.8 0.9 1.0 1.1",
    )
    parser.add_argument(
        "--draws",
        type=_count,
        default=1,
        metavar="N",
        help="samples of each run, from other noise, whose figures are averaged; %(default)s",
    )
    parser.add_argument(
        "--against",
        metavar="EXPERIMENT",
        help="also a table of the differences from this one, seed by seed",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="keep the figures and settings of each finished run there, too, without music and "
        "weights; --out DIR makes the tables of them",
    )
    parser.add_argument(
        "--with",
        dest="extra",
        action="append",
        nargs="+",
        default=[],
        metavar=("EXPERIMENT", "KEY=VALUE"),
        help="settings for one experiment, or for all: "
        "--with paper trainer.max_epochs=3 --with all trainer=cpu",
    )
    return parser


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    _positive(text)
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
