"""``python -m gan_music.evaluate``: compares generated with real music; table and metrics.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_music.cli import command
from gan_music.config.invocation import user_path
from gan_music.config.schema import EvaluateConfig
from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from gan_music.music.piece import Piece

_GRID = 24  # steps per quarter note: training's default, so that the cache is shared


def main() -> None:
    """The command."""
    command("evaluate", EvaluateConfig, _evaluate)


def _evaluate(config: EvaluateConfig) -> None:
    import dataclasses
    import json

    from gan_music.metrics.custom import build_metrics
    from gan_music.metrics.evaluation import EvaluationSettings, evaluate
    from gan_music.metrics.table import table
    from gan_music.system.atomic_files import atomic_write

    reference = _read("reference", config.reference, config)
    generated = _read("generated", config.generated, config)
    training = _read("train", config.train, config) if config.train is not None else None
    names = (field.name for field in dataclasses.fields(EvaluationSettings))
    settings = EvaluationSettings(**{name: getattr(config, name) for name in names})
    evaluation = evaluate(generated, reference, training, settings, build_metrics(config.metrics))
    out = user_path(config.out) or Path()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "metrics.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(evaluation.as_json(), indent=2) + "\n", encoding="utf-8")
    evaluation.notes.append(f"All figures: {path}")
    print(table(evaluation))


def _read(key: str, folder: str | None, config: EvaluateConfig) -> Sequence[Piece]:
    """The pieces of all files below a folder, through the cache, or of a pack.

    Raises
    ------
    UserError
        If the folder contains no music; the message names the key.
    """
    from gan_music.data.cache import NoteCache, default_cache_dir
    from gan_music.data.extraction import extract_root
    from gan_music.io.custom_readers import build_readers

    root = user_path(folder)
    if root is None:
        raise UserError(f"{key} has no value: give a folder of music, {key}=DIR.")
    folder_of_cache = user_path(config.cache_dir) or default_cache_dir()
    cache = NoteCache(folder_of_cache, _GRID, custom=build_readers(config.readers))
    try:
        result = extract_root(root, "", cache, min_notes=1, n_workers=config.n_workers)
    except UserError as error:
        text = str(error).replace("data.cache_dir=", "cache_dir=")
        named = text.replace("data.root=", f"{key}=")
        raise UserError(named if key in named else f"{key}={folder}: {named}") from error
    if result.rejects:
        name, reason = next(iter(result.rejects.items()))
        print(f"{key}: {len(result.rejects)} files were rejected, for instance {name}: {reason}")
    return result.pieces


if __name__ == "__main__":
    main()
