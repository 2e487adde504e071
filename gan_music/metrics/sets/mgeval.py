"""MGEval: overlapped area and KL divergence of nine features (Yang & Lerch).

L.-C. Yang & A. Lerch, "On the evaluation of generative models in music", Neural Computing and
Applications 32, 2020 (online 2018). For each feature, kernel densities are estimated of the
distances between windows of different reference pieces (intra-set) and of the distances between
generated and reference windows (inter-set). For equal distributions, the overlapped area of the two
densities is 1 and their Kullback-Leibler divergence is 0.

Differences to the authors' program: both densities of the KL divergence are evaluated on the same
grid, and not each on its own range; histograms and transition matrices are normalised, and not
counts; windows of the same piece are not paired, since they are dependent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gan_music.metrics.bootstrap import SetMetric
from gan_music.metrics.excerpts import Windows
from gan_music.metrics.piece.descriptors import n_different, row_histograms
from gan_music.music.piece import IntArray

FloatArray = NDArray[np.float64]

_N_BINS = 256
# A lower bound of a density, relative to a uniform one: KL is finite for disjoint sets (about 16).
_MIN_DENSITY = 1e-6
_MAX_NOTES_IN_BEAT = 16
_ROW_PRIOR = 4  # transitions
# Note lengths, in quarter notes: whole to sixteenth, dotted, triplet.
_LENGTHS = np.array([4, 2, 1, 1 / 2, 1 / 4, 3, 3 / 2, 3 / 4, 3 / 8, 4 / 3, 2 / 3, 1 / 3])


def mgeval_features(w: Windows) -> dict[str, FloatArray]:
    """The nine features, each ``[W, D]``; D is 1 for a number, 12, 16 or 144 for a histogram.

    Inter-onset intervals are between successive notes, in quarter notes, 0 within a chord. The note
    count is the distribution of the number of notes, 1 to 16, over the beats with onsets. Note
    lengths are quantised to 12 classes.
    """
    classes = w.pitch % 12
    kinds = _length_kinds(w)
    interval = np.abs(np.diff(w.pitch, axis=1))
    return {
        "pitch_count": n_different(w.pitch)[:, None].astype(float),
        "pitch_range": np.ptp(w.pitch, axis=1)[:, None].astype(float),
        "pitch_class_histogram": _shares(row_histograms(classes, 12)),
        "pitch_class_transition_matrix": _transitions(classes),
        "average_pitch_interval": interval.mean(1, keepdims=True),
        "note_count": _notes_by_beat(w),
        "inter_onset_interval": np.diff(w.onset, axis=1).mean(1, keepdims=True) / w.grid,
        "note_length_histogram": _shares(row_histograms(kinds, 12)),
        "note_length_transition_matrix": _transitions(kinds),
    }


def mgeval(
    candidate: Windows, reference: Windows, parts: Mapping[str, Windows] | None = None
) -> SetMetric:
    """``oa_*`` and ``kl_*`` (nats) of each feature, and ``oa_mean`` and ``kl_mean`` over the nine.

    ``parts`` are further windows of the candidate's pieces, by name: ``oa_<name>`` is their mean
    overlapped area with the same reference on the same grid. Figures are NaN if the reference has
    no two windows of different pieces, or the candidate no window.
    """
    sets = [candidate, *(parts or {}).values()]
    theirs, *others = map(mgeval_features, (reference, *sets))
    same_piece = reference.piece[:, None] == reference.piece
    tables = {}
    for name in theirs:
        intra = distances(theirs[name], theirs[name])
        inters = [distances(features[name], theirs[name]) for features in others]
        top = max(intra.max(initial=0), inters[0].max(initial=0))
        top = top or max(inter.max(initial=0) for inter in inters)
        bins = _to_bins(intra, top)
        bins[same_piece] = -1
        tables[name] = bins, [_to_bins(inter, top) for inter in inters]

    def metric(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        rows = [np.flatnonzero(np.isin(s.piece, ours)) for s in sets]
        columns = np.flatnonzero(np.isin(reference.piece, theirs))
        figures = {}
        areas: dict[str, list[float]] = {name: [] for name in parts or {}}
        for name, (intra, inters) in tables.items():
            # the symmetric matrix contains each pair twice
            p = _density(_counts(intra[columns][:, columns]) // 2)
            q, *of_parts = (
                _density(_counts(inter[chosen][:, columns]))
                for inter, chosen in zip(inters, rows, strict=True)
            )
            figures[f"oa_{name}"], figures[f"kl_{name}"] = _overlap(p, q), _divergence(p, q)
            for area, density in zip(areas.values(), of_parts, strict=True):
                area.append(_overlap(p, density))
        means = {
            f"{what}_mean": float(np.mean([v for k, v in figures.items() if k.startswith(what)]))
            for what in ("oa", "kl")
        }
        return means | {f"oa_{name}": float(np.mean(a)) for name, a in areas.items()} | figures

    return metric


def overlap_and_divergence(intra: FloatArray, inter: FloatArray) -> tuple[float, float]:
    """Overlapped area and KL(intra || inter), in nats, of two samples of distances.

    Densities are Gaussian kernel density estimates with Scott's bandwidth, on the same grid of 256
    bins, which extends beyond the range by an eighth of it at both ends. NaN if a sample is empty.
    """
    top = max(intra.max(initial=0), inter.max(initial=0))
    p, q = (_density(_counts(_to_bins(distance, top))) for distance in (intra, inter))
    return _overlap(p, q), _divergence(p, q)


def distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distances ``[A, B]`` of the rows of two matrices ``[A, D]``, ``[B, D]``."""
    if a.shape[1] == 1:
        return np.abs(a - b.T)
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squared, 0))


def _to_bins(values: FloatArray, top: float) -> NDArray[np.int16]:
    # The margins at both ends hold the tails of the kernels; larger values are in the last bin.
    scaled = values * (0.8 * _N_BINS / top) if top > 0 else np.zeros_like(values)
    return np.minimum(scaled + 0.1 * _N_BINS, _N_BINS - 1).astype(np.int16)


def _counts(bins: NDArray[np.int16]) -> IntArray:
    """The histogram of bins; -1 is ignored."""
    return np.bincount(bins.ravel() + 1, minlength=_N_BINS + 1)[1:]


def _density(counts: IntArray) -> FloatArray:
    """Probabilities of the bins, smoothed with Scott's bandwidth or one bin, whichever is larger.

    NaN in all bins without counts.
    """
    n = counts.sum()
    if not n:
        return np.full(_N_BINS, np.nan)
    share = counts / n
    bins = np.arange(_N_BINS)
    centre = (share * bins).sum()
    deviation = np.sqrt((share * (bins - centre) ** 2).sum())
    smooth = gaussian_filter1d(share, max(1.0, deviation * n**-0.2), mode="constant")
    return smooth / smooth.sum()


def _overlap(p: FloatArray, q: FloatArray) -> float:
    return float(np.minimum(p, q).sum())


def _divergence(p: FloatArray, q: FloatArray) -> float:
    least = _MIN_DENSITY / _N_BINS
    divergence = (p * np.log(np.maximum(p, least) / np.maximum(q, least))).sum()
    return float(np.maximum(0.0, divergence))


def _shares(counts: IntArray) -> FloatArray:
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _transitions(states: IntArray) -> FloatArray:
    """Transition probabilities between 12 states, ``[W, 144]``: count / (sum of the row + 4).

    The 4 shrinks the rows of rare states, whose estimates are unreliable.
    """
    counts = row_histograms(states[:, :-1] * 12 + states[:, 1:], 144).reshape(-1, 12, 12)
    return (counts / (counts.sum(2, keepdims=True) + _ROW_PRIOR)).reshape(-1, 144)


def _length_kinds(w: Windows) -> IntArray:
    order = np.argsort(_LENGTHS)
    edges = np.log(_LENGTHS[order])
    middle = (edges[1:] + edges[:-1]) / 2
    return order[np.searchsorted(middle, np.log(w.duration / w.grid))]


def _notes_by_beat(w: Windows) -> FloatArray:
    # a new beat begins where the beat of an onset differs from that of the previous note
    beat = (w.onset - w.position % w.grid) if w.length else w.onset
    new = np.diff(beat, axis=1) != 0
    number = np.concatenate([np.zeros((len(w), 1), np.int64), np.cumsum(new, axis=1)], axis=1)
    notes = row_histograms(number, w.length)
    filled = np.minimum(notes, _MAX_NOTES_IN_BEAT)
    return _shares(row_histograms(filled, _MAX_NOTES_IN_BEAT + 1)[:, 1:])
