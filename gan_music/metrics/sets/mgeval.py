"""Likeness of distributions: nine features of windows, after Yang & Lerch.

L.-C. Yang & A. Lerch, "On the evaluation of generative models in music", Neural Computing and
Applications 32, 2020 (online 2018). For each feature: the distances between windows of different
reference pieces (intra-set) and those from each generated to each reference window (inter-set) are
smoothed to densities. Where the two sets are alike, so are the two densities: their overlapped
area is 1 and their Kullback-Leibler divergence 0.

Written from the paper. Its authors' program differs: it evaluates the two densities of its KL
divergence on two different grids (each on its own range) and the divergence is then of numbers that
do not belong to the same distances; here both stand on one grid. It leaves transition matrices and
histograms as counts by default; here they are probabilities and shares. It pairs windows of one
piece, too; here they are not paired, since they are alike for a reason that is not the style.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gan_music.metrics.bootstrap import Measure
from gan_music.metrics.excerpts import Windows
from gan_music.metrics.piece.descriptors import histograms, n_different
from gan_music.music.piece import IntArray

FloatArray = NDArray[np.float64]

_N_BINS = 256
# A density is nowhere below this share of an even one: KL stays finite where the sets do not meet.
_FLOOR = 1e-6
_MOST_IN_A_BEAT = 16
_ROW_PRIOR = 4  # transitions
# Note lengths, in quarters: whole to sixteenth, the dotted ones, the triplet ones.
_LENGTHS = np.array([4, 2, 1, 1 / 2, 1 / 4, 3, 3 / 2, 3 / 4, 3 / 8, 4 / 3, 2 / 3, 1 / 3])


def mgeval_features(w: Windows) -> dict[str, FloatArray]:
    """The nine features, each ``[W, D]``; D is 1 for a number, 12 or 144 for a histogram.

    Inter-onset intervals are between successive notes, 0 within a chord. Note counts are of notes
    by beat (quarter), as the share of beats, of those with notes, that have 1 to 16 of them; note
    lengths are of 12 kinds, each note by the nearest.
    """
    classes = w.pitch % 12
    kinds = _length_kinds(w)
    interval = np.abs(np.diff(w.pitch, axis=1))
    return {
        "pitch_count": n_different(w.pitch)[:, None].astype(float),
        "pitch_range": np.ptp(w.pitch, axis=1)[:, None].astype(float),
        "pitch_class_histogram": _shares(histograms(classes, 12)),
        "pitch_class_transitions": _transitions(classes),
        "mean_interval": interval.mean(1, keepdims=True),
        "note_count": _notes_by_beat(w),
        "inter_onset_interval": np.diff(w.onset, axis=1).mean(1, keepdims=True) / w.grid,
        "note_length_histogram": _shares(histograms(kinds, 12)),
        "note_length_transitions": _transitions(kinds),
    }


def mgeval(
    candidate: Windows, reference: Windows, parts: Mapping[str, Windows] | None = None
) -> Measure:
    """Overlapped area and KL divergence of each feature, and their means over the nine.

    ``parts`` are further windows of the candidate's pieces, by name: the mean overlapped area of
    each, against the same reference on the same grid, is ``oa_<name>``. NaN where a half has no two
    windows of different pieces.
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

    def measure(ours: IntArray, theirs: IntArray) -> dict[str, float]:
        rows = [np.flatnonzero(np.isin(s.piece, ours)) for s in sets]
        columns = np.flatnonzero(np.isin(reference.piece, theirs))
        figures = {}
        areas: dict[str, list[float]] = {name: [] for name in parts or {}}
        for name, (intra, inters) in tables.items():
            # the halves of the symmetric matrix hold each pair once
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

    return measure


def overlap_and_divergence(intra: FloatArray, inter: FloatArray) -> tuple[float, float]:
    """Overlapped area and KL(intra || inter), in nats, of two samples of distances.

    Densities are Gaussian kernel densities, each with Scott's bandwidth, on one grid of 256 cells
    that reaches an eighth of the largest distance beyond both ends. NaN if either is empty.
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
    # an eighth of the range is left empty at both ends, for the kernels' tails; what lies further
    # off than that counts in the last cell
    scaled = values * (0.8 * _N_BINS / top) if top > 0 else np.zeros_like(values)
    return np.minimum(scaled + 0.1 * _N_BINS, _N_BINS - 1).astype(np.int16)


def _counts(bins: NDArray[np.int16]) -> IntArray:
    """How many lie in each cell; -1 is none of them."""
    return np.bincount(bins.ravel() + 1, minlength=_N_BINS + 1)[1:]


def _density(counts: IntArray) -> FloatArray:
    """Shares of the cells, smoothed by a Gaussian of Scott's bandwidth, of one cell at least.

    NaN in all cells if nothing was counted.
    """
    n = counts.sum()
    if not n:
        return np.full(_N_BINS, np.nan)
    share = counts / n
    cells = np.arange(_N_BINS)
    centre = (share * cells).sum()
    deviation = np.sqrt((share * (cells - centre) ** 2).sum())
    smooth = gaussian_filter1d(share, max(1.0, deviation * n**-0.2), mode="constant")
    return smooth / smooth.sum()


def _overlap(p: FloatArray, q: FloatArray) -> float:
    return float(np.minimum(p, q).sum())


def _divergence(p: FloatArray, q: FloatArray) -> float:
    floor = _FLOOR / _N_BINS
    divergence = (p * np.log(np.maximum(p, floor) / np.maximum(q, floor))).sum()
    return float(np.maximum(0.0, divergence))


def _shares(counts: IntArray) -> FloatArray:
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _transitions(states: IntArray) -> FloatArray:
    """Probability of the next state given each of 0..11, ``[W, 144]``: count / (row's sum + 4).

    A state that a window has once or twice says little: the 4 keeps its row small.
    """
    counts = histograms(states[:, :-1] * 12 + states[:, 1:], 144).reshape(-1, 12, 12)
    return (counts / (counts.sum(2, keepdims=True) + _ROW_PRIOR)).reshape(-1, 144)


def _length_kinds(w: Windows) -> IntArray:
    order = np.argsort(_LENGTHS)
    edges = np.log(_LENGTHS[order])
    middle = (edges[1:] + edges[:-1]) / 2
    return order[np.searchsorted(middle, np.log(w.duration / w.grid))]


def _notes_by_beat(w: Windows) -> FloatArray:
    # a beat begins where the onset's beat differs from the one before
    beat = (w.onset - w.position % w.grid) if w.length else w.onset
    new = np.diff(beat, axis=1) != 0
    number = np.concatenate([np.zeros((len(w), 1), np.int64), np.cumsum(new, axis=1)], axis=1)
    notes = histograms(number, w.length)
    filled = np.minimum(notes, _MOST_IN_A_BEAT)
    return _shares(histograms(filled, _MOST_IN_A_BEAT + 1)[:, 1:])
