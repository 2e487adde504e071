"""The voices of a piece: its tracks where those are voices, or a separation by contigs.

Contig mapping (Chew & Wu 2004, "Separating voices in polyphonic music: a contig mapping approach"):
a contig is a stretch of time with a constant number of sounding notes, whose voices follow from
their heights. The contigs with most notes have all voices. From each of them, voices are continued
into its neighbours, so that none cross and the intervals are smallest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_music.music.piece import IntArray, Piece

_MAX_VOICES = 16  # of more notes at once, the highest ones
_MONOPHONIC = 0.98  # share of a track's notes that overlap no other, for it to be a voice
_FAR = 1 << 20


class Slices(NamedTuple):
    """What sounds between successive changes, ``S`` of them.

    Attributes
    ----------
    start : the step at which each begins, ``[S]``.
    note : the note that each voice sounds, or -1, ``[S, V]``, from the highest voice.
    """

    start: IntArray
    note: IntArray

    @property
    def n_voices(self) -> int:
        return int(self.note.shape[1])


def separate(piece: Piece) -> IntArray:
    """The voice of each note, from the highest, ``[N]``; -1 of a note that has none.

    Voices are the tracks where each of several is monophonic, from the highest on average.
    """
    if (voices := tracks_as_voices(piece)) is not None:
        return voices
    voice = np.full(len(piece), -1, np.int64)
    for contig, lanes in _mapped(piece):
        for row, lane in zip(contig.T, lanes, strict=True):
            # a note keeps the voice in which it begins
            fresh = row[voice[row] < 0]
            voice[fresh] = lane
    return voice


def slices(piece: Piece, voice: IntArray | None = None) -> Slices:
    """The sounding note of each voice at each onset of the piece.

    Of notes of one voice that sound together, the last to begin counts, and of those the highest.
    """
    voice = separate(piece) if voice is None else voice
    start = np.unique(piece.onset)
    note = np.full((len(start), int(voice.max(initial=-1)) + 1), -1, np.int64)
    first = np.searchsorted(start, piece.onset)
    last = np.searchsorted(start, piece.onset + piece.duration)
    for i in np.lexsort((piece.pitch, piece.onset)).tolist():
        if voice[i] >= 0:
            note[first[i] : last[i], voice[i]] = i
    return Slices(start, note)


def tracks_as_voices(piece: Piece) -> IntArray | None:
    """The voice of each note, ``[N]``, if there are several tracks and each is monophonic."""
    used, track = np.unique(piece.track, return_inverse=True)
    if len(used) < 2:
        return None
    for k in range(len(used)):
        own = np.flatnonzero(track == k)
        ends = np.maximum.accumulate((piece.onset + piece.duration)[own])
        if (piece.onset[own][1:] >= ends[:-1]).mean() < _MONOPHONIC:
            return None
    heights = [-piece.pitch[track == k].mean() for k in range(len(used))]
    return np.argsort(np.argsort(heights, kind="stable"))[track]


def _mapped(piece: Piece) -> list[tuple[IntArray, IntArray]]:
    """Contigs as notes ``[S, n]``, in order of time, each with the voices of its ``n`` lanes."""
    contigs = _contigs(piece)
    if not contigs:
        return []
    sizes = np.array([c.shape[1] for c in contigs])
    n = int(sizes.max())
    seeds = np.flatnonzero(sizes == n)
    lanes: dict[int, IntArray] = {int(i): np.arange(n) for i in seeds}
    borders = (seeds[:-1] + seeds[1:] + 1) // 2
    starts, stops = np.r_[0, borders], np.r_[borders, len(contigs)]
    for seed, start, stop in zip(seeds.tolist(), starts.tolist(), stops.tolist(), strict=True):
        for order, ends in ((range(seed, stop), (0, -1)), (range(seed, start - 1, -1), (-1, 0))):
            near, far = ends
            pitch = np.zeros(n, np.int64)  # the nearest of each voice in time
            held = np.full(n, -1, np.int64)
            for i in order:
                if i != seed:
                    lanes[i] = _connect(piece.pitch, contigs[i][near], pitch, held)
                held = np.full(n, -1, np.int64)
                held[lanes[i]] = contigs[i][far]
                pitch[lanes[i]] = piece.pitch[contigs[i][far]]
    return [(contig, lanes[i]) for i, contig in enumerate(contigs)]


def _contigs(piece: Piece) -> list[IntArray]:
    """The sounding notes, from the highest, of each stretch with a constant number of them."""
    end = piece.onset + piece.duration
    times = np.unique(np.concatenate([piece.onset, end]))
    first, last = np.searchsorted(times, piece.onset), np.searchsorted(times, end)
    sounding: list[list[int]] = [[] for _ in times[:-1]]
    for i in np.argsort(-piece.pitch, kind="stable").tolist():
        for k in range(first[i], last[i]):
            if len(sounding[k]) < _MAX_VOICES:
                sounding[k].append(i)
    found: list[list[list[int]]] = []
    size = 0
    for notes in sounding:
        if notes and len(notes) == size:
            found[-1].append(notes)
        elif notes:
            found.append([notes])
        size = len(notes)
    return [np.array(contig) for contig in found]


def _connect(pitches: IntArray, notes: IntArray, pitch: IntArray, held: IntArray) -> IntArray:
    """The voices of these notes, from the highest; none cross, and their intervals are smallest.

    A note that is held stays in its voice.
    """
    n, m = len(notes), len(pitch)
    cost = np.abs(pitches[notes][:, None] - pitch).astype(np.int64)
    cost[(notes[:, None] == held)] = -_FAR
    # best[i, j]: the first i notes in the first j voices
    best = np.full((n + 1, m + 1), np.iinfo(np.int64).max // 4, np.int64)
    best[0] = 0
    for i in range(1, n + 1):
        for j in range(i, m - n + i + 1):
            best[i, j] = min(best[i, j - 1], best[i - 1, j - 1] + cost[i - 1, j - 1])
    lanes = np.empty(n, np.int64)
    j = m
    for i in range(n, 0, -1):
        while j > i and best[i, j] == best[i, j - 1]:
            j -= 1
        lanes[i - 1] = j = j - 1
    return lanes
