"""Tonality and pitch range of one piece.

All figures are invariant to transposition. Undefined figures are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.piece.histograms import entropy
from gan_music.music.piece import IntArray, Piece

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
# The natural minor scale has the notes of its relative major: 12 sets cover all 24 keys. [12, 12]
SCALES = np.array([[(p - key) % 12 in _MAJOR for p in range(12)] for key in range(12)])

# Key profiles of Krumhansl & Kessler 1982, as printed in Krumhansl 1990, p. 30.
_MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
# The union of the natural, harmonic and melodic minor scales.
_MINOR = (0, 2, 3, 5, 7, 8, 9, 10, 11)
_PROFILES = np.array(
    [np.roll(p, key) for p in (_MAJOR_PROFILE, _MINOR_PROFILE) for key in range(12)]
)
_KEYS = np.array(
    [
        [(p - key) % 12 in scale for p in range(12)]
        for scale in (_MAJOR, _MINOR)
        for key in range(12)
    ]
)
_KEY_SPAN = 64  # notes


def tonality(piece: Piece) -> dict[str, float]:
    """All figures of this module; ``n_pitches`` is the number of different pitches."""
    return {
        "scale_consistency": scale_consistency(piece),
        "out_of_key_rate": out_of_key_rate(piece),
        "pitch_class_entropy": pitch_class_entropy(piece),
        "pitch_range": pitch_range(piece),
        "n_pitches": float(len(np.unique(piece.pitch))) if len(piece) else float("nan"),
    }


def scale_consistency(piece: Piece) -> float:
    """Share of notes in the best-fitting major or minor scale; NaN without notes.

    MusPy's definition (Dong et al. 2020; Mogren 2016). Uniform pitch classes have 7/12.
    """
    if not len(piece):
        return float("nan")
    return float((SCALES @ np.bincount(piece.pitch % 12, minlength=12)).max() / len(piece))


def out_of_key_rate(piece: Piece) -> float:
    """Share of notes outside the local key, estimated for spans of 64 notes or more.

    The key is that of the Krumhansl-Schmuckler algorithm (Krumhansl 1990, chapter 4), with pitch
    classes weighted by duration. A minor key contains its natural, harmonic and melodic scales. NaN
    without notes.
    """
    if not len(piece):
        return float("nan")
    n_spans = max(1, len(piece) // _KEY_SPAN)
    foreign = 0
    for span in np.array_split(np.arange(len(piece)), n_spans):
        classes = piece.pitch[span] % 12
        weights = np.bincount(classes, weights=piece.duration[span].astype(float), minlength=12)
        # ties go to the key nearest above the lowest note: invariant to transposition
        order = _from(int(piece.pitch[span].min()) % 12)
        key = order[np.argmax(key_fits(weights)[order])]
        foreign += int((~_KEYS[key][classes]).sum())
    return foreign / len(piece)


def pitch_class_entropy(piece: Piece) -> float:
    """Entropy of the pitch classes, in bits, 0 to log2(12) = 3.585; NaN without notes.

    MusPy's definition (Wu & Yang 2020).
    """
    return entropy(piece.pitch % 12)


def pitch_range(piece: Piece) -> float:
    """Semitones from the lowest to the highest note; NaN without notes, where MusPy gives 0."""
    return float(np.ptp(piece.pitch)) if len(piece) else float("nan")


def key_fits(weights: NDArray) -> NDArray[np.float64]:
    """Correlation of pitch-class weights ``[..., 12]`` with each key profile ``[..., 24]``.

    The keys are C major to B major, then C minor to B minor. The correlation is not divided by the
    deviation of the weights, which is the same for all keys.
    """
    centred = _PROFILES - _PROFILES.mean(1, keepdims=True)
    fits = weights @ centred.T / np.linalg.norm(centred, axis=1)
    # rounded, so that ties do not depend on the order of summation
    return np.round(fits / weights.sum(-1, keepdims=True), 9)


def _from(pitch_class: int) -> IntArray:
    """Indices of the 24 keys, major first, each mode from this pitch class upwards."""
    roots = (pitch_class + np.arange(12)) % 12
    return np.concatenate([roots, roots + 12])
