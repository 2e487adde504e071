"""Bars and beats as pictures, scores and settings number them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from gan_music.music.piece import Piece

SHORTEST_UPBEAT = 32  # the part of a whole note that all upbeats are multiples of


class Bar(NamedTuple):
    """A bar from ``start`` to ``stop`` (exclusive), in steps.

    The first bar starts before 0 if the piece begins within it. A bar is cut short by a change of
    meter. ``number`` counts from 1; an upbeat is 0.
    """

    number: int
    start: Fraction
    stop: Fraction
    numerator: int
    denominator: int

    def beat(self, grid: int) -> Fraction:
        """Steps a beat; dotted in compound meters (6/8, 9/8, 12/16)."""
        compound = self.numerator > 3 and self.numerator % 3 == 0 and self.denominator >= 8
        return Fraction(4 * grid, self.denominator) * (3 if compound else 1)

    def beats(self, grid: int) -> list[Fraction]:
        """The onsets of its beats, in steps."""
        beat = self.beat(grid)
        return [self.start + k * beat for k in range(math.ceil((self.stop - self.start) / beat))]


def begins_with_upbeat(piece: Piece) -> bool:
    """Whether the first bar is an upbeat: incomplete, or starting with a rest of a beat or more.

    A first bar without any onset is a bar of rest, not an upbeat.
    """
    if piece.meters[0, 0] < 0:
        return True
    if not len(piece):
        return False
    bars, positions = piece.bars()
    meter = Bar(0, Fraction(0), Fraction(1), *piece.meters[0, 1:].tolist())
    return bool(bars[0] == 0 and positions[0] >= meter.beat(piece.grid))


def bars_until(piece: Piece, stop: int) -> list[Bar]:
    """The bars of a piece that start before a step, in order; at least one."""
    meters = piece.meters.tolist()
    number = 0 if begins_with_upbeat(piece) else 1
    bars: list[Bar] = []
    for i, (start, numerator, denominator) in enumerate(meters):
        length = Fraction(4 * piece.grid * numerator, denominator)
        last = meters[i + 1][0] if i + 1 < len(meters) else math.inf
        at = Fraction(start)
        while at < last and (at < stop or not bars):
            end = at + length
            bars.append(
                Bar(number, at, end if end < last else Fraction(last), numerator, denominator)
            )
            number, at = number + 1, end
    return bars


def opening(piece: Piece) -> int:
    """The step at which the music begins: nothing before it is written, drawn or heard.

    - It begins with the bar of its first note if that lies within the first beat.
    - Otherwise the bar is an upbeat, and begins with the first note; with the beat of that note if
      the upbeat would be no multiple of a 32nd note, as it is between the notes of a triplet.
    - It never begins before the piece does, at step 0.
    """
    if not len(piece):
        return 0
    first = int(piece.onset[0])
    bar = [b for b in bars_until(piece, first + 1) if b.start <= first][-1]
    beat = bar.beat(piece.grid)
    late = (first - bar.start) // beat * beat
    upbeat = (bar.stop - first) / (4 * piece.grid)
    if late and SHORTEST_UPBEAT % upbeat.denominator == 0:
        return first
    return max(0, math.floor(bar.start + late))


def from_its_opening(piece: Piece) -> Piece:
    """A copy that starts where its music begins; each note stays where it is in its bar."""
    start = opening(piece)
    if not start:
        return piece
    first = max(0, int(np.searchsorted(piece.meters[:, 0], start, side="right")) - 1)
    meters = piece.meters[first:] - np.array([start, 0, 0])
    begin, numerator, denominator = meters[0].tolist()
    whole_bars = Fraction(4 * piece.grid * numerator, denominator).numerator  # in whole steps
    meters[0, 0] = -(-begin % whole_bars)
    return replace(piece, onset=piece.onset - start, meters=meters)
