"""Rhythm of one piece.

Bars follow the piece's meters; a *beat* is a quarter note, counted from the start of the bar. All
notes of a chord are one onset. A piece extends from the bar, or beat, of its first onset to the one
in which its last note ends. Undefined figures are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.piece.histograms import entropy
from gan_music.music.piece import IntArray, Piece

# A damaged file may contain a note or a gap of a million bars.
_LONGEST_NOTE = 64  # quarter notes: longer notes are truncated
_MAX_BARS = 2**20


def rhythm(piece: Piece) -> dict[str, float]:
    """All figures of this module."""
    return {
        "groove_consistency": groove_consistency(piece),
        "on_beat_rate": on_beat_rate(piece),
        "on_half_beat_rate": on_beat_rate(piece, parts=2),
        "inter_onset_interval_entropy": inter_onset_interval_entropy(piece),
        "empty_beat_rate": empty_beat_rate(piece),
        "empty_bar_rate": empty_bar_rate(piece),
        "qualified_note_rate": qualified_note_rate(piece),
    }


def groove_consistency(piece: Piece) -> float:
    """1 - the share of positions at which exactly one of two successive bars has an onset.

    Averaged over all successive bars (Wu & Yang 2020), as in MusPy, except that a piece that ends
    at a barline gets no empty bar, and bars of different length are not compared. NaN without two
    successive bars of the same length.
    """
    if not len(piece):
        return float("nan")
    bar, position = piece.bars()
    first, n_bars = int(bar[0]), _n_bars(piece)
    if not 2 <= n_bars <= _MAX_BARS:
        return float("nan")
    length = bar_lengths(piece, first + np.arange(n_bars))
    cells = np.unique((bar - first) * (int(position.max()) + 1) + position)
    width = int(position.max()) + 1
    count = np.bincount(cells // width, minlength=n_bars)
    # a position is shared if the next bar has an onset there, too
    shared = np.bincount(cells[np.isin(cells + width, cells)] // width, minlength=n_bars)
    differing = (count[:-1] + count[1:] - 2 * shared[:-1]) / length[:-1]
    comparable = length[:-1] == length[1:]
    return float(1 - differing[comparable].mean()) if comparable.any() else float("nan")


def on_beat_rate(piece: Piece, parts: int = 1) -> float:
    """Share of onsets on a beat, or on one of its equal ``parts``; NaN without notes."""
    if not len(piece):
        return float("nan")
    position = piece.bars(np.unique(piece.onset))[1]
    return float((position * parts % piece.grid == 0).mean())


def inter_onset_interval_entropy(piece: Piece) -> float:
    """Entropy of the inter-onset intervals, in bits; NaN with fewer than two onsets."""
    onsets: IntArray = np.unique(piece.onset)
    return entropy(np.diff(onsets))


def empty_beat_rate(piece: Piece) -> float:
    """Share of beats in which no note sounds; NaN without notes.

    As in MusPy and Pypianoroll, except that a note that ends at a beat does not fill the beat that
    begins there, no beat is added at the end, and rests before the first note are not counted.
    """
    if not len(piece):
        return float("nan")
    start = int(piece.meters[0, 0])
    first, last = (piece.onset - start) // piece.grid, (_ends(piece) - start) // piece.grid
    return _empty_rate(first, last)


def empty_bar_rate(piece: Piece) -> float:
    """Share of bars in which no note sounds (MuseGAN's EB, Dong et al. 2018); NaN without notes.

    MusPy's ``empty_measure_rate``, with the exceptions of :func:`empty_beat_rate`.
    """
    if not len(piece):
        return float("nan")
    return _empty_rate(piece.bars()[0], piece.bars(_ends(piece))[0])


def qualified_note_rate(piece: Piece) -> float:
    """Share of notes of a 32nd or longer (MuseGAN's QN, Dong et al. 2018); NaN without notes."""
    return float((8 * piece.duration >= piece.grid).mean()) if len(piece) else float("nan")


def bar_lengths(piece: Piece, bars: IntArray) -> NDArray[np.float64]:
    """Length in steps of the bars of these indices ``[N]``."""
    starts, numerator, denominator = piece.meters.T
    meter = np.searchsorted(piece.bars(starts)[0], bars, side="right") - 1
    return 4 * piece.grid * numerator[meter] / denominator[meter]


def expand_ranges(first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """All integers of each inclusive range ``first[i]..last[i]``, and the i of each."""
    lengths = last - first + 1
    row = np.repeat(np.arange(len(first)), lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return first[row] + within, row


def _ends(piece: Piece) -> IntArray:
    """The last step in which each note sounds."""
    return piece.onset + np.minimum(piece.duration, _LONGEST_NOTE * piece.grid) - 1


def _n_bars(piece: Piece) -> int:
    return int(piece.bars(_ends(piece))[0].max() - piece.bars()[0].min()) + 1


def _empty_rate(first: IntArray, last: IntArray) -> float:
    filled = len(np.unique(expand_ranges(first, last)[0]))
    return 1 - filled / float(last.max() - first.min() + 1)
