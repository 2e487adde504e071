"""``python -m gan_music.generate``: samples of a checkpoint, by default of the packaged one."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_music.system.command_process import command_process
from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from gan_music.config.schema import GenerateConfig
    from gan_music.music.piece import Piece

_N_NOTES = 512  # of a piece, where neither notes nor bars are given
_MAX_LISTED = 40  # files on the screen


@command_process()
def main() -> None:
    """The command."""
    # format=mid,png means both formats; Hydra would make two jobs of it
    if not {"-m", "--multirun"} & set(sys.argv):
        sys.argv[1:] = [re.sub(r"^format=(\w+(?:,\w+)+)$", r"format=[\1]", a) for a in sys.argv[1:]]
    # late: from here on signals are handled
    from gan_music.cli import command
    from gan_music.config.schema import GenerateConfig

    command("generate", GenerateConfig, _generate)


def _generate(config: GenerateConfig) -> None:
    if config.n_notes is not None and config.n_bars is not None:
        raise UserError(
            f"n_notes={config.n_notes} and n_bars={config.n_bars} both say how long a piece is: "
            "give one of them."
        )
    given = [config.format] if isinstance(config.format, str) else config.format
    formats = list(dict.fromkeys(given))
    if not formats:
        raise UserError("format=[] writes nothing: give one such as format=mid.")

    from gan_music.api.model import load
    from gan_music.config.invocation import user_path
    from gan_music.io.custom_readers import build_readers
    from gan_music.io.instruments import program
    from gan_music.io.write import SOUNDS, write_pieces

    instrument = program(config.instrument)
    soundfont = user_path(config.soundfont)
    if set(formats) & set(SOUNDS):
        from gan_music.io.rendering.sound import check_soundfont

        check_soundfont(soundfont)

    out = user_path(config.out)
    assert out is not None
    model = load(config.checkpoint)
    pieces = model.generate(
        n_pieces=config.n_pieces,
        n_notes=config.n_notes or _N_NOTES,
        n_bars=config.n_bars,
        seed=config.seed,
        temperature=config.temperature,
        tempo=config.tempo,
        meter=config.meter,
        continue_from=config.continue_from,
        max_copied_notes=config.max_copied_notes,
        primer_notes=config.primer_notes,
        include_primer=config.include_primer,
        custom_readers=build_readers(config.readers),
    )
    written = write_pieces(pieces, out, formats=formats, program=instrument, soundfont=soundfont)
    _print_files(config, pieces, written)
    if n_clipped := model.module.n_clipped:
        print(f"{n_clipped} values that no MIDI file can hold were clipped")


def _print_files(
    config: GenerateConfig, pieces: Sequence[Piece], written: list[list[Path]]
) -> None:
    for piece, (first, *more) in list(zip(pieces, written, strict=True))[:_MAX_LISTED]:
        print(
            " ".join([str(Path(config.out, first.name)), *(p.suffix for p in more)]), _size(piece)
        )
    if len(pieces) > _MAX_LISTED:
        print(f"... and {len(pieces) - _MAX_LISTED} more")
    n_notes = config.n_notes or _N_NOTES
    length = f"{n_notes} notes" if config.n_bars is None else f"{config.n_bars} bars"
    kind = ""
    if config.continue_from is not None:
        kind = f", continuations of {config.continue_from}"
    elif config.checkpoint is None:
        kind = ", in the style of Bach's chorales (checkpoint=PATH for others)"
    print(f"{len(pieces)} pieces of {length} in {config.out}{kind}")


def _size(piece: Piece) -> str:
    """The length of a piece in notes, bars and minutes."""
    from gan_music.music.bars import bars_until

    steps = int((piece.onset + piece.duration).max(initial=0))
    n_bars = bars_until(piece, steps)[-1].number
    minutes, seconds = divmod(round(steps / piece.grid * 60 / piece.tempo), 60)
    return f"({len(piece)} notes, {n_bars} bars, {minutes}:{seconds:02d} minutes)"


if __name__ == "__main__":
    main()
