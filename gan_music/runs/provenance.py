"""What a run was made with: ``environment.json``, beside the settings in its ``config.yaml``.

It holds the ``versions`` of Python and of the libraries that decide a result; the git ``commit`` of
this package, if it is a clone (``-dirty`` if files differ from it); the ``cpu`` and ``n_threads``,
which decide the last digits of torch's sums; and how much ``data`` was read, with a ``fingerprint``
of the notes, meters, tempos and names in their order. The fingerprint does not depend on where the
files are or how many processes read them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

from gan_music import __version__
from gan_music.config.untrusted_files import SCHEME
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import atomic_write
from gan_music.system.version import commit

log = logging.getLogger(__name__)

ENVIRONMENT = "environment.json"
_LIBRARIES = ("torch", "lightning", "numpy", "symusic", "music21")


def environment(pieces: Sequence[Piece]) -> dict[str, Any]:
    """The environment of this process and the pieces that it has read, as plain values."""
    return {
        "versions": {
            "gan_music": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "commit": commit(),
        "cpu": _cpu(),
        "n_threads": torch.get_num_threads(),
        "data": {
            "n_pieces": len(pieces),
            "n_notes": sum(map(len, pieces)),
            "fingerprint": fingerprint(pieces),
        },
    }


def fingerprint(pieces: Sequence[Piece]) -> str:
    """A SHA-256 hash of all that training reads of the pieces, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces:
        arrays = (piece.onset, piece.duration, piece.pitch, piece.velocity, piece.meters)
        head = [piece.name, piece.grid, float(piece.tempo), *(a.shape for a in arrays)]
        digest.update(json.dumps(head).encode())
        for array in arrays:
            digest.update(array.astype("<i8").tobytes())
    return digest.hexdigest()


def write_environment(now: dict[str, Any], folder: Path) -> None:
    """Write ``environment.json`` into a run's folder."""
    with atomic_write(folder / ENVIRONMENT) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


def warn_of_differences(now: dict[str, Any], folder: Path) -> None:
    """Warn if the data or a version differ from those of the run that this one should reproduce.

    That is the run that is resumed in ``folder``, or the run whose ``config.yaml`` is repeated.
    """
    for before in (folder, _repeated()):
        if before is None or not (then := _read(before)):
            continue
        data, ours = then.get("data"), now["data"]
        if isinstance(data, dict) and data.get("fingerprint") != ours["fingerprint"]:
            log.warning(
                "the data are not those of %s: it had %s pieces with %s notes, and these are %s "
                "with %s, so it cannot be reproduced",
                before,
                *(d.get(k) for d in (data, ours) for k in ("n_pieces", "n_notes")),
            )
        changed = _changed(then, now)
        if changed:
            log.warning("%s was made with %s: results may differ", before, ", ".join(changed))


def _changed(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The other values that differ, in words; a value that either side lacks is ignored."""
    versions = then.get("versions")
    single = ("commit", "cpu", "n_threads")
    old = {k: then.get(k) for k in single}
    old |= versions if isinstance(versions, dict) else {}
    new = {k: now[k] for k in single} | now["versions"]
    return [
        f"{name} {old[name]} (here {value})"
        for name, value in new.items()
        if value is not None and old.get(name) not in (None, value)
    ]


def _repeated() -> Path | None:
    """The run that ``--config-dir RUN --config-name config`` repeats."""
    if not HydraConfig.initialized():
        return None
    settings = HydraConfig.get()
    for source in settings.runtime.config_sources:
        folder = Path(source.path)
        if (
            source.schema in ("file", SCHEME)
            and (folder / f"{settings.job.config_name}.yaml").is_file()
        ):
            return folder if (folder / ENVIRONMENT).is_file() else None
    return None


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _cpu() -> str:
    """The model of the CPU, or at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
