"""Samples of a finished run at several temperatures, measured; kept beside the run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_music.build import build_codec, build_data, restore_model
from gan_music.checkpoints import load_checkpoint
from gan_music.config import checked
from gan_music.data.split import Split
from gan_music.errors import UserError
from gan_music.files import replacing
from gan_music.finish import measure, measure_settings
from gan_music.schema import TrainConfig


def sweep(folder: Path, midi: Path, temperatures: Sequence[float]) -> dict[float, dict[str, Any]]:
    """The measure of the best checkpoint's samples at each temperature.

    The samples are as many and as long as the run's own and from the same noise, against the run's
    test split of ``midi``. What is in the folder's ``temperatures.json`` for the same checkpoint
    and the same amounts is not measured again. Empty for a model without a temperature, which has
    no such file. A record, which has no checkpoints, has what was measured before.

    Raises
    ------
    UserError
        If the checkpoint or the music cannot be read, or a record lacks one of the temperatures.
    """
    best = folder / "checkpoints" / "best.ckpt"
    path = folder / "temperatures.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if not best.parent.is_dir():
        return _recorded(known["temperatures"], temperatures, path) if known else {}
    checkpoint = load_checkpoint(best)
    model = restore_model(checkpoint, best)
    if not model.has_temperature:
        return {}
    config = checked(TrainConfig, OmegaConf.create(checkpoint.config))
    samples = config.samples
    of = {
        "checkpoint": hashlib.sha256(best.read_bytes()).hexdigest(),
        "n_pieces": samples.n_pieces,
        "n_notes": samples.n_notes,
        "measure": dataclasses.asdict(measure_settings(config)),
    }
    kept = known["temperatures"] if known and known["of"] == of else {}
    split = None
    for temperature in temperatures:
        key = f"{temperature:g}"
        if key in kept:
            continue
        split = split or _split(config, midi)
        pieces = model.sample(
            n_pieces=samples.n_pieces,
            n_notes=samples.n_notes,
            seed=config.seed,
            temperature=temperature,
        )
        kept[key] = measure(pieces, split, config).as_json()
        with replacing(path) as temporary:
            text = json.dumps({"of": of, "temperatures": kept}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")
    return {t: kept[f"{t:g}"] for t in temperatures}


def _recorded(
    kept: dict[str, dict[str, Any]], temperatures: Sequence[float], path: Path
) -> dict[float, dict[str, Any]]:
    """What a record has of each temperature."""
    if missing := [f"{t:g}" for t in temperatures if f"{t:g}" not in kept]:
        raise UserError(
            f"{path} has no samples at {', '.join(missing)}, and no checkpoint to draw them from: "
            f"ask for --temperatures {' '.join(kept)}, or run it in another folder."
        )
    return {t: kept[f"{t:g}"] for t in temperatures}


def _split(config: TrainConfig, midi: Path) -> Split:
    config.data.root = str(midi)
    data = build_data(config.data, build_codec(config), seed=config.seed)
    data.prepare_data()
    data.setup()
    assert data.pieces is not None
    return data.pieces
