"""``python -m gan_music.train``: train a model, evaluate it, write samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_music.system.command_process import command_process

if TYPE_CHECKING:
    from gan_music.config.schema import TrainConfig


@command_process()
def main() -> None:
    """The command."""
    # late: from here on signals are handled
    from gan_music.cli import command
    from gan_music.config.schema import TrainConfig

    command("train", TrainConfig, _train)


def _train(config: TrainConfig) -> float:
    # late, since torch and lightning take seconds to import, and a mistake is reported before
    from gan_music.training.run import train

    return train(config)


if __name__ == "__main__":
    main()
