"""``python -m gan_music.generate``: samples of a checkpoint, by default of the packaged one."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gan_music.cli import command
from gan_music.config.invocation import user_path
from gan_music.config.schema import GenerateConfig
from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from gan_music.decoding.primer import Primer
    from gan_music.models.base import MusicModel
    from gan_music.music.piece import Piece

_N_NOTES = 512  # of a piece, where neither notes nor bars are given
_TEMPO = 100.0  # quarter notes a minute, where nothing else gives one
_MIN_PRIMER_NOTES = 4
_MAX_LISTED = 40  # files on the screen


def main() -> None:
    """The command."""
    # format=mid,png means both formats; Hydra would make two jobs of it
    if not {"-m", "--multirun"} & set(sys.argv):
        sys.argv[1:] = [re.sub(r"^format=(\w+(?:,\w+)+)$", r"format=[\1]", a) for a in sys.argv[1:]]
    command("generate", GenerateConfig, _generate)


def _generate(config: GenerateConfig) -> None:
    if config.n_notes is not None and config.n_bars is not None:
        raise UserError(
            f"n_notes={config.n_notes} and n_bars={config.n_bars} both say how long a piece is: "
            "give one of them."
        )
    meter = _meter(config.meter)
    if config.continue_from is not None and meter is not None:
        raise UserError(
            f"meter={config.meter} and continue_from={config.continue_from}: a continuation "
            "keeps its meter, so leave meter out."
        )
    given = [config.format] if isinstance(config.format, str) else config.format
    formats = list(dict.fromkeys(given))
    if not formats:
        raise UserError("format=[] writes nothing: give one such as format=mid.")

    from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint
    from gan_music.io.instruments import program
    from gan_music.io.write import SOUNDS, write_pieces
    from gan_music.training.factory import restore_model

    instrument = program(config.instrument)
    soundfont = user_path(config.soundfont)
    if set(formats) & set(SOUNDS):
        from gan_music.io.rendering.sound import check_soundfont

        check_soundfont(soundfont)

    path, out = user_path(config.checkpoint) or PRETRAINED, user_path(config.out)
    assert out is not None
    model = restore_model(load_checkpoint(path), path)
    pieces = _pieces(config, model, meter)
    written = write_pieces(pieces, out, formats=formats, program=instrument, soundfont=soundfont)
    _print_files(config, pieces, written)
    if model.n_clipped:
        print(f"{model.n_clipped} values that no MIDI file can hold were clipped")


def _pieces(
    config: GenerateConfig, model: MusicModel, meter: tuple[int, int] | None
) -> list[Piece]:
    from gan_music.decoding.copy_filter import without_copies
    from gan_music.decoding.request import SampleRequest
    from gan_music.decoding.sample import in_bars

    primer, tempo, n_before = None, config.tempo or _TEMPO, 0
    if config.continue_from is not None:
        primer = _primer(config, config.continue_from, model.representation.grid)
        tempo = config.tempo or primer.piece.tempo
        n_before = len(primer.piece) if primer.included else 0
    request = partial(
        SampleRequest, temperature=config.temperature, tempo=tempo, meter=meter, primer=primer
    )
    longest = config.max_copied_notes
    if longest is None:
        longest = model.config.get("samples", {}).get("max_copied_notes")

    def sample(n_notes: int) -> list[Piece]:
        pieces, _ = without_copies(
            lambda n, seed: model.sample(request(n, n_notes, seed)),
            model.copy_filter,
            longest=longest,
            n_pieces=config.n_pieces,
            seed=config.seed,
            n_before=n_before,  # the primer's notes may be copies
        )
        return pieces

    if config.n_bars is None:
        return sample(config.n_notes or _N_NOTES)
    return in_bars(sample, config.n_bars, n_before=n_before)


def _primer(config: GenerateConfig, given: str, grid: int) -> Primer:
    """The piece that samples continue.

    Raises
    ------
    UserError
        If it cannot be read, or holds several pieces or too few notes.
    """
    from gan_music.decoding.primer import Primer
    from gan_music.io.custom_readers import build_readers
    from gan_music.io.read import SUFFIXES, ReadError, read

    path = user_path(given)
    assert path is not None
    custom = build_readers(config.readers)
    suffixes = SUFFIXES | custom.keys()
    if path.is_file() and path.suffix.lower() not in suffixes:
        known = ", ".join(sorted(suffixes))
        raise UserError(f"continue_from={given} is no music: give a file of {known}.")
    try:
        pieces = read(path, grid=grid, custom=custom)
    except ReadError as error:
        raise UserError(f"continue_from={given} cannot be read ({error}): name another.") from error
    if len(pieces) > 1:
        raise UserError(f"continue_from={given} holds {len(pieces)} pieces: give a file of one.")
    if len(pieces[0]) < _MIN_PRIMER_NOTES:
        raise UserError(
            f"continue_from={given} holds {len(pieces[0])} notes, and a primer needs at least "
            f"{_MIN_PRIMER_NOTES}."
        )
    return Primer(pieces[0], n_context=config.primer_notes, included=config.include_primer)


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


def _meter(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = re.fullmatch(r"([1-9]\d?)/(1|2|4|8|16|32)", text)
    if numbers is None:
        raise UserError(f"meter={text} is no meter: give one such as meter=3/4.")
    return int(numbers[1]), int(numbers[2])


if __name__ == "__main__":
    main()
