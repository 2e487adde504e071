"""The content of a page: figures as text, and pieces as pictures and sound."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gan_music.metrics.table import TITLES, format_figure
from gan_music.page import charts, sounds
from gan_music.page.record import Run, read_pieces

# group, figure, title, best value
HEADLINE = (
    ("mgeval", "oa_mean", "Overlapped area (MGEval)", "1 is best"),
    ("c2st", "accuracy", "C2ST accuracy", "0.5 is best"),
    ("prdc", "precision", "Precision", "higher is better"),
    ("prdc", "coverage", "Coverage", "higher is better"),
    ("originality", "longest_copied_run_95th", "Longest copied run", "notes"),
)
_SELECTION = (
    ("Notes in the best-fitting scale", "pitch", "scale_consistency"),
    ("Onsets on the beat", "rhythm", "on_beat_rate"),
    ("Beats with a recognised chord", "harmony", "recognised_chord_rate"),
    ("Simultaneous pitches", "harmony", "polyphony"),
    ("Distinct pitch 4-grams", "diversity", "distinct_pitch_4grams"),
    ("4-grams repeated within 256 notes", "structure", "repeated_4gram_rate_in_256"),
)
VERDICTS = {
    "indistinguishable": "nothing tells the samples from real music",
    "near": "the samples are hard to tell from real music",
    "distinguishable": "the samples can be told from real music",
    "unlike": "the samples are nothing like real music",
    "narrow": "the samples vary less than real music",
    "collapsed": "the samples hardly vary (mode collapse)",
    "undefined": "there is too little music for a verdict",
    "varied": "the samples vary about as much as real music",  # while training
}
NONE = "\N{EN DASH}"
SIGNS = {"higher": "higher", "lower": "lower", "0.5": "0.5", "reference": "as real"}


@dataclass(frozen=True)
class Player:
    """A piece with its picture and its sound, as data URIs."""

    name: str
    picture: str
    sound: str | None


@dataclass(frozen=True)
class Row:
    """A row of a table of figures."""

    name: str
    best: str
    cells: list[str]


@dataclass
class LabelledRun:
    """A run on a page: its name there, and the colour of its curves, from 1."""

    run: Run
    label: str
    colour: int
    real: list[Player] = field(default_factory=list)
    samples: list[Player] = field(default_factory=list)


def labels(folders: Sequence[Path]) -> list[str]:
    """The folders' paths without their common parent."""
    paths = [f.absolute() for f in folders]
    if len(paths) == 1:
        return ["/".join(paths[0].parts[-2:])]
    shared = Path(os.path.commonpath(paths))
    names = [str(p.relative_to(shared)) if p != shared else p.name for p in paths]
    return [f"job {n}" if n.isdecimal() else n for n in names]


def players(folder: Path, count: int) -> list[Player]:
    """The first ``count`` pieces of a folder of MIDI files."""
    return [
        Player(name, sounds.picture_of(piece), sounds.sound_of(piece))
        for name, piece in read_pieces(folder, count)
        if len(piece)
    ]


def figure_tables(runs: Sequence[Run]) -> list[tuple[str, list[Row]]]:
    """All figures by the title of their group: a column per run, the ceiling and the baselines.

    Ceiling and baselines are those of the first run with figures. A single run has intervals.
    """
    evaluated = [r for r in runs if r.figures is not None]
    if not evaluated:
        return []
    groups: dict[str, Any] = (evaluated[0].figures or {}).get("figures", {})
    return [
        (TITLES.get(group, group), [_row(group, name, f, evaluated) for name, f in rows.items()])
        for group, rows in groups.items()
    ]


def selection(run: Run) -> list[Row]:
    """The most important figures, by their titles."""
    groups = (run.figures or {}).get("figures", {})
    found = [(title, group, name) for group, name, title, _ in HEADLINE] + list(_SELECTION)
    return [
        replace(_row(group, name, groups[group][name], [run]), name=title)
        for title, group, name in found
        if name in groups.get(group, {})
    ]


def _row(group: str, name: str, figure: dict[str, Any], runs: Sequence[Run]) -> Row:
    if len(runs) == 1:
        cells = [_interval(figure, column) for column in ("generated", "reference")]
    else:
        cells = [text(r.figure(group, name)) for r in runs] + [text(figure.get("reference"))]
    cells += [text(figure.get(baseline)) for baseline in ("shuffled", "one_note")]
    return Row(name.replace("_", " "), SIGNS.get(str(figure.get("best")), ""), cells)


def text(value: Any) -> str:
    """A figure in about three significant digits; a dash if undefined."""
    return format_figure(float(value)) if isinstance(value, int | float) else NONE


def _interval(figure: dict[str, Any], column: str) -> str:
    low, high = (figure.get(f"{column}_95") or [None, None])[:2]
    value = text(figure.get(column))
    return value if low is None or high is None else f"{value} [{text(low)}, {text(high)}]"


def duration(seconds: Any) -> str:
    """Seconds in s, min or h."""
    if not isinstance(seconds, int | float):
        return NONE
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def labelled(runs: Sequence[Run]) -> list[LabelledRun]:
    """Runs with labels and cyclic colours."""
    colours = itertools.cycle(range(1, charts.N_COLOURS + 1))
    names = labels([r.folder for r in runs])
    return [LabelledRun(r, n, c) for r, n, c in zip(runs, names, colours, strict=False)]
