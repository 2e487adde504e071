"""The loops of :class:`~gan_music.networks.features.numba_state.NumbaState`: what is known of each sequence,
row by row and note by note.

Each does what the function that its comment names does with tensors. They are one file since what
is kept of a compilation is made anew when its own file changes, and only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gan_music.networks.features import active_notes, lag_alignment, lookback
from gan_music.networks.features.history import MEMORIES, N_FAMILIAR, RARE

# Plain numbers, which a compiler takes for constants: where one is changed at its source, this file
# has to be touched, too, or a kept compilation goes on with the old one.
_OFFSET, _PITCH, _DURATION = 0, 1, 2
_N_MEMORIES = len(MEMORIES)
_N_FAMILIAR = N_FAMILIAR
_RARE = np.float32(RARE)
_N_LIKE = lookback.N_LIKE
_N_SAME_PITCHES = len(lookback.SAME_PITCHES)
_LIKE = (*lookback.SAME_PITCHES, *lookback.SAME_INTERVALS)
_RARE_PLACE = np.float32(lookback.RARE)
_THREAD_LIKE = lag_alignment.LIKE
_BACK = lag_alignment.BACK
_N_FOUND, _N_ALWAYS = len(lag_alignment.BACK), len(lag_alignment.BARS)
_N_SAME, _N_THREADS = lag_alignment.N_SAME, lag_alignment.N_THREADS
_RARE_THREAD = np.float32(lag_alignment.RARE)
_ABOUT = lag_alignment.ABOUT
_ORDER = lag_alignment.ORDER
_NEAR, _N_SETS, _CLASSES = active_notes.NEAR, active_notes.N_SETS, 12
_N_NEAR = 2 * _NEAR + 1
_N_KINDS = _N_SETS + _N_MEMORIES  # of what a harmony is made of
_NOWHERE = -(1 << 20)
_TINY = np.float32(1e-30)

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Table(NamedTuple):
    """What no event changes."""

    offset_bins: Ints
    duration_bins: Ints
    grid: int
    n_beats: int
    n_intervals: int
    lookback_span: int
    active_notes_span: int
    bar: Ints  # [B], steps
    lags: Ints  # [B, BARS], steps, of the threads that are always there
    expected: Floats  # [B, E, P]
    register: Floats  # [P, P], what a pitch counts in the register of another
    decay: Floats  # [M]
    fading: Floats  # by events back, from 0 on
    spans: Floats  # of echoes
    trust_spans: Floats
    bell: Floats  # by semitones from what a thread says


class State(NamedTuple):
    """What is known, ``[B, ...]`` each: a row is of one sequence."""

    position: Ints  # of the last event in the bar
    chosen: Ints  # [B, C], ids of the event that is being chosen, as far as it is
    known: Ints  # [B, C + I + 1], ids, intervals and position of the last event
    heard: Floats  # [B, M, P]
    register: Floats  # [B, M, P], the same in the register of each pitch
    # of events, [B, capacity], in the order in which they came
    ids: Ints  # [B, C, capacity]
    onset: Ints
    end: Ints
    interval: Ints  # from the pitch before
    order: Ints  # [B, 2, capacity], by pitch, and by rank among those of an onset
    runs: Ints  # [B, 2, capacity], pitches and intervals before it as before the next event
    rank: Ints  # of the last event
    # places like the one before the next event
    places: Ints  # [B, span], of which so many:
    n_places: Ints
    weights: Floats  # [B, span, K]
    echo_sums: Floats  # [B, spans, K]
    # threads
    lag: Ints  # [B, found]
    said: Ints  # [B, S, C]
    still: Ints  # the same, of what is chosen as they say so far
    trust: Floats  # [B, spans, 2, S]


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled when it is first called, which takes seconds, and kept for later processes."""
    try:
        return njit(function, cache=True, error_model="numpy")
    except RuntimeError:  # there is no folder to keep it in
        return njit(function, error_model="numpy")


@_compiled
def to_front(state: State, first: int, n: int) -> None:
    """Forget the events before ``first``; ``n`` are left."""
    for b in range(len(state.position)):
        for i in range(n):
            state.ids[b, :, i] = state.ids[b, :, first + i]
            state.onset[b, i] = state.onset[b, first + i]
            state.end[b, i] = state.end[b, first + i]
            state.interval[b, i] = state.interval[b, first + i]
            if state.order.shape[2]:
                state.order[b, :, i] = state.order[b, :, first + i]
                state.runs[b, :, i] = state.runs[b, :, first + i]


@_compiled
def _below(bins: Any, value: int) -> int:
    """How many of the ascending bins are below a value."""
    low, high = 0, len(bins)
    while low < high:
        middle = (low + high) // 2
        if bins[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


# -- what stands beside the next input ------------------------------------------------------------


@_compiled
def told(table: Table, state: State, n: int, n_heard: int, out: Floats) -> None:
    """``Recollection.echoes`` and ``Context.joined``, into ``[B, n_told]``."""
    for b in range(len(out)):
        at = 0
        if table.lookback_span:
            for i, span in enumerate(table.spans):
                whole = 1 - (1 - 1 / span) ** (n_heard + 1)
                for k in range(_N_LIKE):
                    out[b, at] = state.echo_sums[b, i, k] / whole
                    at += 1
            for x in state.trust[b].flat:
                out[b, at] = x
                at += 1
        if table.active_notes_span:
            now = state.onset[b, n - 1] if n else 0
            pitch = state.known[b, _PITCH] if n else state.heard.shape[2] - 1
            found = np.zeros((_N_KINDS, _CLASSES), np.float32)
            near = out[b, at + _N_KINDS * _CLASSES :].reshape(2, _N_NEAR)
            near[:] = 0
            _classes(table, state, b, n, now, state.position[b], found)
            for kind in range(_N_KINDS):
                for i in range(_CLASSES):
                    out[b, at] = found[kind, (pitch - i) % _CLASSES]
                    at += 1
            for p in range(max(0, n - table.active_notes_span), n):
                kind = _joins(state, b, p, now)
                step = pitch - state.ids[b, _PITCH, p] + _NEAR
                if kind >= 0 and 0 <= step < _N_NEAR:
                    near[kind, step] += 1


@_compiled
def _joins(state: State, b: int, p: int, now: int) -> int:
    """0 if a note begins now, 1 if it is held, -1 if neither."""
    if state.onset[b, p] == now:
        return 0
    return 1 if state.end[b, p] > now else -1


@_compiled
def _classes(
    table: Table, state: State, b: int, n: int, now: int, position: int, out: Floats
) -> None:
    """``sounding.harmony``'s classes, into zeros ``[X, 12]``."""
    beat = now - position % table.grid
    for p in range(max(0, n - table.active_notes_span), n):
        c = state.ids[b, _PITCH, p] % _CLASSES
        kind = _joins(state, b, p, now)
        if kind >= 0:
            out[kind, c] += 1
        begins = state.onset[b, p]
        if begins >= beat:
            out[2, c] += 1
        elif begins >= beat - table.grid:
            out[3, c] += 1
    for m in range(_N_MEMORIES):
        heard = state.heard[b, m]
        total = max(heard.sum(), np.float32(1e-3))
        for pitch in range(len(heard)):
            out[_N_SETS + m, pitch % _CLASSES] += heard[pitch] / total


# -- scores of choices ----------------------------------------------------------------------------


@_compiled
def offsets(table: Table, state: State, n: int, category: int, scores: Floats, out: Floats) -> None:
    """``Heads.logits`` of offsets, ``[B, n]``, by the output of their head, ``[B, W]``."""
    step = np.zeros_like(state.position)
    _of_times(table, state, n, table.offset_bins, step, scores, out)
    _recalled(table, state, category, scores, out)


@_compiled
def durations(
    table: Table, state: State, n: int, category: int, scores: Floats, out: Floats
) -> None:
    """The same of durations."""
    step = table.offset_bins[state.chosen[:, _OFFSET]]
    _of_times(table, state, n, table.duration_bins, step, scores, out)
    _recalled(table, state, category, scores, out)


@_compiled
def others(table: Table, state: State, n: int, category: int, scores: Floats, out: Floats) -> None:
    """The same of categories without relations."""
    out[:] = scores[:, : out.shape[1]]
    _recalled(table, state, category, scores, out)


@_compiled
def pitches(table: Table, state: State, n: int, category: int, scores: Floats, out: Floats) -> None:
    """The same of pitches."""
    n_pitches = out.shape[1]
    classes = np.zeros((_N_KINDS, _CLASSES), np.float32)
    of_class = np.zeros(_CLASSES, np.float32)
    for b in range(len(out)):
        row, at = out[b], n_pitches
        row[:] = scores[b, :n_pitches]
        if table.n_intervals:
            for k in range(table.n_intervals):
                start = state.ids[b, _PITCH, n - 1 - k] if k < n else n_pitches // 2
                first = at + n_pitches - 1 - start
                row += scores[b, first : first + n_pitches]
                at += 2 * n_pitches - 1
            _familiarity(table, state, b, scores[b, at:], row)
            at += _N_FAMILIAR + table.expected.shape[1]
        if table.active_notes_span:
            step = table.offset_bins[state.chosen[b, _OFFSET]]
            now = step + (state.onset[b, n - 1] if n else 0)
            position = (state.position[b] + step) % table.bar[b]
            classes[:] = 0
            _classes(table, state, b, n, now, position, classes)
            weights = scores[b, at:]
            of_class[:] = 0
            for kind in range(_N_KINDS):
                for c in range(_CLASSES):
                    count = classes[kind, c]
                    if count != 0:
                        for i in range(_CLASSES):
                            of_class[(c + i) % _CLASSES] += count * weights[_CLASSES * kind + i]
            for pitch in range(n_pitches):
                row[pitch] += of_class[pitch % _CLASSES]
            at += _N_KINDS * _CLASSES
            for p in range(max(0, n - table.active_notes_span), n):
                kind = _joins(state, b, p, now)
                if kind >= 0:
                    there = state.ids[b, _PITCH, p]
                    first = at + _N_NEAR * kind + _NEAR - there  # of an interval to pitch 0
                    low, high = max(0, there - _NEAR), min(n_pitches, there + _NEAR + 1)
                    row[low:high] += scores[b, first + low : first + high]
    _recalled(table, state, category, scores, out)


@_compiled
def _of_times(
    table: Table, state: State, n: int, bins: Ints, steps: Ints, scores: Floats, out: Floats
) -> None:
    """Choices of a time, from so many steps ``[B]`` after the last onset: their own scores,
    ``Heads._landing`` and what sounds.
    """
    size, grid = out.shape[1], table.grid
    counts = np.zeros((2, size + 1), np.float32)
    for b in range(len(out)):
        row = out[b]
        row[:] = scores[b, :size]
        at = size
        if table.n_intervals:
            start = state.position[b] + steps[b]
            beats = scores[b, size + grid :]
            for c in range(size):
                place = (start + bins[c]) % table.bar[b]
                row[c] += scores[b, size + place % grid] + beats[place // grid]
            at += grid + table.n_beats
        if table.active_notes_span:
            now = steps[b] + (state.onset[b, n - 1] if n else 0)
            _times(table, state, b, n, now, bins, counts, scores[b, at:], row)


@_compiled
def _times(
    table: Table,
    state: State,
    b: int,
    n: int,
    now: int,
    bins: Ints,
    counts: Floats,
    weights: Floats,
    out: Floats,
) -> None:
    """``sounding._times`` of notes that are held, weighted."""
    counts[:] = 0
    n_held = 0
    for p in range(max(0, n - table.active_notes_span), n):
        left = state.end[b, p] - now
        if left > 0:
            n_held += 1
            place = _below(bins, left)
            counts[0, place] += 1
            if place < len(bins) and bins[place] == left:
                counts[1, place] += 1
    on = np.float32(n_held)
    for c in range(len(bins)):
        on -= counts[0, c]
        if counts[1, c] > 0:
            out[c] += weights[0]
        elif on == 0:
            out[c] += weights[2]
        out[c] += weights[1] * on / max(n_held, 1)


@_compiled
def _familiarity(table: Table, state: State, b: int, weights: Floats, out: Floats) -> None:
    """``Heads._familiarity``."""
    n_pitches = len(out)
    of_class = np.empty(_CLASSES, np.float32)
    for m in range(_N_MEMORIES):
        heard = state.heard[b, m]
        total = max(heard.sum(), np.float32(1e-3))
        of_class[:] = 0
        for pitch in range(n_pitches):
            of_class[pitch % _CLASSES] += heard[pitch]
        for c in range(_CLASSES):
            of_class[c] = weights[3 * m + 1] * np.log(of_class[c] / total + _RARE)
        never = np.log(_RARE)
        for pitch in range(n_pitches):
            here = never if heard[pitch] == 0 else np.log(heard[pitch] / total + _RARE)
            around = np.log(state.register[b, m, pitch] / total + _RARE)
            out[pitch] += weights[3 * m] * here + of_class[pitch % _CLASSES]
            out[pitch] += weights[3 * m + 2] * around
    for e in range(table.expected.shape[1]):
        out += weights[_N_FAMILIAR + e] * table.expected[b, e]


@_compiled
def _recalled(table: Table, state: State, category: int, scores: Floats, out: Floats) -> None:
    """``Recollection.scores``, weighted by the last ``K`` numbers of a head's output."""
    if not table.lookback_span:
        return
    size = out.shape[1]
    sums = np.zeros((size, _N_LIKE), np.float32)
    total = np.empty(_N_LIKE, np.float32)
    for b in range(len(out)):
        trust = scores[b, scores.shape[1] - _N_LIKE - _N_THREADS :]
        total[:] = 0
        for i in range(state.n_places[b]):
            p = state.places[b, i]
            choice = state.ids[b, category, p]
            if category == _PITCH:
                # the interval that followed there, from here
                choice = state.interval[b, p] + state.known[b, _PITCH]
            total += state.weights[b, i]
            if 0 <= choice < size:
                sums[choice] += state.weights[b, i]
        for i in range(state.n_places[b]):
            choice = state.ids[b, category, state.places[b, i]]
            if category == _PITCH:
                choice = state.interval[b, state.places[b, i]] + state.known[b, _PITCH]
            if 0 <= choice < size:
                for k in range(_N_LIKE):
                    if sums[choice, k] > 0:  # once for each choice
                        share = sums[choice, k] / max(total[k], np.float32(1e-6))
                        out[b, choice] += trust[k] * np.log1p(share / _RARE_PLACE)
                        sums[choice, k] = 0
        of_threads = trust[_N_LIKE:]
        for s in range(_N_THREADS):
            said = state.still[b, s, category]
            if said < 0:
                continue
            right = state.trust[b, 0, 0 if category == _OFFSET else 1, s]
            height = of_threads[s] * np.log1p(right / _RARE_THREAD)
            if category == _PITCH and s >= _N_SAME:
                for pitch in range(size):
                    out[b, pitch] += height * table.bell[abs(pitch - said)]
            else:
                out[b, said] += height


# -- what comes after a choice --------------------------------------------------------------------


@_compiled
def chose(table: Table, state: State, category: int, ids: Ints) -> None:
    """A category of the next event, ``[B]``: ``Recollection.chose``."""
    for b in range(len(ids)):
        state.chosen[b, category] = ids[b]
        if not table.lookback_span:
            continue
        left = 0
        for i in range(state.n_places[b]):
            p = state.places[b, i]
            if state.ids[b, category, p] == ids[b]:
                state.places[b, left] = p
                state.weights[b, left] = state.weights[b, i]
                left += 1
        state.n_places[b] = left
        for s in range(_N_THREADS):
            if not _right(state.still[b, s, category], s, category, ids[b]):
                state.still[b, s] = -1


@_compiled
def _right(said: int, s: int, category: int, chosen: int) -> bool:
    """``threads._same``."""
    if category == _PITCH and s >= _N_SAME:
        return said >= 0 and abs(said - chosen) <= _ABOUT
    return said == chosen


@_compiled
def after(table: Table, state: State, n: int, chosen: Ints) -> None:
    """A whole event, ids ``[B, C]``, the ``n``-th that is kept: ``Context.after`` and
    ``Recollection.after``.
    """
    n_categories, n_pitches = chosen.shape[1], state.heard.shape[2]
    for b in range(len(chosen)):
        pitch, step = chosen[b, _PITCH], table.offset_bins[chosen[b, _OFFSET]]
        last = state.onset[b, n - 1] if n else 0
        interval = pitch - state.ids[b, _PITCH, n - 1] if n else _NOWHERE
        state.ids[b, :, n] = chosen[b]
        state.onset[b, n] = last + step
        state.end[b, n] = last + step + table.duration_bins[chosen[b, _DURATION]]
        state.interval[b, n] = interval
        state.position[b] = (state.position[b] + step) % table.bar[b]
        for m in range(_N_MEMORIES):
            _fade(state.heard[b, m], table.decay[m])
            state.heard[b, m, pitch] += 1
            if table.n_intervals:
                _fade(state.register[b, m], table.decay[m])
                state.register[b, m] += table.register[pitch]
        state.known[b, :n_categories] = chosen[b]
        for k in range(1, table.n_intervals + 1):
            apart = 0
            if k <= n:
                apart = pitch - state.ids[b, _PITCH, n - k] + n_pitches
            state.known[b, n_categories + k - 1] = apart
        state.known[b, n_categories + table.n_intervals] = state.position[b]
        if table.lookback_span:
            _find_places(table, state, b, n, pitch, interval)
            _follow(table, state, b, n, chosen[b])


@_compiled
def _fade(heard: Floats, decay: float) -> None:
    for i in range(len(heard)):
        heard[i] = _normal(heard[i] * decay)


@_compiled
def _towards(x: float, goal: float, share: float) -> np.float32:
    return _normal(np.float32(x + (goal - x) * share))


@_compiled
def _normal(x: np.float32) -> np.float32:
    """Zero for numbers that are almost: with those below the normal ones a processor takes a
    hundred times as long.
    """
    return x if x > _TINY else np.float32(0)


@_compiled
def _find_places(table: Table, state: State, b: int, n: int, pitch: int, interval: int) -> None:
    """Places like the one that comes, and how often there was one of late."""
    oldest = max(n + 1 - table.lookback_span, 0)
    ids, intervals = state.ids[b, _PITCH], state.interval[b]
    exact, turned = state.runs[b, 0], state.runs[b, 1]
    # a place is like the next event for as long as the one before it is like this event
    for p in range(n, max(oldest, 1) - 1, -1):
        exact[p] = exact[p - 1] + 1 if ids[p - 1] == pitch else 0
        moved = intervals[p - 1] == interval and interval != _NOWHERE
        turned[p] = turned[p - 1] + 1 if moved else 0
    if oldest == 0:
        exact[0] = turned[0] = 0
    found = 0
    like = np.zeros(_N_LIKE, np.float32)
    for p in range(oldest, n + 1):
        if exact[p] < _LIKE[0] and turned[p] < _LIKE[_N_SAME_PITCHES]:
            continue
        for k in range(_N_LIKE):
            run = exact[p] if k < _N_SAME_PITCHES else turned[p]
            is_like = run >= _LIKE[k]
            state.weights[b, found, k] = table.fading[n + 1 - p] if is_like else np.float32(0)
            if is_like:
                like[k] = 1
        state.places[b, found] = p
        found += 1
    state.n_places[b] = found
    for i, span in enumerate(table.spans):
        for k in range(_N_LIKE):
            state.echo_sums[b, i, k] = _towards(state.echo_sums[b, i, k], like[k], 1 / span)


@_compiled
def _follow(table: Table, state: State, b: int, n: int, chosen: Ints) -> None:
    """``Threads.after``."""
    span, onset = table.lookback_span, state.onset[b]
    for s in range(_N_THREADS):
        was_then = _right(state.said[b, s, _OFFSET], s, _OFFSET, chosen[_OFFSET])
        was_that = _right(state.said[b, s, _PITCH], s, _PITCH, chosen[_PITCH])
        for i, trust_span in enumerate(table.trust_spans):
            trust = state.trust[b, i]
            trust[0, s] = _towards(trust[0, s], was_then, 1 / trust_span)
            trust[1, s] = _towards(trust[1, s], was_then and was_that, 1 / trust_span)
    now = onset[n]
    before = onset[n - 1] if n else 0
    state.rank[b] = state.rank[b] + 1 if now == before else 0
    order = now * _ORDER + chosen[_PITCH]
    state.order[b, 0, n] = max(order, state.order[b, 0, n - 1]) if n else order
    state.order[b, 1, n] = now * _ORDER + state.rank[b]

    # of the places that are most like this one, the earliest
    oldest = max(n + 1 - span, 0)
    best = np.zeros(_N_FOUND, np.int64)
    for p in range(max(oldest, 1), n + 1):
        if state.runs[b, 0, p] < _THREAD_LIKE[0]:
            continue
        likeness = 0
        for least in _THREAD_LIKE:
            likeness += state.runs[b, 0, p] >= least
        for s in range(_N_FOUND):
            if likeness > best[s] and n + 1 - p >= _BACK[s]:
                best[s] = likeness
                state.lag[b, s] = now - onset[p - 1]

    is_full = n + 1 >= span
    for s in range(_N_FOUND + _N_ALWAYS):
        found = s < _N_FOUND
        lag = state.lag[b, s] if found else table.lags[b, s - _N_FOUND]
        orders = state.order[b, 0 if found else 1, : n + 1]
        wanted = orders[n] - lag * _ORDER
        there = oldest + _below(orders[oldest:], wanted + 1)
        said = state.said[b, s]
        said[:] = -1
        if lag > 0 and there <= n and not (is_full and there == oldest):
            step = onset[there] + lag - now
            offset = _below(table.offset_bins, step)
            if offset < len(table.offset_bins) and table.offset_bins[offset] == step:
                said[:] = state.ids[b, :, there]
                said[_OFFSET] = offset
        if not found:
            # about the same, as far from this pitch as there from the one before
            about = state.said[b, s + _N_ALWAYS]
            about[:] = -1
            pitch = chosen[_PITCH] + state.interval[b, min(there, n)]
            if said[_OFFSET] >= 0 and 0 <= pitch < state.heard.shape[2]:
                about[:] = said
                about[_PITCH] = pitch
    state.still[b] = state.said[b]
