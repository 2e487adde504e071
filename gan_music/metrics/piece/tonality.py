"""Pitch accuracy: how well the notes of one piece keep to a key, and how far they range.

Every function takes one piece and is the same for its transposition. Undefined is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.music.piece import IntArray, Piece

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
# The natural minor scale has its relative major's notes: twelve sets cover all 24 keys. [12, 12]
SCALES = np.array([[(p - key) % 12 in _MAJOR for p in range(12)] for key in range(12)])

# How well each degree fits a key: Krumhansl & Kessler 1982, as printed in Krumhansl 1990, p. 30.
_MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
# A minor key's own notes: its natural, harmonic and melodic scales together.
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
_KEY_SPAN = 64  # notes that share a key, at the least


def tonality(piece: Piece) -> dict[str, float]:
    """Every figure of this module."""
    return {
        "scale_consistency": scale_consistency(piece),
        "out_of_key_rate": out_of_key_rate(piece),
        "pitch_class_entropy": pitch_class_entropy(piece),
        "pitch_range": pitch_range(piece),
        "n_pitches": float(len(np.unique(piece.pitch))) if len(piece) else float("nan"),
    }


def scale_consistency(piece: Piece) -> float:
    """Share of notes in the best-fitting major or minor scale; NaN without notes.

    MusPy's definition (Dong et al. 2020; Mogren 2016). Notes drawn evenly from all twelve classes
    reach 7/12.
    """
    if not len(piece):
        return float("nan")
    return float((SCALES @ _class_counts(piece.pitch)).max() / len(piece))


def out_of_key_rate(piece: Piece) -> float:
    """Share of notes foreign to the key in force, found anew for each 64 notes; NaN without notes.

    The key is the one whose profile correlates best with the pitch classes, weighted by duration
    (Krumhansl & Schmuckler; Krumhansl 1990, chapter 4). A minor key owns the notes of its
    natural, harmonic and melodic scales. Spans of 64 notes share the last one's remainder.
    """
    if not len(piece):
        return float("nan")
    n_spans = max(1, len(piece) // _KEY_SPAN)
    foreign = 0
    for span in np.array_split(np.arange(len(piece)), n_spans):
        classes = piece.pitch[span] % 12
        weights = np.bincount(classes, weights=piece.duration[span].astype(float), minlength=12)
        # ties go to the key nearest above the span's lowest note, so that they follow the music
        order = _from(int(piece.pitch[span].min()) % 12)
        key = order[np.argmax(key_fits(weights)[order])]
        foreign += int((~_KEYS[key][classes]).sum())
    return foreign / len(piece)


def pitch_class_entropy(piece: Piece) -> float:
    """Entropy of the pitch classes, in bits: 0 for one, log2(12) = 3.585 for all evenly.

    MusPy's definition (Wu & Yang 2020). NaN without notes.
    """
    if not len(piece):
        return float("nan")
    share = _class_counts(piece.pitch) / len(piece)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum()) + 0.0


def pitch_range(piece: Piece) -> float:
    """Semitones from the lowest note to the highest; NaN without notes, where MusPy has 0."""
    return float(np.ptp(piece.pitch)) if len(piece) else float("nan")


def key_fits(weights: NDArray) -> NDArray[np.float64]:
    """How well weights of the pitch classes ``[..., 12]`` fit each key, ``[..., 24]``: the major
    ones from C upwards, then the minor ones.

    Their correlation with the key's profile, but for the weights' own scale.
    """
    centred = _PROFILES - _PROFILES.mean(1, keepdims=True)
    fits = weights @ centred.T / np.linalg.norm(centred, axis=1)
    # rounded, so that equal fits are equal whatever order the sum was taken in
    return np.round(fits / weights.sum(-1, keepdims=True), 9)


def _class_counts(pitch: IntArray) -> IntArray:
    return np.bincount(pitch % 12, minlength=12)


def _from(pitch_class: int) -> IntArray:
    """Numbers of the 24 keys, major first, each mode from this class upwards."""
    roots = (pitch_class + np.arange(12)) % 12
    return np.concatenate([roots, roots + 12])
