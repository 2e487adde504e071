"""``python -m gan_music.evaluate``: compares generated with real music; table and metrics.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_music.system.command_process import command_process
from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from gan_music.config.schema import EvaluateConfig


@command_process()
def main() -> None:
    """The command."""
    # late: from here on signals are handled
    from gan_music.cli import command
    from gan_music.config.schema import EvaluateConfig

    command("evaluate", EvaluateConfig, _evaluate)


def _evaluate(config: EvaluateConfig) -> None:
    import dataclasses
    import json

    from gan_music.api.comparison import compare
    from gan_music.config.invocation import output_folder, user_path
    from gan_music.io.custom_readers import build_readers
    from gan_music.metrics.custom import build_metrics
    from gan_music.metrics.evaluation import EvaluationSettings
    from gan_music.metrics.table import table
    from gan_music.system.atomic_files import atomic_write, remove_temporaries

    for key in ("reference", "generated"):
        if getattr(config, key) is None:
            raise UserError(f"{key} has no value: give a folder of music, {key}=DIR.")
    assert config.generated is not None
    assert config.reference is not None
    names = (field.name for field in dataclasses.fields(EvaluationSettings))
    evaluation = compare(
        config.generated,
        config.reference,
        config.train,
        EvaluationSettings(**{name: getattr(config, name) for name in names}),
        cache_dir=user_path(config.cache_dir),
        n_workers=config.n_workers,
        custom=build_readers(config.readers),
        metrics=build_metrics(config.metrics),
    )
    out = output_folder(config.out)
    out.mkdir(parents=True, exist_ok=True)
    remove_temporaries(out, "metrics.json", below=False)
    path = out / "metrics.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(evaluation.as_json(), indent=2) + "\n", encoding="utf-8")
    evaluation.notes.append(f"All figures: {path}")
    print(table(evaluation))


if __name__ == "__main__":
    main()
