"""The report on finished runs: tables in Markdown, and a plot of quality against diversity."""

from __future__ import annotations

import collections
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from scipy.stats import t

Report = dict[str, Any]  # as metrics.json holds it
Column = tuple[str, str, str, str]
REAL = "real music"
# settings that runs must share for their figures to be comparable
SPLIT = ("query", "movement", "min_notes", "val_rate", "test_rate")
AMOUNTS = ("window", "long_window", "max_pieces", "max_notes", "n_bootstrap", "n_neighbours")
# title of a column, group and name of its figure, format of its numbers
FIGURES = (
    ("overlapped area", "mgeval", "oa_mean", "{:.3f}"),
    ("two-sample accuracy", "c2st", "accuracy", "{:.3f}"),
    ("of 256 notes", "c2st", "accuracy_long_window", "{:.3f}"),
    ("coverage", "prdc", "coverage", "{:.3f}"),
    ("precision", "prdc", "precision", "{:.3f}"),
    ("distinct pitch 4-grams", "diversity", "distinct_pitch_4grams", "{:.3f}"),
    ("longest copied run, 95 %", "originality", "longest_copied_run_95th", "{:.1f}"),
    ("overlap of openings", "mgeval", "oa_opening", "{:.3f}"),
    ("overlap of endings", "mgeval", "oa_ending", "{:.3f}"),
)
SWEPT = FIGURES[:5]
REPETITION = tuple(
    (f"after {n} bar{'s' if n > 1 else ''}", "structure", f"bar_self_similarity_lag_{n}", "{:.3f}")
    for n in (1, 2, 4, 8)
)
SHOWN = (*FIGURES, *REPETITION)


@dataclass(frozen=True)
class Finished:
    """A finished run: ``metrics.json``, ``config.yaml``, reports by temperature (``sweep``) and of
    further samples (``again``).
    """

    experiment: str
    seed: int
    report: Report
    config: dict[str, Any]
    sweep: dict[float, Report]
    again: Sequence[Report] = ()

    @property
    def name(self) -> str:
        return f"{self.experiment}, seed {self.seed}"

    @property
    def reports(self) -> list[Report]:
        return [self.report, *self.again]

    def figure(self, group: str, name: str) -> float:
        """Mean of a figure over its reports; NaN where it is undefined."""
        return spread(generated(r, group, name) for r in self.reports).mean


class Spread(NamedTuple):
    """Mean and standard deviation (of n - 1; NaN for one) of n numbers; NaN counts as none."""

    mean: float
    deviation: float
    n: int


def load(
    experiment: str,
    seed: int,
    folder: Path,
    sweep: dict[float, Report] | None = None,
    again: Sequence[Report] = (),
) -> Finished:
    report = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    return Finished(experiment, seed, report, config, sweep or {}, again)


def spread(values: Iterable[float]) -> Spread:
    known = np.array([v for v in values if not math.isnan(v)])
    if not len(known):
        return Spread(math.nan, math.nan, 0)
    deviation = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return Spread(float(known.mean()), deviation, len(known))


def page(
    runs: Sequence[Finished], problems: Sequence[str] = (), *, against: str | None = None
) -> str:
    """The whole report in Markdown; ``problems`` are sentences for its last section, ``against`` is
    the experiment that others are compared with, paired by seed.
    """
    lines = ["No run has finished."]
    if runs:
        lines = [seeds_line(runs), "", *main_table(runs), "", *costs_lines(runs), ""]
        lines += ["## Share of notes repeated after so many bars", "", *repetition_table(runs)]
        lines += ["", "## Temperatures", "", *sweep_table(runs)]
        lines += paired_lines(runs, against) if against else []
    odd = [*differing(runs), *problems]
    if odd:
        lines += ["", "## Notes", "", *(f"- {one}" for one in odd)]
    return "\n".join(["# Baselines", "", *lines]) + "\n"


def seeds_line(runs: Sequence[Finished]) -> str:
    seeds = sorted({r.seed for r in runs})
    few = f"{len(seeds)} seeds ({', '.join(map(str, seeds))}): mean ± standard deviation over them."
    if len(seeds) == 1:
        few = "One seed, so there is no spread."
    shared = [n for n in runs[0].report["notes"] if all(n in r.report["notes"] for r in runs)]
    n_draws = {len(r.reports) for r in runs}
    if n_draws != {1}:
        among = " or ".join(map(str, sorted(n_draws)))
        few += f" Figures of a run are means over {among} sets of samples."
    best = "Best: accuracy 0.5; 4-grams and copies as in real music; the others high."
    return " ".join([few, *shared, best])


def main_table(runs: Sequence[Finished]) -> list[str]:
    """A row for each experiment and for real music (its halves against each other)."""
    costs = ("verdicts", "training, minutes", "weights, generator (all)", "notes a second")
    rows = [
        [experiment, str(len(ours)), *means(ours, FIGURES), *cost_cells(ours)]
        for experiment, ours in by_experiment(runs).items()
    ]
    n_seeds = str(len({r.seed for r in runs}))
    rows.append([REAL, n_seeds, *real_means(runs, FIGURES), *[""] * len(costs)])
    return markdown(["", "seeds", *(f[0] for f in FIGURES), *costs], rows)


def repetition_table(runs: Sequence[Finished]) -> list[str]:
    rows = [
        [experiment, *means(ours, REPETITION)] for experiment, ours in by_experiment(runs).items()
    ]
    rows.append([REAL, *real_means(runs, REPETITION)])
    return markdown(["", *(f[0] for f in REPETITION)], rows)


def paired_lines(runs: Sequence[Finished], against: str) -> list[str]:
    """Differences of each experiment from ``against``, paired by seed: a row an experiment."""
    base = {r.seed: r for r in runs if r.experiment == against}
    rows = []
    for experiment, ours in by_experiment(runs).items():
        pairs = [(r, base[r.seed]) for r in ours if r.seed in base]
        if experiment == against or not pairs:
            continue
        cells = [
            difference([a.figure(*key) - b.figure(*key) for a, b in pairs], form)
            for _, *key, form in SHOWN
        ]
        rows.append([experiment, str(len(pairs)), *cells])
    head = ["", f"## Difference from {against}, paired by seed", ""]
    head += ["Means with 95 % intervals (Student's t).", ""]
    return [*head, *markdown(["", "seeds", *(f[0] for f in SHOWN)], rows)]


def difference(values: Sequence[float], form: str) -> str:
    """Mean of differences, with a 95 % interval (Student's t) for more than one."""
    mean, deviation, n = spread(values)
    if not n:
        return "NaN"
    signed = form.replace("{:", "{:+")
    if n == 1:
        return signed.format(mean)
    half = float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)
    return f"{signed.format(mean)} [{signed.format(mean - half)}, {signed.format(mean + half)}]"


def sweep_table(runs: Sequence[Finished]) -> list[str]:
    rows = []
    for experiment, temperatures in sweeps(runs).items():
        for temperature, reports in temperatures.items():
            cells = [cell([generated(r, *key) for r in reports], form) for _, *key, form in SWEPT]
            rows.append([experiment, f"{temperature:g}", str(len(reports)), *cells])
    without = [name for name in by_experiment(runs) if name not in sweeps(runs)]
    lines = []
    if rows:
        n_seeds = str(len({r.seed for r in runs}))
        rows.append([REAL, "", n_seeds, *real_means(runs, SWEPT)])
        lines = markdown(["", "temperature", "seeds", *(f[0] for f in SWEPT)], rows)
    if without:
        lines += ["", f"Without a temperature: {', '.join(without)}."]
    return lines


def costs_lines(runs: Sequence[Finished]) -> list[str]:
    machines = collections.defaultdict(list)
    for run in runs:
        if cost := run.report.get("cost"):
            machines[f"{cost['accelerator']}, CPU threads: {cost['n_threads']}"].append(run)
    return [
        f"Trained on {machine}"
        + (f" ({', '.join(r.name for r in ours)})" if len(machines) > 1 else "")
        + ". Notes are sampled on the CPU."
        for machine, ours in machines.items()
    ]


def cost_cells(runs: Sequence[Finished]) -> list[str]:
    verdicts = collections.Counter(r.report["verdict"] or "undefined" for r in runs)
    costs = [r.report.get("cost") or {} for r in runs]
    known = [c["n_weights"] for c in costs if c]
    n_weights = {f"{n['generator']:,} ({n['all_networks']:,})" for n in known}
    seconds, speed = (
        [number(c.get(key)) for c in costs]
        for key in ("training_seconds", "sampling_notes_per_second")
    )
    return [
        ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items())),
        cell([s / 60 for s in seconds], "{:.1f}"),
        " or ".join(sorted(n_weights)) or "NaN",
        cell(speed, "{:,.0f}"),
    ]


def differing(runs: Sequence[Finished]) -> list[str]:
    """Sentences on runs whose split or amounts differ, so that figures are not comparable."""
    found = []
    for where, keys in (("data", SPLIT), ("measure", AMOUNTS)):
        for key in keys:
            values = [
                (r.config["data"] if where == "data" else r.report["settings"]).get(key)
                for r in runs
            ]
            common = max(values, key=values.count) if values else None
            found += [
                f"{r.name}: {where}.{key} is {value}, but the others' is {common}; "
                "its figures are not comparable."
                for r, value in zip(runs, values, strict=True)
                if value != common
            ]
    return found


def draw(runs: Sequence[Finished], path: Path) -> None:
    """Plot precision against coverage, means over seeds: a curve over temperatures for each
    experiment, with its ends labelled; a point for experiments without a temperature and real
    music.
    """
    figure = Figure(figsize=(6.4, 5), layout="constrained")
    axis = figure.subplots()
    curves = sweeps(runs)
    for place, (experiment, ours) in enumerate(by_experiment(runs).items()):
        at = curves.get(experiment) or {math.nan: [r.report for r in ours]}
        points = [
            [spread(generated(r, "prdc", name) for r in reports).mean for reports in at.values()]
            for name in ("coverage", "precision")
        ]
        axis.plot(*points, marker="o", markersize=4, color=f"C{place}", label=experiment)
        for temperature, x, y in list(zip(at, *points, strict=True))[:: max(1, len(at) - 1)]:
            if not math.isnan(temperature + x + y):
                axis.annotate(
                    f"{temperature:g}", (x, y), (4, 4), textcoords="offset points", fontsize=7
                )
    real = [[spread(ceilings(runs, "prdc", n)).mean] for n in ("coverage", "precision")]
    axis.plot(*real, marker="*", markersize=12, linestyle="none", color="black", label=REAL)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.set(xlabel="diversity: coverage", ylabel="quality: precision")
    axis.grid(color="#e0e0e0")
    axis.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_figure(path, format="png", dpi=110)


def by_experiment(runs: Sequence[Finished]) -> dict[str, list[Finished]]:
    found: dict[str, list[Finished]] = {}
    for run in runs:
        found.setdefault(run.experiment, []).append(run)
    return found


def sweeps(runs: Sequence[Finished]) -> dict[str, dict[float, list[Report]]]:
    """Reports by experiment and ascending temperature, of experiments that have any."""
    found = {}
    for experiment, ours in by_experiment(runs).items():
        temperatures = sorted({one for r in ours for one in r.sweep})
        if temperatures:
            found[experiment] = {
                one: [r.sweep[one] for r in ours if one in r.sweep] for one in temperatures
            }
    return found


def generated(report: Report, group: str, name: str, column: str = "generated") -> float:
    """A figure of the samples; NaN where it is undefined or absent."""
    return number(report["figures"].get(group, {}).get(name, {}).get(column))


def ceilings(runs: Sequence[Finished], group: str, name: str) -> list[float]:
    """The figure of real music by seed: runs of one seed have the same reference excerpts."""
    values = collections.defaultdict(list)
    for run in runs:
        for report in run.reports:
            values[run.seed].append(generated(report, group, name, "reference"))
    return [spread(of_seed).mean for of_seed in values.values()]


def means(runs: Sequence[Finished], figures: Sequence[Column]) -> list[str]:
    return [cell([r.figure(*key) for r in runs], form) for _, *key, form in figures]


def real_means(runs: Sequence[Finished], figures: Sequence[Column]) -> list[str]:
    return [cell(ceilings(runs, *key), form) for _, *key, form in figures]


def number(value: float | None) -> float:
    """A figure from JSON, where null is NaN."""
    return math.nan if value is None else float(value)


def cell(values: Sequence[float], form: str) -> str:
    """Mean ± standard deviation of the defined values."""
    mean, deviation, n = spread(values)
    if not n:
        return "NaN"
    text = form.format(mean)
    if n > 1:
        text += f" ± {form.format(deviation)}"
    return text if n == len(values) else f"{text} ({n} of {len(values)})"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
