"""A trained model, and what can be sampled from it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import chain
from typing import Any, Protocol

from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint
from gan_music.config.invocation import user_path
from gan_music.config.targets import trusting_code
from gan_music.decoding.copy_filter import in_order, without_copies
from gan_music.decoding.primer import Primer
from gan_music.decoding.request import SampleRequest, ignore
from gan_music.decoding.sample import in_bars
from gan_music.io.instruments import chosen_programs, played_by
from gan_music.io.limits import MAX_QUARTERS
from gan_music.io.read import SUFFIXES, CustomReader, ReadError, read
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece
from gan_music.runs.folder import checkpoint_at
from gan_music.system.errors import UserError
from gan_music.training.factory import restore_model

log = logging.getLogger(__name__)

_TEMPO = 100.0  # quarter notes a minute, where nothing else gives one
_MIN_PRIMER_NOTES = 4


def load(path: str | os.PathLike[str] | None = None, *, trust_code: bool = False) -> Model:
    """A trained model.

    >>> model = gan_music.load()  # a run's: gan_music.load("outputs/quick/2025-01-31_12-00-00")
    >>> [len(piece) for piece in model.generate(n_pieces=2, n_notes=32)]
    [32, 32]

    Parameters
    ----------
    path : a run's folder, whose best checkpoint is read, or a checkpoint. The default is the
        packaged one, of Bach's chorales.
    trust_code : import the classes that the checkpoint names, where they are not the package's; the
        module of each must be importable.

    Raises
    ------
    UserError
        If there is no checkpoint, or none that this version can read.
    """
    given = user_path(path)
    file = PRETRAINED if given is None else checkpoint_at(given, "checkpoint")
    with trusting_code() if trust_code else nullcontext():
        return Model(restore_model(load_checkpoint(file), file))


def generate(checkpoint: str | os.PathLike[str] | None = None, **options: Any) -> list[Piece]:
    """Pieces of the model that :func:`load` finds; the options are those of :meth:`Model.generate`.

    >>> [len(piece) for piece in gan_music.generate(n_pieces=1, n_notes=16)]
    [16]
    """
    return load(checkpoint).generate(**options)


class Progress(Protocol):
    """What is told how far sampling has come, such as a bar of tqdm's."""

    total: float | None

    def update(self, n: float | None = 1, /) -> Any:
        """So many more notes are sampled."""


class Model:
    """A trained model, as :func:`load` returns it; ``module`` is its LightningModule."""

    def __init__(self, module: MusicModel) -> None:
        self.module = module

    def generate(
        self,
        n_pieces: int = 4,
        n_notes: int = 256,
        n_bars: int | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        tempo: float | None = None,
        meter: str | None = None,
        continue_from: str | os.PathLike[str] | Piece | None = None,
        max_copied_notes: int | None = None,
        *,
        primer_notes: int | None = 512,
        include_primer: bool = True,
        custom_readers: Mapping[str, CustomReader] | None = None,
        instrument: str | int | None = None,
        instruments: Sequence[str | int] | None = None,
    ) -> list[Piece]:
        """Sample pieces; the same arguments give the same pieces on the same machine.

        >>> (waltz,) = gan_music.load().generate(n_pieces=1, n_bars=2, meter="3/4", tempo=90)
        >>> waltz.tempo, waltz.meters.tolist()[0][1:]
        (90.0, [3, 4])

        Parameters
        ----------
        n_notes : in each piece, without those of a primer.
        n_bars : in each piece, instead of ``n_notes``; an upbeat is not counted.
        temperature : below 1: fewer surprises; above 1: more.
        tempo : quarter notes a minute. The default is 100, or that of ``continue_from``.
        meter : such as ``"3/4"``. The default is drawn as training pieces have it.
        continue_from : a piece, or a MIDI file or score of one, that the pieces continue.
        max_copied_notes : pieces with a longer run of notes of the training music are sampled
            again. The default is the run's own limit, if it has one.
        primer_notes : last notes of ``continue_from`` that the model reads; None: all.
        include_primer : whether the pieces begin with ``continue_from``.
        custom_readers : by suffix, of further formats that ``continue_from`` may have.
        instrument : of all tracks, a name of General MIDI, a part of one, or 0 to 127. The default
            is that of the piece: of ``continue_from``, else a piano.
        instruments : the same for each track, instead of ``instrument``.

        Raises
        ------
        ValueError
            If a number is out of bounds.
        UserError
            If ``continue_from`` cannot be read, if the model cannot do what is asked for, if there
            is no such instrument or another number of tracks, or if a piece lasts over 100,000
            quarter notes (some 16 hours).
        """
        return in_order(
            self.each(
                n_pieces=n_pieces,
                n_notes=n_notes,
                n_bars=n_bars,
                seed=seed,
                temperature=temperature,
                tempo=tempo,
                meter=meter,
                continue_from=continue_from,
                max_copied_notes=max_copied_notes,
                primer_notes=primer_notes,
                include_primer=include_primer,
                custom_readers=custom_readers,
                instrument=instrument,
                instruments=instruments,
            )
        )

    def each(
        self,
        *,
        n_pieces: int,
        n_notes: int,
        n_bars: int | None,
        seed: int,
        temperature: float,
        tempo: float | None,
        meter: str | None,
        continue_from: str | os.PathLike[str] | Piece | None,
        max_copied_notes: int | None,
        primer_notes: int | None,
        include_primer: bool,
        custom_readers: Mapping[str, CustomReader] | None,
        instrument: str | int | None = None,
        instruments: Sequence[str | int] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[tuple[int, Piece]]:
        """The pieces of :meth:`generate`, with their numbers from 0, as soon as each is done.

        Pieces that were sampled again come last; those of a number of bars all come at the end.
        ``progress`` counts notes: its ``total`` grows with each draw.
        """
        if n_pieces < 1 or n_notes < 1 or (n_bars is not None and n_bars < 1):
            raise ValueError(f"{n_pieces=}, {n_notes=}, {n_bars=}: each must be at least 1")
        if temperature <= 0 or (tempo is not None and tempo <= 0):
            raise ValueError(f"{temperature=}, {tempo=}: both must be positive")
        programs = chosen_programs(instrument, instruments)
        primer, n_before = None, 0
        if continue_from is not None:
            if meter is not None:
                raise UserError(
                    f"meter={meter} and continue_from={continue_from}: a continuation keeps its "
                    "meter, so leave meter out."
                )
            piece = _primer(continue_from, self.module.representation.grid, custom_readers or {})
            if why := self.module.representation.refuses(piece):
                raise UserError(f"continue_from={continue_from} has no place in this model: {why}.")
            primer = Primer(piece, n_context=primer_notes, included=include_primer)
            n_before = len(piece) if include_primer else 0
        request = partial(
            SampleRequest,
            advance=ignore if progress is None else progress.update,
            temperature=temperature,
            tempo=tempo or (primer.piece.tempo if primer else _TEMPO),
            meter=parse_meter(meter),
            primer=primer,
        )
        longest = max_copied_notes
        if longest is None:
            longest = self.module.config.get("samples", {}).get("max_copied_notes")

        def draw(n: int, seed: int, *, n_notes: int) -> Iterator[Piece]:
            if progress is not None:
                progress.total = (progress.total or 0) + n * n_notes
            return chain.from_iterable(self.module.batches(request(n, n_notes, seed)))

        def sample(n_notes: int) -> Iterator[tuple[int, Piece]]:
            return without_copies(
                partial(draw, n_notes=n_notes),
                self.module.copy_filter,
                longest=longest,
                n_pieces=n_pieces,
                seed=seed,
                n_before=n_before,  # the primer's notes may be copies
            )

        if n_bars is None:
            found = sample(n_notes)
        else:
            found = enumerate(in_bars(lambda n: in_order(sample(n)), n_bars, n_before=n_before))
        return ((number, played_by(_of_music_length(p), programs)) for number, p in found)


def _of_music_length(piece: Piece) -> Piece:
    """Refuse pieces of days, which weights or a table of times that are not music's would make."""
    quarters = int((piece.onset + piece.duration).max(initial=0)) // piece.grid
    if quarters > MAX_QUARTERS:
        raise UserError(
            f"{piece.name} lasts {quarters:,} quarter notes, and a piece has at most "
            f"{MAX_QUARTERS:,}: sample fewer notes (n_notes), or name another checkpoint."
        )
    return piece


def parse_meter(text: str | None) -> tuple[int, int] | None:
    """Numerator and denominator of a meter such as ``3/4``."""
    if text is None:
        return None
    numbers = re.fullmatch(r"([1-9]\d?)/(1|2|4|8|16|32)", text)
    if numbers is None:
        raise UserError(f"meter={text} is no meter: give one such as meter=3/4.")
    return int(numbers[1]), int(numbers[2])


def _primer(
    given: str | os.PathLike[str] | Piece, grid: int, custom: Mapping[str, CustomReader]
) -> Piece:
    """The piece that samples continue.

    Raises
    ------
    UserError
        If it cannot be read, or holds several pieces or too few notes.
    """
    if isinstance(given, Piece):
        pieces, given = [given], given.name or "the piece"
        if pieces[0].grid != grid:
            raise UserError(
                f"continue_from={given} has a grid of {pieces[0].grid}, and the model one of "
                f"{grid}: read it with grid={grid}."
            )
    else:
        path = user_path(given)
        assert path is not None
        suffixes = SUFFIXES | custom.keys()
        if path.is_file() and path.suffix.lower() not in suffixes:
            known = ", ".join(sorted(suffixes))
            raise UserError(f"continue_from={given} is no music: give a file of {known}.")
        try:
            pieces = read(path, grid=grid, custom=custom)
        except ReadError as error:
            raise UserError(
                f"continue_from={given} cannot be read ({error}): name another."
            ) from error
    if len(pieces) > 1:
        raise UserError(f"continue_from={given} holds {len(pieces)} pieces: give a file of one.")
    piece = pieces[0].pitched()
    if n_drums := len(pieces[0]) - len(piece):
        log.info("%d notes of drums in %s are left out: the model has none", n_drums, given)
    if len(piece) < _MIN_PRIMER_NOTES:
        raise UserError(
            f"continue_from={given} holds {len(piece)} notes with a pitch, and a primer needs at "
            f"least {_MIN_PRIMER_NOTES}."
        )
    return piece
