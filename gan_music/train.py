"""``python -m gan_music.train``: compose, build, fit, measure, write samples."""

from __future__ import annotations

from gan_music.cli import command
from gan_music.config.schema import TrainConfig


def main() -> None:
    """The command."""
    command("train", TrainConfig, _train)


def _train(config: TrainConfig) -> float:
    # torch and lightning take seconds to import: only once the config stands
    from gan_music.training.run import train

    return train(config)


if __name__ == "__main__":
    main()
