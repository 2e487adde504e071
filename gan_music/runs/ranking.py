"""The jobs of a sweep, ranked by validation distance. Light to import."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from gan_music.metrics.collapse import UNDEFINED
from gan_music.runs.status import DONE, has_effect, is_cut_off, read_status, settings_in
from gan_music.system.atomic_files import atomic_write


@dataclass(frozen=True)
class Job:
    """A job, read from its folder."""

    number: str
    status: dict[str, Any]
    settings: dict[str, Any]
    is_cut_off: bool = False

    @property
    def distance(self) -> float | None:
        """The validation distance of the best checkpoint."""
        value = self.status.get("val_distance")
        return float(value) if value is not None else None

    @property
    def overrides(self) -> list[str]:
        return [str(o) for o in self.status.get("overrides") or ()]


def write(sweep: Path) -> None:
    """Print the ranking of a sweep's jobs, and write it to ``ranking.txt`` in its folder."""
    text = table(read_jobs(sweep))
    with atomic_write(sweep / "ranking.txt") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text)


def read_jobs(sweep: Path) -> list[Job]:
    """All jobs in a sweep's folder, by number."""
    folders = [p.parent for p in sweep.glob("*/status.json")]
    folders.sort(key=lambda f: (int(f.name) if f.name.isdecimal() else -1, f.name))
    return [Job(f.name, read_status(f), settings_in(f) or {}, is_cut_off(f)) for f in folders]


def table(jobs: Sequence[Job]) -> str:
    """Settings by the mean over seeds of the validation distance, smallest first.

    With two or more seeds, the sample standard deviation (n - 1) follows the mean. Settings are
    described by the overrides that not all jobs share. Jobs without a distance follow, each with
    the reason.
    """
    common = set.intersection(*[set(_without_seed(j)) for j in jobs]) if jobs else set()
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        if job.status.get("status") == DONE and job.distance is not None:
            rest = {k: v for k, v in job.settings.items() if k != "seed"}
            groups.setdefault(json.dumps(rest, sort_keys=True), []).append(job)
    ranked = sorted(groups.values(), key=lambda group: statistics.mean(_distances(group)))
    rows = [("rank", "val distance", "seeds", "verdicts", "jobs", "settings")]
    rows += [
        (
            str(rank),
            _mean_and_deviation(_distances(group)),
            ",".join(str(j.settings.get("seed")) for j in group),
            ",".join(sorted({str(j.status.get("verdict")) for j in group})),
            ",".join(j.number for j in group),
            _joined(o for o in _without_seed(group[0]) if o not in common),
        )
        for rank, group in enumerate(ranked, 1)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["ranked by validation distance, smallest first: mean ± standard deviation over seeds"]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [
        f"job {j.number}: the verdict is undefined: {j.status.get('verdict_reason')}"
        for j in chain(*ranked)
        if j.status.get("verdict") == UNDEFINED
    ]
    ranked_jobs = {j.number for group in ranked for j in group}
    lines += [_unranked(j, common) for j in jobs if j.number not in ranked_jobs]
    return "\n".join(lines)


def _unranked(job: Job, common: set[str]) -> str:
    reason = f": {job.status['error']}" if job.status.get("error") else ""
    own = [o for o in _with_effect(job) if o not in common]
    how = "cut off" if job.is_cut_off else job.status.get("status")
    return f"job {job.number} ({' '.join(own)}) {how}{reason}"


def _without_seed(job: Job) -> list[str]:
    return [o for o in _with_effect(job) if not o.startswith("seed=")]


def _with_effect(job: Job) -> list[str]:
    return [o for o in job.overrides if has_effect(o.partition("=")[0].lstrip("+"))]


def _joined(overrides: Iterable[str]) -> str:
    return " ".join(overrides) or "as given"


def _distances(group: Sequence[Job]) -> list[float]:
    return [j.distance for j in group if j.distance is not None]


def _mean_and_deviation(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"
