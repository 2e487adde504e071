"""Runs -> one HTML file. All text of files is escaped by the templates; no script is in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_music import __version__
from gan_music.config.validate import flatten
from gan_music.page import content, curves, sounds
from gan_music.page import overrides as settings
from gan_music.page import sweep_table as ranking
from gan_music.page.content import Player
from gan_music.page.record import FINISHED, REAL, SAMPLES, Run, read_run
from gan_music.system.atomic_files import atomic_write

log = logging.getLogger(__name__)

# pieces with pictures and sound: some 250 kB each, and a page should stay below 5 MB
_N_REAL, _N_SAMPLES = 4, 8
_N_IN_ALL = 14
_N_DRAWN = 8  # runs whose curves are drawn over each other


def write_report(runs: Sequence[Run], path: Path) -> None:
    """Write the page of one run, or of several side by side; whole or not at all."""
    environment = Environment(
        loader=PackageLoader("gan_music.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "text": content.text,
        "duration": content.duration,
        "value": _value,
    }
    name = "run.html" if len(runs) == 1 else "runs.html"
    values = _one(runs[0]) if len(runs) == 1 else _many(runs)
    page = environment.get_template(name).render(
        version=__version__, headline=content.HEADLINE, verdicts=content.VERDICTS, **values
    )
    with atomic_write(path) as temporary:
        # a folder's name may hold bytes that are no text
        temporary.write_text(page, encoding="utf-8", errors="replace")


def leave_report(folders: Sequence[Path], path: Path) -> None:
    """Write the page of runs, or say why there is none: they are not lost with it."""
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


def _one(run: Run) -> dict[str, Any]:
    (one,) = content.numbered([run])
    real = content.players(run.folder / REAL, _N_REAL)
    samples = content.players(run.folder / SAMPLES, _N_SAMPLES)
    heard = [] if samples else [sounds.sound_of_wav(s) for s in run.sounds]
    choices, changed = settings.differences(run.config) if run.config else ([], {})
    return {
        "one": one,
        "run": run,
        "title": one.label,
        "real": real,
        "samples": samples,
        "while_training": sounds.png(run.picture) if run.picture and not samples else None,
        "heard": [s for s in heard if s],
        "silent": _silent([*real, *samples], heard),
        "selection": content.selection(run),
        "measures": content.measures([run]),
        "notes": (run.figures or {}).get("notes", []),
        "curves": curves.charts_of_one(run),
        "collapse": curves.charts_of_one(run, collapse=True),
        "histograms": curves.histograms(run),
        "choices": choices,
        "changed": changed,
        "settings": flatten(run.config),
        "command": settings.command(run.config) if run.config else "",
        "from_folder": settings.command_from_folder(run.folder) if run.config else "",
    }


def _many(runs: Sequence[Run]) -> dict[str, Any]:
    all_runs = content.numbered(runs)
    places = ranking.rank(all_runs)
    in_order = [r for p in places for r in p.runs]
    drawn = [r for r in in_order if r.run.curves][:_N_DRAWN]
    for number, one in enumerate(drawn, 1):
        one.colour = number
    heard = [r for r in drawn if r.run.state == FINISHED]
    each = max(1, min(3, (_N_IN_ALL - 2) // max(1, len(heard))))
    for one in heard:
        one.samples = content.players(one.run.folder / SAMPLES, each)
    real = content.players(heard[0].run.folder / REAL, 2) if heard else []
    keys = settings.varying([r.run.config for r in all_runs if r.run.config])
    return {
        "title": _parent([r.folder for r in runs]),
        "runs": all_runs,
        "places": places,
        "keys": keys,
        "flat": flatten,
        "drawn": drawn,
        "heard": [r for r in heard if r.samples],
        "real": real,
        "silent": _silent([*real, *(s for r in heard for s in r.samples)], []),
        "measured": [r for r in in_order if r.run.figures is not None],
        "measures": content.measures([r.run for r in in_order]),
        "curves": curves.charts_of_many(drawn),
        "commands": [(r.label, settings.command(r.run.config)) for r in in_order if r.run.config],
    }


def _parent(folders: Sequence[Path]) -> str:
    """What to call several runs: the folder that holds them all, or their number."""
    parents = {f.absolute().parent for f in folders}
    return "/".join(parents.pop().parts[-2:]) if len(parents) == 1 else f"{len(folders)} runs"


def _silent(players: Sequence[Player], heard: Sequence[str | None]) -> str:
    """What to install, where there is something to hear that has no sound."""
    without = any(p.sound is None for p in players) or any(s is None for s in heard)
    return sounds.INSTALL if without else ""


def _value(value: Any) -> str:
    """A setting as its YAML has it, nearly."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
