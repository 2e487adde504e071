"""The jobs of a sweep, ranked by the validation distance. Light to import."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_music.runs.status import DONE, is_cut_off, read_status, settings_in
from gan_music.system.atomic_files import replacing

# no part of what is compared
_ASIDE = ("seed=", "skip_done=", "debug=")


@dataclass(frozen=True)
class Finished:
    """A job, as its folder tells of it."""

    number: str
    status: dict[str, Any]
    settings: dict[str, Any]
    cut_off: bool = False  # its process died before it could say so

    @property
    def distance(self) -> float | None:
        value = self.status.get("val_distance")
        return float(value) if value is not None else None


def write(sweep: Path) -> None:
    """Rank what lies in a sweep's folder, on the screen and in ``ranking.txt``."""
    text = table(read_jobs(sweep))
    with replacing(sweep / "ranking.txt") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text)


def read_jobs(sweep: Path) -> list[Finished]:
    """All jobs in a sweep's folder, by number."""
    folders = [p.parent for p in sweep.glob("*/status.json")]
    folders.sort(key=lambda f: (int(f.name) if f.name.isdecimal() else -1, f.name))
    return [Finished(f.name, read_status(f), settings_in(f) or {}, is_cut_off(f)) for f in folders]


def table(jobs: Sequence[Finished]) -> str:
    """Settings by the mean over seeds of the validation distance, the least first.

    Beside the mean stands the standard deviation of a sample (n - 1), where there are two seeds and
    more. Settings are told by the overrides that are not common to all jobs. Jobs without a
    distance follow, each with why.
    """
    common = set.intersection(*[set(_overrides(j)) for j in jobs]) if jobs else set()
    groups: dict[str, list[Finished]] = {}
    for job in jobs:
        if job.status.get("status") == DONE and job.distance is not None:
            rest = {k: v for k, v in job.settings.items() if k != "seed"}
            groups.setdefault(json.dumps(rest, sort_keys=True), []).append(job)
    ranked = sorted(groups.values(), key=lambda group: statistics.mean(_distances(group)))
    rows = [("rank", "val distance", "seeds", "verdicts", "jobs", "settings")]
    rows += [
        (
            str(rank),
            _mean_and_spread(_distances(group)),
            ",".join(str(j.settings.get("seed")) for j in group),
            ",".join(sorted({str(j.status.get("verdict")) for j in group})),
            ",".join(j.number for j in group),
            _words(o for o in _overrides(group[0]) if o not in common),
        )
        for rank, group in enumerate(ranked, 1)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["ranked by validation distance, smallest first: mean ± standard deviation over seeds"]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    ranked_jobs = {j.number for group in ranked for j in group}
    for job in jobs:
        if job.number not in ranked_jobs:
            reason = f": {job.status['error']}" if job.status.get("error") else ""
            # a seed tells it from its neighbours, here
            given = [str(o) for o in job.status.get("overrides") or () if o not in common]
            what = " ".join(o for o in given if not o.startswith(_ASIDE[1:]))
            how = "cut off" if job.cut_off else job.status.get("status")
            lines.append(f"job {job.number} ({what}) {how}{reason}")
    return "\n".join(lines)


def _overrides(job: Finished) -> list[str]:
    return [o for o in map(str, job.status.get("overrides") or ()) if not o.startswith(_ASIDE)]


def _words(overrides: Iterable[str]) -> str:
    return " ".join(overrides) or "as given"


def _distances(group: Sequence[Finished]) -> list[float]:
    return [j.distance for j in group if j.distance is not None]


def _mean_and_spread(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"
