"""``python -m gan_music.generate``: samples of a checkpoint, by default of the packaged one."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_music.system.command_process import command_process
from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from tqdm import tqdm

    from gan_music.config.schema import GenerateConfig
    from gan_music.music.piece import Piece

_LIST = re.compile(r"^(format|instruments)=([\w ]+(?:,[\w ]+)+)$")
_N_NOTES = 512  # of a piece, where neither notes nor bars are given
_MAX_LISTED = 40  # files on the screen
_N_LARGE = 50_000  # notes, from which on the expected size is printed first
_NOTES_A_BAR = 16  # about


@command_process()
def main() -> None:
    """The command."""
    # format=mid,png means both formats; Hydra would make two jobs of it
    if not {"-m", "--multirun"} & set(sys.argv):
        sys.argv[1:] = [_LIST.sub(r"\1=[\2]", a) for a in sys.argv[1:]]
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
    from gan_music.config.invocation import output_folder, shown, user_path
    from gan_music.io.custom_readers import build_readers
    from gan_music.io.instruments import chosen_programs
    from gan_music.io.write import SOUNDS

    chosen_programs(config.instrument, config.instruments)  # before there is music to write
    soundfont = user_path(config.soundfont)
    if set(formats) & set(SOUNDS):
        from gan_music.io.rendering.sound import check_soundfont

        check_soundfont(soundfont)

    out = output_folder(config.out)
    model = load(config.checkpoint)
    readers = build_readers(config.readers)
    if (n_notes := _n_notes(config)) >= _N_LARGE:
        print(_expected(config, n_notes, formats, out), flush=True)
    with _bar("sampling", "notes") as bar:
        pieces = model.each(
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
            custom_readers=readers,
            instrument=config.instrument,
            instruments=config.instruments,
            progress=bar,
        )
        lines, n_ended = _write(config, pieces, out, bar, formats=formats, font=soundfont)
    _print_summary(config, lines, shown(out))
    if model.module.representation.ends:
        print(f"{n_ended} of them end by themselves; the others were cut off")
    if n_clipped := model.module.n_clipped:
        print(f"{n_clipped} values that no MIDI file can hold were clipped")


def _write(
    config: GenerateConfig,
    pieces: Iterator[tuple[int, Piece]],
    out: Path,
    bar: tqdm[Any],
    *,
    formats: Sequence[str],
    font: Path | None,
) -> tuple[dict[int, str], int]:
    """Write pieces as they come.

    Returns a line for each of the first ones, by their numbers, and how many end by themselves.
    """
    from gan_music.config.invocation import shown
    from gan_music.io.write import COMPOSER, sample_name, write_sample
    from gan_music.system import signals

    lines: dict[int, str] = {}
    n_written = n_ended = 0
    if config.n_bars is not None:  # all are sampled before the first is written
        bar.close()
        bar = _bar("writing", "pieces", pieces, total=config.n_pieces)
        pieces = iter(bar)
    try:
        for number, piece in pieces:
            stem = out / sample_name(number + 1, config.n_pieces)
            first, *more = write_sample(
                piece, stem, formats=formats, soundfont=font, composer=COMPOSER
            )
            n_written, n_ended = n_written + 1, n_ended + piece.ends
            if number < _MAX_LISTED:
                name = shown(first)
                lines[number] = " ".join([name, *(p.suffix for p in more), _size(piece)])
    except KeyboardInterrupt:
        with signals.shielding():
            bar.close()  # the line would be appended to it
            signals.tell(
                "interrupted: %s of %s pieces are in %s",
                *(f"{n_written:,}", f"{config.n_pieces:,}", shown(out)),
            )
        raise
    return lines, n_ended


def _bar(title: str, unit: str, *items: Any, total: int | None = None) -> tqdm[Any]:
    """A bar on a terminal, and elsewhere a line every half minute; none for what is done soon."""
    from tqdm import tqdm

    every = 0.5 if sys.stderr.isatty() else 30.0
    return tqdm(
        *items,
        desc=title,
        total=total,
        unit=f" {unit}",
        unit_scale=True,
        delay=max(2.0, every),
        mininterval=every,
        maxinterval=2 * every,
    )


def _n_notes(config: GenerateConfig) -> int:
    """About how many notes are asked for."""
    if config.n_bars is not None:
        return config.n_pieces * config.n_bars * _NOTES_A_BAR
    return config.n_pieces * (config.n_notes or _N_NOTES)


def _expected(config: GenerateConfig, n_notes: int, formats: Sequence[str], out: Path) -> str:
    """A sentence on the size of what will be written, and on the space for it."""
    from gan_music.config.invocation import shown
    from gan_music.io.write import BYTES_A_NOTE

    n_bytes = n_notes * sum(BYTES_A_NOTE[f] for f in formats)
    there = next(p for p in (out.absolute(), *out.absolute().parents) if p.is_dir())
    free = shutil.disk_usage(there).free
    space = f"{_bytes(free)} are free"
    if n_bytes > free:
        space = f"only {space}: what fits is written"
    return (
        f"expected: {config.n_pieces:,} pieces of {_length(config)}, about {n_notes:,} notes and "
        f"{_bytes(n_bytes)} in {shown(out)}, where {space}; Ctrl-C ends after a whole piece"
    )


def _bytes(n: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:,.4g} TB"


def _length(config: GenerateConfig) -> str:
    if config.n_bars is None:
        return f"{config.n_notes or _N_NOTES} notes"
    return f"{config.n_bars} bars"


def _print_summary(config: GenerateConfig, lines: dict[int, str], out: str) -> None:
    for number in sorted(lines):
        print(lines[number])
    if config.n_pieces > _MAX_LISTED:
        print(f"... and {config.n_pieces - _MAX_LISTED} more")
    kind = ""
    if config.continue_from is not None:
        kind = f", continuations of {config.continue_from}"
    elif config.checkpoint is None:
        kind = ", in the style of Bach's chorales (checkpoint=PATH for others)"
    print(f"{config.n_pieces} pieces of {_length(config)} in {out}{kind}")


def _size(piece: Piece) -> str:
    """The length of a piece in notes, bars and minutes."""
    from gan_music.music.bars import bars_until

    steps = int((piece.onset + piece.duration).max(initial=0))
    n_bars = bars_until(piece, steps)[-1].number
    minutes, seconds = divmod(round(steps / piece.grid * 60 / piece.tempo), 60)
    return f"({len(piece)} notes, {n_bars} bars, {minutes}:{seconds:02d} minutes)"


if __name__ == "__main__":
    main()
