"""Harmonic progression of one piece.

Harmony is read by half bars: what sounds in one, by pitch class and weighted by how long it sounds
there, is its *chroma*. A chord is named by the template that fits the chroma best. Undefined is
NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.piece.rhythm import bar_lengths, spread
from gan_music.music.piece import IntArray, Piece

FloatArray = NDArray[np.float64]

# Intervals above the root.
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
# Cosine of the angle between chroma and template that names a chord.
_THRESHOLD = 0.85
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
_LONGEST_NOTE = 64  # quarters

# Circles of fifths, minor thirds, major thirds, of radii 1, 1 and 0.5 (Harte et al. 2006). [6, 12]
_TONAL_SPACE = np.array(
    [
        radius * wave(np.arange(12) * turn * np.pi)
        for radius, turn in ((1.0, 7 / 6), (1.0, 3 / 2), (0.5, 2 / 3))
        for wave in (np.sin, np.cos)
    ]
)


def harmony(piece: Piece, sound: Sound | None = None) -> dict[str, float]:
    """Every figure of this module that needs no reference; ``sound`` if it is known already."""
    sound = sound or Sound(piece)
    return {
        "recognised_chord_rate": recognised_chord_rate(sound),
        "dissonance_rate": dissonance_rate(piece),
        "polyphony": polyphony(piece),
        "tonal_distance_of_hands": tonal_distance_of_hands(sound),
        "tonal_distance_of_steps": tonal_distance_of_steps(sound),
        "used_pitch_classes": used_pitch_classes(piece),
    }


class Sound:
    """What sounds in each half bar of a piece that is not silent, in order.

    Attributes
    ----------
    segment : int64 ``[S]``, number of the half bar: twice its bar's, and 1 for the second half.
    chroma, low, high : float ``[S, 12]``, steps that each pitch class sounds; of all notes, and of
        those below and not below the piece's median pitch.
    chord : int64 ``[S]``, quality * 12 + root, or ``NO_CHORD``.
    beats : int64 ``[B]``, for each beat with sound, the row of the half bar that it begins in, or
        -1 where that half is silent.
    """

    def __init__(self, piece: Piece) -> None:
        last = piece.onset + np.minimum(piece.duration, _LONGEST_NOTE * piece.grid) - 1
        step, note = spread(piece.onset, last)
        bar, position = piece.bars(step)
        length = bar_lengths(piece, bar)
        half = 2 * bar + (2 * position >= length)
        self.segment, row = np.unique(half, return_inverse=True)
        cell = row * 12 + piece.pitch[note] % 12
        size = 12 * len(self.segment)
        is_high = piece.pitch >= np.median(piece.pitch) if len(piece) else np.empty(0, bool)
        self.high = np.bincount(cell[is_high[note]], minlength=size).reshape(-1, 12)
        self.low = np.bincount(cell[~is_high[note]], minlength=size).reshape(-1, 12)
        self.chroma = self.high + self.low
        bass = np.full(len(self.segment), 127)
        np.minimum.at(bass, row, piece.pitch[note])
        self.chord = name_chords(self.chroma, bass)
        width = int(position.max(initial=0)) // piece.grid + 1
        code = np.unique(bar * width + position // piece.grid)
        beat_bar, beat = code // width, code % width
        start = 2 * beat_bar + (2 * beat * piece.grid >= bar_lengths(piece, beat_bar))
        place = np.searchsorted(self.segment, start)
        known = np.isin(start, self.segment)
        self.beats = np.where(known, place, -1)


def name_chords(chroma: NDArray, bass: IntArray) -> IntArray:
    """The best template of each chroma ``[S, 12]``, or ``NO_CHORD`` ``[S]``.

    Binary templates (Fujishima 1999) of nine qualities, compared by the cosine of their angle,
    which must reach 0.85. Equal fits go to the simpler quality, then to the root nearest above
    the lowest note.
    """
    if not len(chroma):
        return np.empty(0, np.int64)
    norm = np.linalg.norm(chroma, axis=1, keepdims=True)
    # seen from the lowest note, so that ties are broken alike in every key
    turned = np.take_along_axis(chroma, (bass[:, None] + np.arange(12)) % 12, axis=1)
    fit = np.round(turned @ _TEMPLATES.T / np.maximum(norm, 1), 9)
    best = fit.argmax(1)
    root = (best + bass) % 12
    return np.where(fit.max(1) >= _THRESHOLD, best // 12 * 12 + root, NO_CHORD)


def recognised_chord_rate(sound: Sound) -> float:
    """Share of beats with sound whose half bar has a recognised chord; NaN without any."""
    if not len(sound.beats):
        return float("nan")
    return float(((sound.beats >= 0) & (sound.chord[sound.beats] != NO_CHORD)).mean())


def dissonance_rate(piece: Piece) -> float:
    """Share of dissonant pairs among pairs of notes that sound when one of them begins.

    Dissonant are seconds, sevenths, the tritone, and what lies octaves wider. NaN without a pair.
    """
    n_pairs, n_dissonant = 0, 0
    end = piece.onset + piece.duration
    for lag in range(1, len(piece)):
        sounding = end[:-lag] > piece.onset[lag:]
        # notes that last: a longer lag may still reach one
        if not (np.maximum.accumulate(end)[:-lag] > piece.onset[lag:]).any():
            break
        interval = (piece.pitch[lag:] - piece.pitch[:-lag])[sounding]
        n_pairs += len(interval)
        n_dissonant += int(_DISSONANT[interval % 12].sum())
    return n_dissonant / n_pairs if n_pairs else float("nan")


def polyphony(piece: Piece) -> float:
    """Different pitches that sound at once, as a mean over the time in which any does.

    As MusPy has it (Dong et al. 2020). NaN without notes.
    """
    end = piece.onset + piece.duration
    apart = piece.pitch * (int(end.max(initial=0)) + 1)  # each pitch on a stretch of its own
    total = _covered(piece.onset, end)
    return _covered(piece.onset + apart, end + apart) / total if total else float("nan")


def _covered(onset: IntArray, end: IntArray) -> int:
    """Steps in which something sounds."""
    order = np.argsort(onset, kind="stable")
    onset, end = onset[order], end[order]
    until = np.maximum.accumulate(np.concatenate([onset[:1], end[:-1]]))
    return int(np.maximum(end - np.maximum(onset, until), 0).sum())


def tonal_distance_of_hands(sound: Sound) -> float:
    """Mean tonal distance between the notes below and not below the piece's median pitch.

    MuseGAN's TD (Dong et al. 2018), with the two halves of the register in the place of two
    tracks: by half bars in which both sound. NaN without one.
    """
    both = (sound.low.sum(1) > 0) & (sound.high.sum(1) > 0)
    distance = _tonal_distance(sound.low[both], sound.high[both])
    return float(distance.mean()) if len(distance) else float("nan")


def tonal_distance_of_steps(sound: Sound) -> float:
    """Mean tonal distance between half bars that follow each other; NaN without two.

    The harmonic change of Harte et al. 2006.
    """
    neighbours = np.diff(sound.segment) == 1
    distance = _tonal_distance(sound.chroma[:-1][neighbours], sound.chroma[1:][neighbours])
    return float(distance.mean()) if len(distance) else float("nan")


def used_pitch_classes(piece: Piece) -> float:
    """Mean number of pitch classes that begin in a bar, of bars with onsets (MuseGAN's UPC)."""
    if not len(piece):
        return float("nan")
    bar = piece.bars()[0]
    return len(np.unique(bar * 12 + piece.pitch % 12)) / len(np.unique(bar))


def _tonal_distance(a: NDArray, b: NDArray) -> FloatArray:
    points = [_TONAL_SPACE @ (x / x.sum(1, keepdims=True)).T for x in (a, b)]
    return np.linalg.norm(points[0] - points[1], axis=0)


N_QUALITIES = len(QUALITIES)


def chord_moves(sound: Sound) -> IntArray:
    """How often each chord follows each, ``[N_QUALITIES, 12 * N_QUALITIES]``, in any key.

    A move leads from a quality to an interval of roots and a quality, between half bars that
    follow each other and have a recognised chord both.
    """
    moves = np.zeros((N_QUALITIES, 12 * N_QUALITIES), np.int64)
    before, after = sound.chord[:-1], sound.chord[1:]
    known = (np.diff(sound.segment) == 1) & (before != NO_CHORD) & (after != NO_CHORD)
    before, after = before[known], after[known]
    np.add.at(moves, (before // 12, after // 12 * 12 + (after - before) % 12), 1)
    return moves


def move_likelihood(moves: NDArray, learned: NDArray, smoothing: float = 0.1) -> float:
    """Mean log-likelihood, in nats, of moves under the bigram of other pieces; 0 is certainty.

    ``learned`` are the counts of those; ``smoothing`` is added to each (Lidstone). A chord that
    moves at random has -log(108) = -4.7. NaN without moves.
    """
    if not moves.sum():
        return float("nan")
    smoothed = learned + smoothing
    log_bigram = np.log(smoothed / smoothed.sum(1, keepdims=True))
    return float((moves * log_bigram).sum() / moves.sum())
