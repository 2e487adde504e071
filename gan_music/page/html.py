"""Writes the HTML page of one or several runs, without scripts; templates escape all text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_music import __version__
from gan_music.config.validate import flatten
from gan_music.page import content, curves, overrides, sounds
from gan_music.page.content import Player
from gan_music.page.record import FINISHED, REAL, SAMPLES, Run, read_run
from gan_music.page.sweep_table import rank
from gan_music.system.atomic_files import atomic_write

log = logging.getLogger(__name__)

# Pieces with picture and sound have about 250 kB each; a page should have less than 5 MB.
_N_REAL, _N_SAMPLES = 4, 8
_N_COMPARED = 14  # of all runs on a page together
_N_DRAWN = 8  # runs whose curves are drawn in one chart


def write_report(runs: Sequence[Run], path: Path) -> None:
    """Write the page of one run, or of several side by side, atomically."""
    environment = Environment(
        loader=PackageLoader("gan_music.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"text": content.text, "duration": content.duration, "value": _value}
    name = "run.html" if len(runs) == 1 else "runs.html"
    values = _one_run(runs[0]) if len(runs) == 1 else _several_runs(runs)
    page = environment.get_template(name).render(
        version=__version__, headline=content.HEADLINE, verdicts=content.VERDICTS, **values
    )
    with atomic_write(path) as temporary:
        # a folder's name may contain bytes that are not UTF-8
        temporary.write_text(page, encoding="utf-8", errors="replace")


def write_report_or_warn(folders: Sequence[Path], path: Path) -> None:
    """Write the page of runs; log a warning if that fails, so that the runs are not lost."""
    try:
        write_report([read_run(folder) for folder in folders], path)
    except Exception as error:
        logging.getLogger("gan_music.traceback").error("no report", exc_info=True)
        log.warning(
            "no report was written (%s: %s); try python -m gan_music.report %s",
            type(error).__name__,
            error,
            path.parent,
        )


def _one_run(run: Run) -> dict[str, Any]:
    (labelled,) = content.labelled([run])
    real = content.players(run.folder / REAL, _N_REAL)
    samples = content.players(run.folder / SAMPLES, _N_SAMPLES)
    recordings = [] if samples else [sounds.sound_of_wav(s) for s in run.sounds]
    choices, changed = overrides.differences(run.config) if run.config else ([], {})
    return {
        "run": run,
        "title": labelled.label,
        "real": real,
        "samples": samples,
        "training_picture": sounds.png(run.picture) if run.picture and not samples else None,
        "recordings": [r for r in recordings if r],
        "install": _install([*(p.sound for p in [*real, *samples]), *recordings]),
        "selection": content.selection(run),
        "figure_tables": content.figure_tables([run]),
        "notes": (run.figures or {}).get("notes", []),
        "curves": curves.run_charts(run),
        "collapse": curves.run_charts(run, collapse=True),
        "histograms": curves.note_histograms(run),
        "choices": choices,
        "changed": changed,
        "settings": flatten(run.config),
        "command": overrides.command(run.config) if run.config else "",
        "command_from_folder": overrides.command_from_folder(run.folder) if run.config else "",
    }


def _several_runs(runs: Sequence[Run]) -> dict[str, Any]:
    all_runs = content.labelled(runs)
    rows = rank(all_runs)
    ranked = [r for row in rows for r in row.runs]
    drawn = [r for r in ranked if r.run.curves][:_N_DRAWN]
    for number, one in enumerate(drawn, 1):
        one.colour = number
    finished = [r for r in drawn if r.run.state == FINISHED]
    each = max(1, min(3, (_N_COMPARED - 2) // max(1, len(finished))))
    for one in finished:
        one.samples = content.players(one.run.folder / SAMPLES, each)
    real = content.players(finished[0].run.folder / REAL, 2) if finished else []
    shown: list[Player] = [*real, *(s for r in finished for s in r.samples)]
    return {
        "title": _parent([r.folder for r in runs]),
        "runs": all_runs,
        "rows": rows,
        "keys": overrides.varying([r.run.config for r in all_runs if r.run.config]),
        "flat": flatten,
        "drawn": drawn,
        "sampled": [r for r in finished if r.samples],
        "real": real,
        "install": _install([p.sound for p in shown]),
        "evaluated": [r for r in ranked if r.run.figures is not None],
        "figure_tables": content.figure_tables([r.run for r in ranked]),
        "curves": curves.comparison_charts(drawn),
        "commands": [(r.label, overrides.command(r.run.config)) for r in ranked if r.run.config],
    }


def _parent(folders: Sequence[Path]) -> str:
    """The title of several runs: their common parent folder, or their number."""
    parents = {f.absolute().parent for f in folders}
    return "/".join(parents.pop().parts[-2:]) if len(parents) == 1 else f"{len(folders)} runs"


def _install(found: Sequence[str | None]) -> str:
    """How to install the audio packages, if a sound is missing."""
    return sounds.INSTALL if None in found else ""


def _value(value: Any) -> str:
    """A setting in YAML's notation."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
