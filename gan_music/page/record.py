"""A run's folder, read back: settings, curves, measure, samples, and how far it has come.

Everything is optional, since a run may have been cut off anywhere: what is not there is None or
empty. Curves, and pictures and sound of the samples while training, come from TensorBoard's files.
"""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece
from gan_music.page.old_keys import renamed
from gan_music.runs.status import DONE, FAILED, is_cut_off, read_status
from gan_music.system.errors import UserError

FINISHED, UNFINISHED, CUT_OFF = "finished", "unfinished", "cut off"

REAL, SAMPLES = "real", "samples"  # folders of MIDI files in a run's
PIECES = "pieces.csv"  # in REAL: which piece each file was cut from

_N_POINTS = 20_000  # of a curve: TensorBoard's reader draws so many at random from a longer one
_FAILED = "the run failed: "


@dataclass(frozen=True, eq=False)
class Curve:
    """A scalar against batches: int64 ``[N]`` ascending, float64 ``[N]``."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """What a run's folder holds.

    Attributes
    ----------
    state : ``finished``; ``failed``, ``running``, ``interrupted`` or ``pruned``, as its status.json
        says; ``cut off`` where it says ``running`` of a process that is gone; or, where there is no
        such file, ``failed`` or ``unfinished``.
    failure : the sentence that it failed with; empty otherwise.
    config : its settings, nested; empty where it failed before they stood.
    figures : what ``metrics.json`` holds; None before the end.
    curves : by TensorBoard's tags.
    picture, sounds : the last of the samples while training: a PNG, WAV files.
    """

    folder: Path
    state: str
    failure: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] | None = None
    curves: dict[str, Curve] = field(default_factory=dict)
    picture: bytes | None = None
    sounds: list[bytes] = field(default_factory=list)

    def figure(self, family: str, name: str, side: str = "generated") -> float | None:
        """A figure of the measure; None where it is undefined or was never taken."""
        figure = ((self.figures or {}).get("figures", {}).get(family) or {}).get(name) or {}
        value = figure.get(side)
        return float(value) if isinstance(value, int | float) else None

    @property
    def val_distance(self) -> float | None:
        """The distance from validation music of the best checkpoint, or None before the end."""
        value = (self.figures or {}).get("val_distance")
        return float(value) if isinstance(value, int | float) else None

    @property
    def verdict(self) -> str | None:
        """The measure's verdict, or, before the end, the last one while training."""
        if self.figures is not None:
            verdict = self.figures.get("verdict")
            return str(verdict) if verdict else None
        curve = self.curves.get("collapse/verdict")
        levels = ("healthy", "narrow", "collapsed")
        if curve is None or not 0 <= int(curve.values[-1]) < len(levels):
            return None
        return levels[int(curve.values[-1])]


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's: it holds settings, or the log of a run that failed early."""
    return any((folder / n).is_file() for n in ("config.yaml", "train.log", "status.json"))


def jobs(folder: Path) -> list[Path]:
    """The folders of the runs right below a folder, in order of their numbers or names."""
    found = [f for f in folder.iterdir() if f.is_dir() and is_run(f)]
    return sorted(found, key=lambda f: (not f.name.isdigit(), f.name.zfill(12), f.name))


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises
    ------
    UserError
        If a file of it is not what a run writes.
    """
    figures = renamed(_json(folder / "metrics.json"))
    state, failure = _state(folder) if figures is None else (FINISHED, "")
    curves, picture, sounds = _events(folder / "tensorboard")
    return Run(
        folder, state, failure, _yaml(folder / "config.yaml"), figures, curves, picture, sounds
    )


def read_pieces(folder: Path, count: int) -> list[tuple[str, Piece]]:
    """The first ``count`` pieces below a folder of MIDI files, each with what it is called."""
    names: dict[str, str] = {}
    if (folder / PIECES).is_file():
        with (folder / PIECES).open(encoding="utf-8", newline="") as file:
            names = {row[0]: row[1] for row in csv.reader(file) if len(row) >= 2}
    found: list[tuple[str, Piece]] = []
    for path in sorted(folder.glob("*.mid")):
        if len(found) == count:
            break
        try:
            piece = read(path)[0]
        except ReadError:
            continue  # an empty sample has no notes to show
        found.append((names.get(path.name, path.stem.replace("_", " ")), piece))
    return found


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is no JSON: it is damaged or was edited; train again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no figures: it is damaged or was edited; train again.")
    return content


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is no YAML: mend it, or restore it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("model", {}), dict):
        raise UserError(f"{path} holds no settings: restore it, or leave that folder out.")
    content.pop("defaults", None)
    return content


def _state(folder: Path) -> tuple[str, str]:
    """How far a run without figures has come, and the sentence that its last call failed with."""
    if is_cut_off(folder):
        return CUT_OFF, ""
    status = read_status(folder)
    if status.get("status", DONE) != DONE:  # one that is done has figures, or lost them
        return str(status["status"]), str(status.get("error") or "")
    failure = ""
    if (folder / "train.log").is_file():
        log = (folder / "train.log").read_text(encoding="utf-8", errors="replace")
        for line in log.splitlines():
            if _FAILED in line:
                failure = line.partition(_FAILED)[2]
            elif " gan_music.training.run: training " in line:  # it was resumed since
                failure = ""
    return (FAILED if failure else UNFINISHED), failure


def _events(folder: Path) -> tuple[dict[str, Curve], bytes | None, list[bytes]]:
    if not folder.is_dir():
        return {}, None, []
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    # of pictures and sounds the last is always kept
    sizes = {"scalars": _N_POINTS, "images": 1, "audio": 1, "histograms": 1, "tensors": 1}
    events = EventAccumulator(str(folder), size_guidance=sizes)
    events.Reload()
    curves = {}
    for tag in events.Tags()["scalars"]:
        points = {e.step: e.value for e in sorted(events.Scalars(tag), key=lambda e: e.wall_time)}
        steps = sorted(s for s, v in points.items() if np.isfinite(v))
        if steps:
            curves[tag] = Curve(np.array(steps), np.array([points[s] for s in steps], dtype=float))
    tags = events.Tags()
    picture = (
        events.Images("rolls/samples")[-1].encoded_image_string
        if "rolls/samples" in tags["images"]
        else None
    )
    sounds = [
        events.Audio(tag)[-1].encoded_audio_string
        for tag in sorted(tags["audio"])
        if tag.startswith("sound/sample")
    ]
    return curves, picture, sounds
