"""Reads a run's folder: settings, state, figures, curves and samples.

A run may have been interrupted at any point, so that every part may be missing: None or empty.
Curves are read from ``scalars.csv``, which every run writes, whatever its loggers; it is only
appended to, so that at most the last line is incomplete. Runs of older versions have them in
TensorBoard's files, as has any run with that logger the pictures and sounds of samples during
training.
"""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_music.config.untrusted_files import read_yaml
from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece
from gan_music.page.old_keys import renamed
from gan_music.runs.status import DONE, FAILED, is_cut_off, read_status
from gan_music.system.errors import UserError

FINISHED, UNFINISHED, CUT_OFF = "finished", "unfinished", "cut off"

REAL, SAMPLES = "real", "samples"  # folders of MIDI files in a run's folder
SCALARS = "scalars.csv"  # batch, name and value of each point of the curves
PIECES = "pieces.csv"  # in REAL: the piece that each file is an excerpt of

_N_POINTS = 20_000  # of a curve: TensorBoard's reader subsamples longer ones randomly
_FAILED = "the run failed: "


@dataclass(frozen=True, eq=False)
class Curve:
    """A logged scalar: batches, int64 ``[N]`` ascending, and values, float64 ``[N]``."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """The content of a run's folder.

    Attributes
    ----------
    state : ``finished``; ``failed``, ``running``, ``interrupted`` or ``pruned``, from status.json;
        ``cut off`` if status.json says ``running`` but the process is gone; ``failed`` or
        ``unfinished`` without status.json.
    failure : the error message of a failed run, otherwise empty.
    config : nested settings; empty if the run failed before they were composed.
    figures : the content of ``metrics.json``; None unless the run has finished.
    curves : logged scalars by tag.
    picture, sounds : the last samples during training, as a PNG and as WAV files.
    """

    folder: Path
    state: str
    failure: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] | None = None
    curves: dict[str, Curve] = field(default_factory=dict)
    picture: bytes | None = None
    sounds: list[bytes] = field(default_factory=list)

    def figure(self, group: str, name: str, column: str = "generated") -> float | None:
        """A figure of the evaluation; None if undefined or missing."""
        figure = ((self.figures or {}).get("figures", {}).get(group) or {}).get(name) or {}
        value = figure.get(column)
        return float(value) if isinstance(value, int | float) else None

    @property
    def val_distance(self) -> float | None:
        """The validation distance of the best checkpoint; None unless the run has finished."""
        value = (self.figures or {}).get("val_distance")
        return float(value) if isinstance(value, int | float) else None

    @property
    def verdict_reason(self) -> str | None:
        """Why the verdict of the evaluation is what it is; None if it has none or is unfinished."""
        reason = (self.figures or {}).get("verdict_reason")
        return str(reason) if reason else None

    @property
    def verdict(self) -> str | None:
        """The verdict of the evaluation or, in an unfinished run, the last variety of samples."""
        if self.figures is not None:
            verdict = self.figures.get("verdict")
            return str(verdict) if verdict else None
        curve = self.curves.get("collapse/variety") or self.curves.get("collapse/verdict")
        levels = ("varied", "narrow", "collapsed")
        if curve is None or not 0 <= int(curve.values[-1]) < len(levels):
            return None
        return levels[int(curve.values[-1])]


def is_run(folder: Path) -> bool:
    """Whether a folder contains settings, a log or a status of a run."""
    return any((folder / n).is_file() for n in ("config.yaml", "train.log", "status.json"))


def jobs(folder: Path) -> list[Path]:
    """The runs' folders directly below a folder, sorted by number or name."""
    found = [f for f in folder.iterdir() if f.is_dir() and is_run(f)]
    return sorted(found, key=lambda f: (not f.name.isdigit(), f.name.zfill(12), f.name))


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises
    ------
    UserError
        If a file is damaged.
    """
    figures = renamed(_json(folder / "metrics.json"))
    state, failure = _state(folder) if figures is None else (FINISHED, "")
    curves, picture, sounds = _events(folder / "tensorboard")
    curves = _joined(curves, _scalars(folder / SCALARS))
    return Run(
        folder, state, failure, _yaml(folder / "config.yaml"), figures, curves, picture, sounds
    )


def read_pieces(folder: Path, count: int) -> list[tuple[str, Piece]]:
    """The names and the pieces of the first ``count`` MIDI files of a folder."""
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
            continue  # a sample may have no notes
        found.append((names.get(path.name, path.stem.replace("_", " ")), piece))
    return found


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: it is damaged or was edited; train again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} contains no figures: it is damaged or was edited; train again.")
    return content


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    _, content = read_yaml(path)
    if not isinstance(content.get("model", {}), dict):
        raise UserError(f"{path} contains no settings: restore it, or omit this folder.")
    content.pop("defaults", None)
    return content


def _state(folder: Path) -> tuple[str, str]:
    if is_cut_off(folder):
        return CUT_OFF, ""
    status = read_status(folder)
    if status.get("status", DONE) != DONE:  # a run that is done has figures, or lost them
        return str(status["status"]), str(status.get("error") or "")
    failure = ""
    if (folder / "train.log").is_file():
        log = (folder / "train.log").read_text(encoding="utf-8", errors="replace")
        for line in log.splitlines():
            if _FAILED in line:
                failure = line.partition(_FAILED)[2]
            elif " gan_music.training.run: training " in line:  # the run was resumed
                failure = ""
    return (FAILED if failure else UNFINISHED), failure


def _scalars(path: Path) -> dict[str, Curve]:
    """The curves in ``scalars.csv``; a line that is incomplete is ignored."""
    found: dict[str, dict[int, float]] = {}
    if not path.is_file():
        return {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        step, *names, value = line.split(",")
        try:
            point = int(step), float(value)
        except ValueError:
            continue
        if line.endswith("\n"):
            found.setdefault(",".join(names), {})[point[0]] = point[1]
    return {name: curve for name, points in found.items() if (curve := _curve(points)) is not None}


def _joined(older: dict[str, Curve], newer: dict[str, Curve]) -> dict[str, Curve]:
    """The points of both: a run that an older version began has its first ones in TensorBoard's."""
    curves = dict(older)
    for name, curve in newer.items():
        if name in older:
            old = older[name]
            kept = old.steps < curve.steps[0]
            curve = Curve(
                np.concatenate([old.steps[kept], curve.steps]),
                np.concatenate([old.values[kept], curve.values]),
            )
        curves[name] = curve
    return curves


def _curve(points: dict[int, float]) -> Curve | None:
    steps = sorted(s for s, v in points.items() if np.isfinite(v))
    if not steps:
        return None
    return Curve(np.array(steps), np.array([points[s] for s in steps], dtype=float))


def _events(folder: Path) -> tuple[dict[str, Curve], bytes | None, list[bytes]]:
    if not folder.is_dir():
        return {}, None, []
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    # a size of 1 keeps the last picture and the last sound

    sizes = {"scalars": _N_POINTS, "images": 1, "audio": 1, "histograms": 1, "tensors": 1}
    events = EventAccumulator(str(folder), size_guidance=sizes)
    events.Reload()
    curves = {}
    for tag in events.Tags()["scalars"]:
        points = {e.step: e.value for e in sorted(events.Scalars(tag), key=lambda e: e.wall_time)}
        if (curve := _curve(points)) is not None:
            curves[tag] = curve
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
