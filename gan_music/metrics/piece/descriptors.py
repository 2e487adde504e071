"""Hand-made features of windows of notes: the space in which C2ST and PRDC compare sets.

Rates lie in 0..1, entropies are in bits, pitches in semitones, times in log2 quarter notes. An
*offset* is the time since the previous note, 0 within a chord. A *chord* is all notes of one onset;
its highest note belongs to the top line and its lowest note to the bass line. All features but
``pitch_mean`` are invariant to transposition. No feature is NaN: an undefined one, such as the
interval of the top line in a window of one chord, takes a neutral value, 0 if not stated otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan_music.metrics.excerpts import Windows
from gan_music.metrics.piece.tonality import SCALES
from gan_music.music.piece import IntArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_PITCH_LAGS = (1, 2, 3, 4, 6, 8, 12, 16)
_SOUNDING_LAGS = 12
_DISSONANT = np.array([pc in (1, 2, 6, 10, 11) for pc in range(12)])


def window_features(windows: Windows) -> dict[str, FloatArray]:
    """Each feature by name, one number per window ``[W]``.

    Raises
    ------
    ValueError
        If a window has fewer than 2 notes.
    """
    if windows.length < 2:
        raise ValueError(f"features need windows of at least 2 notes, not of {windows.length}")
    return (
        _pitch(windows)
        | _intervals(windows)
        | _lines(windows)
        | _tonality(windows)
        | _rhythm(windows)
        | _texture(windows)
        | _repetition(windows)
    )


def as_matrix(features: dict[str, FloatArray]) -> FloatArray:
    """The features as columns ``[W, F]``."""
    return np.stack(list(features.values()), axis=1)


def row_histograms(values: IntArray, size: int) -> IntArray:
    """Counts ``[W, size]`` of the values 0..size-1 in each row ``[W, M]``."""
    n_rows = len(values)
    cells = values + size * np.arange(n_rows)[:, None]
    return np.bincount(cells.ravel(), minlength=n_rows * size).reshape(n_rows, size)


def entropy(counts: NDArray) -> FloatArray:
    """Entropy of each row of counts, in bits; 0 for a row of zeros."""
    total = counts.sum(1, keepdims=True)
    share = counts / np.maximum(total, 1)
    return -(share * np.log2(np.where(share > 0, share, 1))).sum(1) + 0.0


def n_different(values: NDArray) -> IntArray:
    """Number of distinct values in each row ``[W, M]``, M > 0."""
    ordered = np.sort(values, axis=1)
    return 1 + (np.diff(ordered, axis=1) != 0).sum(1)


def _rate(hits: BoolArray, where: BoolArray, neutral: float = 0.0) -> FloatArray:
    """Share of hits among the places selected by ``where``, in each row."""
    n = where.sum(1)
    return np.where(n > 0, (hits & where).sum(1) / np.maximum(n, 1), neutral)


def _mean(values: NDArray, where: BoolArray, neutral: float = 0.0) -> FloatArray:
    n = where.sum(1)
    return np.where(n > 0, np.where(where, values, 0).sum(1) / np.maximum(n, 1), neutral)


def _deviation(values: NDArray, where: BoolArray) -> FloatArray:
    centre = _mean(values, where)[:, None]
    return np.sqrt(_mean((values - centre) ** 2, where))


def _pitch(w: Windows) -> dict[str, FloatArray]:
    return {
        "pitch_mean": w.pitch.mean(1),
        "pitch_std": w.pitch.std(1),
        "pitch_range": np.ptp(w.pitch, axis=1).astype(float),
        "distinct_pitch_rate": n_different(w.pitch) / w.length,
        "pitch_entropy": entropy(row_histograms(w.pitch, 128)),
    }


def _intervals(w: Windows) -> dict[str, FloatArray]:
    interval = np.diff(w.pitch, axis=1)
    size = np.abs(interval)
    features = {
        "interval_mean_size": size.mean(1),
        "interval_entropy": entropy(row_histograms(np.clip(interval, -24, 24) + 24, 49)),
        "interval_up_rate": (interval > 0).mean(1),
    }
    kinds = {"second": (1, 2), "third": (3, 4), "fourth_fifth": (5, 7), "tritone": (6, 6)}
    kinds |= {"sixth_seventh": (8, 11), "octave": (12, 12), "wide": (13, 127)}
    for name, (low, high) in kinds.items():
        inside = (size >= low) & (size <= high)
        if name == "fourth_fifth":
            inside &= size != 6
        features[f"interval_{name}_rate"] = inside.mean(1)
    for lag in _PITCH_LAGS:
        if lag < w.length:
            same = w.pitch[:, lag:] == w.pitch[:, :-lag]
            features[f"same_pitch_at_lag_{lag}_rate"] = same.mean(1)
    return features


def _lines(w: Windows) -> dict[str, FloatArray]:
    """Motion of the highest and of the lowest note of each chord."""
    new = np.diff(w.onset, axis=1) != 0
    edge = np.ones((len(w), 1), bool)
    features = {}
    for name, member in (
        ("top", np.concatenate([new, edge], axis=1)),
        ("bass", np.concatenate([edge, new], axis=1)),
    ):
        place = np.where(member, np.arange(w.length), -1)
        before = np.maximum.accumulate(place, axis=1)[:, :-1]
        moves = member[:, 1:] & (before >= 0)
        step = w.pitch[:, 1:] - np.take_along_axis(w.pitch, np.maximum(before, 0), axis=1)
        size = np.abs(step)
        features[f"{name}_interval_mean_size"] = _mean(size, moves)
        features[f"{name}_unison_rate"] = _rate(size == 0, moves)
        features[f"{name}_second_rate"] = _rate((size > 0) & (size <= 2), moves)
    return features


def _tonality(w: Windows) -> dict[str, FloatArray]:
    classes = w.pitch % 12
    counts = row_histograms(classes, 12)
    features = {
        "pitch_class_entropy": entropy(counts),
        "in_scale_rate": (counts @ SCALES.T).max(1) / w.length,
    }
    # The length of the mean vector on the circle of fifths is large for one key, and on the circles
    # of thirds for one chord.
    for name, step in (("fifths", 7), ("major_thirds", 3), ("minor_thirds", 4)):
        circle = np.exp(2j * np.pi * step * classes / 12)
        features[f"{name}_clarity"] = np.abs(circle.mean(1))
        n = w.length // 8
        if n > 1:
            local = circle[:, : 8 * n].reshape(len(w), n, 8).mean(2)
            features[f"{name}_clarity_of_8_notes"] = np.abs(local).mean(1)
    return features


def _rhythm(w: Windows) -> dict[str, FloatArray]:
    offset = np.diff(w.onset, axis=1)
    moves = offset > 0
    log_offset = np.log2(np.maximum(offset, 1) / w.grid)
    log_duration = np.log2(w.duration / w.grid)
    everywhere = np.ones(w.duration.shape, bool)
    beat, most = w.position % w.grid, 8 * w.grid
    same = offset[:, 1:] == offset[:, :-1]
    features = {
        "chord_rate": 1 - moves.mean(1),
        "offset_log_mean": _mean(log_offset, moves),
        "offset_log_std": _deviation(log_offset, moves),
        "offset_entropy": entropy(row_histograms(np.minimum(offset, most), most + 1)),
        "offset_same_rate": same.mean(1) if w.length > 2 else np.zeros(len(w)),
        "on_beat_rate": (beat == 0).mean(1),
        "duration_log_mean": log_duration.mean(1),
        "duration_log_std": _deviation(log_duration, everywhere),
        "duration_entropy": entropy(row_histograms(np.minimum(w.duration, most), most + 1)),
        "duration_same_rate": (np.diff(w.duration, axis=1) == 0).mean(1),
    }
    for name, parts in (("half_beat", 2), ("sixteenth", 4), ("triplet", 3)):
        features[f"on_{name}_rate"] = (beat * parts % w.grid == 0).mean(1)
    return features


def _texture(w: Windows) -> dict[str, FloatArray]:
    """Simultaneous notes: pairs of a note and one of the 12 before it that still sounds."""
    n_pairs, n_dissonant, n_repeated, n_struck, n_struck_dissonant = np.zeros((5, len(w)))
    for lag in range(1, min(_SOUNDING_LAGS, w.length - 1) + 1):
        end = w.onset[:, :-lag] + w.duration[:, :-lag]
        sounding = end > w.onset[:, lag:]
        struck = w.onset[:, :-lag] == w.onset[:, lag:]
        interval = w.pitch[:, lag:] - w.pitch[:, :-lag]
        dissonant = _DISSONANT[interval % 12]
        n_pairs += sounding.sum(1)
        n_dissonant += (sounding & dissonant).sum(1)
        n_repeated += (sounding & (interval == 0)).sum(1)
        n_struck += struck.sum(1)
        n_struck_dissonant += (struck & dissonant).sum(1)
    offset = np.diff(w.onset, axis=1)
    held = w.duration[:, :-1] >= offset
    return {
        "polyphony": n_pairs / w.length,
        "dissonance_rate": n_dissonant / np.maximum(n_pairs, 1),
        "chord_dissonance_rate": n_struck_dissonant / np.maximum(n_struck, 1),
        "repeated_while_sounding_rate": n_repeated / np.maximum(n_pairs, 1),
        "legato_rate": _rate(held, offset > 0, neutral=1.0),
    }


def _repetition(w: Windows) -> dict[str, FloatArray]:
    interval = np.diff(w.pitch, axis=1) + 127
    offset = np.minimum(np.diff(w.onset, axis=1), 127)
    duration = np.minimum(w.duration[:, 1:], 127)
    features = {}
    for name, n, code, base in (
        ("interval_2gram", 2, interval, 256),
        ("interval_4gram", 4, interval, 256),
        ("interval_8gram", 8, interval, 256),
        ("note_4gram", 4, interval * 128 + offset, 2**15),
        ("rhythm_4gram", 4, offset * 128 + duration, 2**14),
    ):
        n_grams = w.length - n  # of the length - 1 symbols
        if n_grams < 2:
            continue
        gram = np.zeros((len(w), n_grams), np.uint64)
        for i in range(n):  # eight intervals of 8 bits each fill 64 bits exactly
            gram = gram * np.uint64(base) + code[:, i : i + n_grams].astype(np.uint64)
        features[f"{name}_repetition_rate"] = 1 - n_different(gram) / n_grams

    return features
