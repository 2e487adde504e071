"""Numba kernels of :mod:`~gan_music.networks.features.lookback` and
:mod:`~gan_music.networks.features.lag_alignment`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_music.networks.features import lag_alignment, lookback
from gan_music.networks.features.kernel_arrays import Events, Floats, Ints, Table, compiled

_OFFSET, _PITCH = 0, 1
_N_MATCHES = lookback.N_MATCHES
_N_PITCH_MATCHES = len(lookback.PITCH_MATCHES)
_MATCHES = (*lookback.PITCH_MATCHES, *lookback.INTERVAL_MATCHES)
_NO_INTERVAL = lookback.NO_INTERVAL
_EPSILON = np.float32(lookback.EPSILON)
_ALIGNMENT_MATCHES = lag_alignment.MATCHES
_MIN_DISTANCES = lag_alignment.MIN_DISTANCES
_N_MATCHED, _N_FIXED = len(lag_alignment.MIN_DISTANCES), len(lag_alignment.BAR_LAGS)
_N_EXACT, _N_ALIGNMENTS = lag_alignment.N_EXACT, lag_alignment.N_ALIGNMENTS
_ACCURACY_EPSILON = np.float32(lag_alignment.EPSILON)
_TOLERANCE = lag_alignment.TOLERANCE
_ORDER = lag_alignment.ORDER
_TINY = np.float32(1e-30)


class Matches(NamedTuple):
    """``LookbackState``: places that match the next event, and how often there were any."""

    n_observed: Ints  # [1], events
    runs: Ints  # [B, 2, capacity], pitches and intervals before a place as before the next event
    places: Ints  # [B, span], of which so many match:
    n_places: Ints  # [B]
    weights: Floats  # [B, span, K]
    rate_sums: Floats  # [B, spans, K]
    decay: Floats  # by events back, from 0 on
    rate_spans: Floats


class Alignments(NamedTuple):
    """``LagAlignmentState``."""

    order: Ints  # [B, 2, capacity], by pitch, and by rank among the notes of one onset
    rank: Ints  # [B], of the last event
    lag: Ints  # [B, matched], steps
    bar_lags: Ints  # [B, fixed], steps
    predicted: Ints  # [B, S, C]
    consistent: Ints  # the same, -1 where the categories that are chosen so far contradict it
    accuracy: Floats  # [B, spans, 2, S]
    accuracy_spans: Floats
    pitch_kernel: Floats  # by semitones


@compiled
def inputs(matches: Matches, alignments: Alignments, out: Floats) -> None:
    """``LookbackState.inputs``, into the first columns of ``out [B, n_inputs]``."""
    for b in range(len(out)):
        at = 0
        for i, span in enumerate(matches.rate_spans):
            total = 1 - (1 - 1 / span) ** (matches.n_observed[0] + 1)
            for k in range(_N_MATCHES):
                out[b, at] = matches.rate_sums[b, i, k] / total
                at += 1
        for x in alignments.accuracy[b].flat:
            out[b, at] = x
            at += 1


@compiled
def add_scores(
    events: Events,
    matches: Matches,
    alignments: Alignments,
    category: int,
    outputs: Floats,
    first: int,
    logits: Floats,
) -> None:
    """``LookbackState.add_scores``; its weights begin in column ``first`` of a head's outputs
    ``[B, W]``.
    """
    size = logits.shape[1]
    sums = np.zeros((size, _N_MATCHES), np.float32)
    total = np.empty(_N_MATCHES, np.float32)
    for b in range(len(logits)):
        weights = outputs[b, first:]
        total[:] = 0
        for i in range(matches.n_places[b]):
            choice = _choice(events, b, category, matches.places[b, i])
            total += matches.weights[b, i]
            if 0 <= choice < size:
                sums[choice] += matches.weights[b, i]
        for i in range(matches.n_places[b]):
            choice = _choice(events, b, category, matches.places[b, i])
            if 0 <= choice < size:
                for k in range(_N_MATCHES):
                    if sums[choice, k] > 0:  # once for each choice
                        share = sums[choice, k] / max(total[k], np.float32(1e-6))
                        logits[b, choice] += weights[k] * np.log1p(share / _EPSILON)
                        sums[choice, k] = 0
        _add_alignment_scores(alignments, b, category, weights[_N_MATCHES:], logits[b])


@compiled
def _choice(events: Events, b: int, category: int, p: int) -> int:
    """What was chosen at a place; of a pitch, the same interval from the last one."""
    n_pitches = events.counts.shape[2]
    if category == _PITCH and events.ids[b, category, p] < n_pitches:
        moved = events.interval[b, p] + events.input_ids[b, _PITCH]
        return moved if 0 <= moved < n_pitches else -1
    return events.ids[b, category, p]


@compiled
def _add_alignment_scores(
    alignments: Alignments, b: int, category: int, weights: Floats, logits: Floats
) -> None:
    for s in range(_N_ALIGNMENTS):
        predicted = alignments.consistent[b, s, category]
        if predicted < 0:
            continue
        accuracy = alignments.accuracy[b, 0, 0 if category == _OFFSET else 1, s]
        height = weights[s] * np.log1p(accuracy / _ACCURACY_EPSILON)
        if category == _PITCH and s >= _N_EXACT:
            for pitch in range(len(alignments.pitch_kernel)):
                logits[pitch] += height * alignments.pitch_kernel[abs(pitch - predicted)]
        else:
            logits[predicted] += height


@compiled
def choose(
    events: Events, matches: Matches, alignments: Alignments, category: int, ids: Ints
) -> None:
    """``LookbackState.choose``."""
    for b in range(len(ids)):
        left = 0
        for i in range(matches.n_places[b]):
            p = matches.places[b, i]
            if events.ids[b, category, p] == ids[b]:
                matches.places[b, left] = p
                matches.weights[b, left] = matches.weights[b, i]
                left += 1
        matches.n_places[b] = left
        for s in range(_N_ALIGNMENTS):
            if not _agrees(alignments.consistent[b, s, category], s, category, ids[b]):
                alignments.consistent[b, s] = -1


@compiled
def _agrees(predicted: int, s: int, category: int, chosen: int) -> bool:
    if category == _PITCH and s >= _N_EXACT:
        return predicted >= 0 and abs(predicted - chosen) <= _TOLERANCE
    return predicted == chosen


@compiled
def observe(
    table: Table, events: Events, matches: Matches, alignments: Alignments, n_pitches: int
) -> None:
    """``LookbackState.observe`` of the event in place ``n``, which the caller counts."""
    n, span = events.n[0], table.lookback_span
    for b in range(len(events.position)):
        _match(events, matches, b, n, span)
        _score_predictions(events, alignments, b, n)
        _update_lags(events, matches, alignments, b, n, span)
        _predict(table, events, alignments, b, n, n_pitches)


@compiled
def _match(events: Events, matches: Matches, b: int, n: int, span: int) -> None:
    """Places that match the event after ``n``."""
    oldest = max(n + 1 - span, 0)
    ids, intervals = events.ids[b, _PITCH], events.interval[b]
    pitch, interval = ids[n], intervals[n]
    of_pitches, of_intervals = matches.runs[b, 0], matches.runs[b, 1]
    # the run before a place grows by one where the event at the place before it is this one
    for p in range(n, max(oldest, 1) - 1, -1):
        of_pitches[p] = of_pitches[p - 1] + 1 if ids[p - 1] == pitch else 0
        is_moved = intervals[p - 1] == interval and interval != _NO_INTERVAL
        of_intervals[p] = of_intervals[p - 1] + 1 if is_moved else 0
    if oldest == 0:
        of_pitches[0] = of_intervals[0] = 0
    found = 0
    matched = np.zeros(_N_MATCHES, np.float32)
    for p in range(oldest, n + 1):
        if of_pitches[p] < _MATCHES[0] and of_intervals[p] < _MATCHES[_N_PITCH_MATCHES]:
            continue
        for k in range(_N_MATCHES):
            run = of_pitches[p] if k < _N_PITCH_MATCHES else of_intervals[p]
            is_match = run >= _MATCHES[k]
            matches.weights[b, found, k] = matches.decay[n + 1 - p] if is_match else np.float32(0)
            if is_match:
                matched[k] = 1
        matches.places[b, found] = p
        found += 1
    matches.n_places[b] = found
    for i, rate_span in enumerate(matches.rate_spans):
        for k in range(_N_MATCHES):
            sums = matches.rate_sums[b, i]
            sums[k] = _towards(sums[k], matched[k], 1 / rate_span)


@compiled
def _towards(x: float, goal: float, share: float) -> np.float32:
    moved = np.float32(x + (goal - x) * share)
    # a CPU takes a hundred times as long with subnormal numbers
    return moved if moved > _TINY else np.float32(0)


@compiled
def _score_predictions(events: Events, alignments: Alignments, b: int, n: int) -> None:
    """Update the accuracies by event ``n``."""
    for s in range(_N_ALIGNMENTS):
        predicted, ids = alignments.predicted[b, s], events.ids[b]
        is_onset = _agrees(predicted[_OFFSET], s, _OFFSET, ids[_OFFSET, n])
        is_pitch = _agrees(predicted[_PITCH], s, _PITCH, ids[_PITCH, n])
        for i, span in enumerate(alignments.accuracy_spans):
            accuracy = alignments.accuracy[b, i]
            accuracy[0, s] = _towards(accuracy[0, s], is_onset, 1 / span)
            accuracy[1, s] = _towards(accuracy[1, s], is_onset and is_pitch, 1 / span)


@compiled
def _update_lags(
    events: Events, matches: Matches, alignments: Alignments, b: int, n: int, span: int
) -> None:
    """Add event ``n`` to both orders, and set the lags of the longest matches that end with it; of
    equal ones, the earliest.
    """
    onset, order = events.onset[b], alignments.order[b]
    now = onset[n]
    before = onset[n - 1] if n else 0
    alignments.rank[b] = alignments.rank[b] + 1 if now == before else 0
    by_pitch = now * _ORDER + events.ids[b, _PITCH, n]
    order[0, n] = max(by_pitch, order[0, n - 1]) if n else by_pitch
    order[1, n] = now * _ORDER + alignments.rank[b]
    best = np.zeros(_N_MATCHED, np.int64)
    for p in range(max(n + 1 - span, 1), n + 1):
        if matches.runs[b, 0, p] < _ALIGNMENT_MATCHES[0]:
            continue
        length = 0
        for least in _ALIGNMENT_MATCHES:
            length += matches.runs[b, 0, p] >= least
        for s in range(_N_MATCHED):
            if length > best[s] and n + 1 - p >= _MIN_DISTANCES[s]:
                best[s] = length
                alignments.lag[b, s] = now - onset[p - 1]


@compiled
def _predict(
    table: Table, events: Events, alignments: Alignments, b: int, n: int, n_pitches: int
) -> None:
    """The event after ``n`` by each alignment."""
    onset, span = events.onset[b], table.lookback_span
    oldest, is_full = max(n + 1 - span, 0), n + 1 >= span
    for s in range(_N_MATCHED + _N_FIXED):
        is_matched = s < _N_MATCHED
        lag = alignments.lag[b, s] if is_matched else alignments.bar_lags[b, s - _N_MATCHED]
        order = alignments.order[b, 0 if is_matched else 1, : n + 1]
        source = oldest + np.searchsorted(order[oldest:], order[n] - lag * _ORDER + 1)
        predicted = alignments.predicted[b, s]
        predicted[:] = -1
        if lag > 0 and source <= n and not (is_full and source == oldest):
            step = onset[source] + lag - onset[n]
            offset = np.searchsorted(table.offset_bins, step)
            if offset < len(table.offset_bins) and table.offset_bins[offset] == step:
                predicted[:] = events.ids[b, :, source]
                predicted[_OFFSET] = offset
        if not is_matched:
            transposed = alignments.predicted[b, s + _N_FIXED]
            transposed[:] = -1
            pitch = events.ids[b, _PITCH, n] + events.interval[b, min(source, n)]
            if predicted[_OFFSET] >= 0 and 0 <= pitch < n_pitches:
                transposed[:] = predicted
                transposed[_PITCH] = pitch
    alignments.consistent[b] = alignments.predicted[b]
