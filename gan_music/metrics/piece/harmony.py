"""Harmony of one piece.

The unit is the half bar. Its *chroma* is the time that each pitch class sounds in it, and its chord
is the template that fits the chroma best. Undefined figures are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.piece.rhythm import bar_lengths, expand_ranges
from gan_music.music.piece import IntArray, Piece

FloatArray = NDArray[np.float64]

# Intervals above the root, in semitones.
QUALITIES = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant seventh": (0, 4, 7, 10),
    "major seventh": (0, 4, 7, 11),
    "minor seventh": (0, 3, 7, 10),
    "half-diminished seventh": (0, 3, 6, 10),
    "diminished seventh": (0, 3, 6, 9),
}
NO_CHORD = -1
_MIN_COSINE = 0.85  # of chroma and template
_TEMPLATES = np.array(
    [
        [(p - root) % 12 in chord for p in range(12)]
        for chord in QUALITIES.values()
        for root in range(12)
    ],
    dtype=float,
)
_TEMPLATES /= np.linalg.norm(_TEMPLATES, axis=1, keepdims=True)
_DISSONANT = np.array([pc in (1, 2, 6, 10, 11) for pc in range(12)])
_LONGEST_NOTE = 64  # quarter notes

# Circles of fifths, minor thirds, major thirds, of radii 1, 1 and 0.5 (Harte et al. 2006). [6, 12]
_TONAL_SPACE = np.array(
    [
        radius * wave(np.arange(12) * turn * np.pi)
        for radius, turn in ((1.0, 7 / 6), (1.0, 3 / 2), (0.5, 2 / 3))
        for wave in (np.sin, np.cos)
    ]
)


def harmony(piece: Piece, chromagram: Chromagram | None = None) -> dict[str, float]:
    """All figures of this module that need no reference; ``chromagram`` if already computed."""
    chromagram = chromagram or Chromagram(piece)
    return {
        "recognised_chord_rate": recognised_chord_rate(chromagram),
        "dissonance_rate": dissonance_rate(piece),
        "polyphony": polyphony(piece),
        "tonal_distance_low_high": tonal_distance_low_high(chromagram),
        "harmonic_change": harmonic_change(chromagram),
        "used_pitch_classes": used_pitch_classes(piece),
    }


class Chromagram:
    """Chroma and chord of each half bar of a piece in which a note sounds, in order.

    Attributes
    ----------
    half_bar : int64 ``[S]``, index of the half bar: 2 * bar, plus 1 for the second half.
    chroma, low, high : int64 ``[S, 12]``, steps that each pitch class sounds: of all notes, of the
        notes below the piece's median pitch, and of the others.
    chord : int64 ``[S]``, quality * 12 + root, or ``NO_CHORD``.
    beats : int64 ``[B]``, for each beat with sound, the row of the half bar in which it begins, or
        -1 if that half bar is silent.
    """

    def __init__(self, piece: Piece) -> None:
        last = piece.onset + np.minimum(piece.duration, _LONGEST_NOTE * piece.grid) - 1
        step, note = expand_ranges(piece.onset, last)
        bar, position = piece.bars(step)
        length = bar_lengths(piece, bar)
        half = 2 * bar + (2 * position >= length)
        self.half_bar, row = np.unique(half, return_inverse=True)
        cell = row * 12 + piece.pitch[note] % 12
        size = 12 * len(self.half_bar)
        is_high = piece.pitch >= np.median(piece.pitch) if len(piece) else np.empty(0, bool)
        self.high = np.bincount(cell[is_high[note]], minlength=size).reshape(-1, 12)
        self.low = np.bincount(cell[~is_high[note]], minlength=size).reshape(-1, 12)
        self.chroma = self.high + self.low
        bass = np.full(len(self.half_bar), 127)
        np.minimum.at(bass, row, piece.pitch[note])
        self.chord = recognise_chords(self.chroma, bass)
        width = int(position.max(initial=0)) // piece.grid + 1
        code = np.unique(bar * width + position // piece.grid)
        beat_bar, beat = code // width, code % width
        start = 2 * beat_bar + (2 * beat * piece.grid >= bar_lengths(piece, beat_bar))
        place = np.searchsorted(self.half_bar, start)
        known = np.isin(start, self.half_bar)
        self.beats = np.where(known, place, -1)


def recognise_chords(chroma: NDArray, bass: IntArray) -> IntArray:
    """The chord of each chroma ``[S, 12]``, or ``NO_CHORD``, ``[S]``.

    Binary templates of nine qualities (Fujishima 1999) are matched by cosine similarity, which must
    reach 0.85. Ties go to the simpler quality, then to the root nearest above the lowest note
    ``bass [S]``.
    """
    if not len(chroma):
        return np.empty(0, np.int64)
    norm = np.linalg.norm(chroma, axis=1, keepdims=True)
    # relative to the lowest note, so that ties are broken alike in every key
    turned = np.take_along_axis(chroma, (bass[:, None] + np.arange(12)) % 12, axis=1)
    fit = np.round(turned @ _TEMPLATES.T / np.maximum(norm, 1), 9)
    best = fit.argmax(1)
    root = (best + bass) % 12
    return np.where(fit.max(1) >= _MIN_COSINE, best // 12 * 12 + root, NO_CHORD)


def recognised_chord_rate(c: Chromagram) -> float:
    """Share of beats with sound whose half bar has a recognised chord; NaN without notes."""
    if not len(c.beats):
        return float("nan")
    return float(((c.beats >= 0) & (c.chord[c.beats] != NO_CHORD)).mean())


def dissonance_rate(piece: Piece) -> float:
    """Share of dissonant intervals among all pairs of a note onset and an earlier sounding note.

    Seconds, sevenths and the tritone are dissonant, also if widened by octaves. NaN without a pair.
    """
    n_pairs, n_dissonant = 0, 0
    end = piece.onset + piece.duration
    for lag in range(1, len(piece)):
        sounding = end[:-lag] > piece.onset[lag:]
        # a longer lag can reach a note only while some earlier note still sounds
        if not (np.maximum.accumulate(end)[:-lag] > piece.onset[lag:]).any():
            break
        interval = (piece.pitch[lag:] - piece.pitch[:-lag])[sounding]
        n_pairs += len(interval)
        n_dissonant += int(_DISSONANT[interval % 12].sum())
    return n_dissonant / n_pairs if n_pairs else float("nan")


def polyphony(piece: Piece) -> float:
    """Mean number of simultaneous pitches, over the time in which a note sounds.

    MusPy's ``polyphony`` (Dong et al. 2020). NaN without notes.
    """
    end = piece.onset + piece.duration
    apart = piece.pitch * (int(end.max(initial=0)) + 1)  # disjoint time intervals for each pitch
    total = _covered(piece.onset, end)
    return _covered(piece.onset + apart, end + apart) / total if total else float("nan")


def _covered(onset: IntArray, end: IntArray) -> int:
    """Number of steps in which a note sounds."""
    order = np.argsort(onset, kind="stable")
    onset, end = onset[order], end[order]
    until = np.maximum.accumulate(np.concatenate([onset[:1], end[:-1]]))
    return int(np.maximum(end - np.maximum(onset, until), 0).sum())


def tonal_distance_low_high(c: Chromagram) -> float:
    """Mean tonal distance between low and high notes, over the half bars with both.

    MuseGAN's TD (Dong et al. 2018) with two registers, split at the piece's median pitch, in place
    of two tracks. NaN without such a half bar.
    """
    both = (c.low.sum(1) > 0) & (c.high.sum(1) > 0)
    distance = _tonal_distance(c.low[both], c.high[both])
    return float(distance.mean()) if len(distance) else float("nan")


def harmonic_change(c: Chromagram) -> float:
    """Mean tonal distance between successive half bars (Harte et al. 2006).

    NaN without two successive half bars with sound.
    """
    successive = np.diff(c.half_bar) == 1
    distance = _tonal_distance(c.chroma[:-1][successive], c.chroma[1:][successive])
    return float(distance.mean()) if len(distance) else float("nan")


def used_pitch_classes(piece: Piece) -> float:
    """Mean number of pitch classes with an onset in a bar, over the bars with onsets.

    MuseGAN's UPC (Dong et al. 2018). NaN without notes.
    """
    if not len(piece):
        return float("nan")
    bar = piece.bars()[0]
    return len(np.unique(bar * 12 + piece.pitch % 12)) / len(np.unique(bar))


def _tonal_distance(a: NDArray, b: NDArray) -> FloatArray:
    """Euclidean distance of tonal centroids (Harte et al. 2006) of chroma ``[S, 12]``, ``[S]``."""
    points = [_TONAL_SPACE @ (x / x.sum(1, keepdims=True)).T for x in (a, b)]
    return np.linalg.norm(points[0] - points[1], axis=0)


N_QUALITIES = len(QUALITIES)


def chord_bigrams(c: Chromagram) -> IntArray:
    """Counts of successive recognised chords, ``[N_QUALITIES, 12 * N_QUALITIES]``.

    Rows are the quality of the first chord; columns are the quality of the second, times 12, plus
    the interval between the roots, so that the counts are invariant to transposition.
    """
    counts = np.zeros((N_QUALITIES, 12 * N_QUALITIES), np.int64)
    before, after = c.chord[:-1], c.chord[1:]
    known = (np.diff(c.half_bar) == 1) & (before != NO_CHORD) & (after != NO_CHORD)
    before, after = before[known], after[known]
    np.add.at(counts, (before // 12, after // 12 * 12 + (after - before) % 12), 1)
    return counts


def bigram_log_likelihood(counts: NDArray, reference: NDArray, smoothing: float = 0.1) -> float:
    """Mean log-likelihood per chord bigram, in nats, under a bigram model of the reference counts.

    ``smoothing`` is added to each reference count (Lidstone). Uniformly random chords have
    -log(108) = -4.7. NaN without bigrams.
    """
    if not counts.sum():
        return float("nan")
    smoothed = reference + smoothing
    log_bigram = np.log(smoothed / smoothed.sum(1, keepdims=True))
    return float((counts * log_bigram).sum() / counts.sum())
