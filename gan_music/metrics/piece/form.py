"""How a piece ends, and where its phrases do.

A *harmony* is what sounds at an onset. A cadence is authentic if the bass of two successive
harmonies falls a fifth, or rises a fourth, onto the tonic triad in root position, which begins on a
beat and lasts a quarter note or more (Aldwell & Schachter 2003, chapter 8). The key is that of the
last 8 quarter notes, by the Krumhansl-Schmuckler algorithm (Krumhansl 1990, chapter 4). Figures of
whole pieces, never of excerpts. Undefined figures are NaN.
"""

from __future__ import annotations

import numpy as np

from gan_music.metrics.piece.histograms import entropy
from gan_music.metrics.piece.rhythm import expand_ranges
from gan_music.metrics.piece.tonality import key_fits
from gan_music.music.piece import IntArray, Piece

_TRIADS = {(0, 4, 7), (0, 3, 7)}
_KEY_SPAN = 8  # quarter notes: about a phrase of a chorale
_CADENCES = 3  # at least, for the entropy of their distances


def form(piece: Piece) -> dict[str, float]:
    """All figures of this module."""
    return {
        "ends_on_triad": ends_on_triad(piece),
        "ends_on_tonic": ends_on_tonic(piece),
        "ends_with_cadence": ends_with_cadence(piece),
        "cadences_per_16_bars": cadences_per_16_bars(piece),
        "phrase_length_entropy": phrase_length_entropy(piece),
    }


def ends_on_triad(piece: Piece) -> float:
    """1 if the notes that sound at the end are a major or minor triad, and the last of them to
    begin lasts a quarter note or more; else 0.
    """
    last = _last_harmony(piece)
    if not len(last):
        return float("nan")
    is_long = int(piece.duration[last].min()) >= piece.grid
    return float(is_long and _root(piece.pitch[last]) is not None)


def ends_on_tonic(piece: Piece) -> float:
    """1 if the lowest note at the end is the tonic; else 0."""
    last = _last_harmony(piece)
    if not len(last):
        return float("nan")
    end = int((piece.onset + piece.duration).max())
    return float(int(piece.pitch[last].min()) % 12 == _tonic(piece, end))


def ends_with_cadence(piece: Piece) -> float:
    """1 if the last harmony is the end of an authentic cadence; else 0."""
    if not len(piece):
        return float("nan")
    found = cadences(piece)
    return float(len(found) > 0 and found[-1] == piece.onset.max())


def cadences_per_16_bars(piece: Piece) -> float:
    """Authentic cadences, for 16 bars."""
    if not len(piece):
        return float("nan")
    bar = piece.bars()[0]
    return 16 * len(cadences(piece)) / float(bar.max() - bar.min() + 1)


def phrase_length_entropy(piece: Piece) -> float:
    """Entropy of the distances between cadences in bars, in bits: 0 if phrases are equally long."""
    ends = cadences(piece)
    if len(ends) < _CADENCES:
        return float("nan")
    return entropy(np.diff(piece.bars(ends)[0]))


def cadences(piece: Piece) -> IntArray:
    """The onsets at which authentic cadences arrive, ``[C]``."""
    if not len(piece):
        return np.empty(0, np.int64)
    onsets, end = np.unique(piece.onset), piece.onset + piece.duration
    first, last = np.searchsorted(onsets, piece.onset), np.searchsorted(onsets, end) - 1
    where, note = expand_ranges(first, last)
    bass = np.full(len(onsets), 127)
    np.minimum.at(bass, where, piece.pitch[note])
    until = np.append(onsets[1:], end.max())
    lasts = (until - onsets >= piece.grid) & (piece.bars(onsets)[1] % piece.grid == 0)
    classes = bass % 12
    falls = np.diff(classes, prepend=classes[:1]) % 12 == 5
    found = []
    for k in np.flatnonzero(lasts & falls).tolist():
        sounding = (piece.onset <= onsets[k]) & (end > onsets[k])
        tonic = int(classes[k])
        if _root(piece.pitch[sounding]) == tonic == _tonic(piece, int(until[k])):
            found.append(int(onsets[k]))
    return np.array(found, dtype=np.int64)


def _last_harmony(piece: Piece) -> IntArray:
    """The notes that sound when the piece ends."""
    end = piece.onset + piece.duration
    return np.flatnonzero(end == end.max()) if len(piece) else np.empty(0, np.int64)


def _tonic(piece: Piece, stop: int) -> int:
    """The tonic of the key before a step, of the last onset at least."""
    last = int(np.searchsorted(piece.onset, stop))
    begin = min(stop - _KEY_SPAN * piece.grid, int(piece.onset[last - 1]))
    span = slice(int(np.searchsorted(piece.onset, begin)), last)
    weights = np.bincount(
        piece.pitch[span] % 12, weights=piece.duration[span].astype(float), minlength=12
    )
    return int(key_fits(weights).argmax()) % 12


def _root(pitch: IntArray) -> int | None:
    """The root of a complete major or minor triad."""
    classes = np.unique(pitch % 12)
    for root in classes.tolist():
        if tuple(sorted(((classes - root) % 12).tolist())) in _TRIADS:
            return int(root)
    return None
