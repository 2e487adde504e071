"""``python -m gan_music.generate``: a checkpoint -> MIDI files."""

from __future__ import annotations

import re

from gan_music.cli import command, user_path
from gan_music.errors import UserError
from gan_music.schema import GenerateConfig


def main() -> None:
    """The command."""
    command("generate", GenerateConfig, _generate)


def _generate(config: GenerateConfig) -> None:
    if config.checkpoint is None:
        raise UserError("no checkpoint given: name one, checkpoint=RUN/checkpoints/best.ckpt.")
    from gan_music.build import restore_model
    from gan_music.checkpoints import load_checkpoint
    from gan_music.io.write import write_pieces

    path, out = user_path(config.checkpoint), user_path(config.out)
    assert path is not None
    assert out is not None
    model = restore_model(load_checkpoint(path), path)
    pieces = model.sample(
        n_pieces=config.n_pieces,
        n_notes=config.n_notes,
        seed=config.seed,
        temperature=config.temperature,
        tempo=config.tempo,
        meter=_meter(config.meter),
    )
    write_pieces(pieces, out)
    print(f"{len(pieces)} pieces of {config.n_notes} notes in {config.out}")
    if model.n_clipped:
        print(f"{model.n_clipped} values that no MIDI file can hold were clipped")


def _meter(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = re.fullmatch(r"([1-9]\d?)/(1|2|4|8|16|32)", text)
    if numbers is None:
        raise UserError(f"meter={text} is no meter: give one such as meter=3/4.")
    return int(numbers[1]), int(numbers[2])


if __name__ == "__main__":
    main()
