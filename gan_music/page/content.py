"""What a page says of runs: figures as text, curves as charts, pieces as pictures and sound."""

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

# family, figure, what it is, what is best
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
    "healthy": "the samples vary about as much as real music does",
    "narrow": "the samples vary less than real music does",
    "collapsed": "the samples hardly vary, or each is like the next",
}
NONE = "\N{EN DASH}"
SIGNS = {"higher": "higher", "lower": "lower", "0.5": "0.5", "reference": "as real"}
_SIDES = (("generated", "generated_95"), ("reference", "reference_95"), ("shuffled", ""))


@dataclass(frozen=True)
class Player:
    """A piece to look at and to hear."""

    name: str
    picture: str
    sound: str | None


@dataclass(frozen=True)
class Row:
    """A line of a table of measures: a text for each column."""

    name: str
    best: str
    cells: list[str]


@dataclass
class Numbered:
    """A run on a page: what it is called there, and the colour of its lines, from 1."""

    run: Run
    label: str
    colour: int
    real: list[Player] = field(default_factory=list)
    samples: list[Player] = field(default_factory=list)


def labels(folders: Sequence[Path]) -> list[str]:
    """What tells folders apart: the parts of their paths that they do not share at the front."""
    paths = [f.absolute() for f in folders]
    if len(paths) == 1:
        return ["/".join(paths[0].parts[-2:])]
    shared = Path(os.path.commonpath(paths))
    names = [str(p.relative_to(shared)) if p != shared else p.name for p in paths]
    return [f"job {n}" if n.isdecimal() else n for n in names]


def players(folder: Path, count: int) -> list[Player]:
    """The first pieces of a folder of MIDI files."""
    return [
        Player(name, sounds.picture_of(piece), sounds.sound_of(piece))
        for name, piece in read_pieces(folder, count)
        if len(piece)
    ]


def measures(runs: Sequence[Run]) -> list[tuple[str, list[Row]]]:
    """All figures by family: each run's, and the ceiling and the floors of the first that has any.

    With one run, intervals stand beside the figures.
    """
    measured = [r for r in runs if r.figures is not None]
    if not measured:
        return []
    families: dict[str, Any] = (measured[0].figures or {}).get("figures", {})
    return [
        (TITLES.get(family, family), [_row(family, name, f, measured) for name, f in rows.items()])
        for family, rows in families.items()
    ]


def selection(run: Run) -> list[Row]:
    """The figures that say most, by what they are."""
    families = (run.figures or {}).get("figures", {})
    found = [(words, family, name) for family, name, words, _ in HEADLINE] + list(_SELECTION)
    return [
        replace(_row(family, name, families[family][name], [run]), name=words)
        for words, family, name in found
        if name in families.get(family, {})
    ]


def _row(family: str, name: str, figure: dict[str, Any], runs: Sequence[Run]) -> Row:
    if len(runs) == 1:
        cells = [_interval(figure, *side) for side in _SIDES[:2]]
    else:
        cells = [text(r.figure(family, name)) for r in runs] + [text(figure.get("reference"))]
    cells += [text(figure.get(floor)) for floor in ("shuffled", "one_note")]
    return Row(name.replace("_", " "), SIGNS.get(str(figure.get("best")), ""), cells)


def text(value: Any) -> str:
    """A figure in three digits or so; a dash where it is undefined."""
    return format_figure(float(value)) if isinstance(value, int | float) else NONE


def _interval(figure: dict[str, Any], side: str, bounds: str) -> str:
    low, high = (figure.get(bounds) or [None, None])[:2]
    value = text(figure.get(side))
    return value if low is None or high is None else f"{value} [{text(low)}, {text(high)}]"


def duration(seconds: Any) -> str:
    """Seconds as people say them."""
    if not isinstance(seconds, int | float):
        return NONE
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def numbered(runs: Sequence[Run]) -> list[Numbered]:
    """Runs with labels, and with colours in turn."""
    colours = itertools.cycle(range(1, charts.N_COLOURS + 1))
    names = labels([r.folder for r in runs])
    return [Numbered(r, n, c) for r, n, c in zip(runs, names, colours, strict=False)]
