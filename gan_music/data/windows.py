"""Pieces -> windows of events, and the order in which an epoch shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from gan_music.events import EventCodec
from gan_music.networks.events import PADDING
from gan_music.notes import IntArray, Piece
from gan_music.quadruples import QuadrupleCodec
from gan_music.triples import TripleCodec


class Item(NamedTuple):
    """What a sampler asks for: a window, and how it is to be changed.

    ``transposition`` is in semitones, ``scale`` the index of a time scale, ``shift`` how many notes
    later it begins.
    """

    window: int
    transposition: int = 0
    scale: int = 0
    shift: int = 0


class WindowDataset(Dataset[Tensor]):
    """Windows of ``length`` events, cut every ``stride`` events from each piece, and from its end.

    A batch of :class:`Item` is one tensor of ids, int64 ``[B, T, C + 2]``. All events lie in one
    array, and a batch is one indexing into it.

    Parameters
    ----------
    pad_short : a piece shorter than a window becomes one that ends in rows of -1; otherwise it
        gives none, and ``n_short`` counts it.
    time_scales : factors, powers of two, that all times of a window may be multiplied by; bars are
        scaled with them.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        codec: EventCodec,
        *,
        length: int,
        stride: int,
        pad_short: bool = False,
        time_scales: Sequence[float] = (1.0,),
    ) -> None:
        self.length = length
        self.n_pitches = codec.n_pitches
        self.pad_short = pad_short
        self.n_short = sum(len(p) < length for p in pieces)
        self.n_folded = sum(map(codec.n_folded, pieces))
        width = len(codec.sizes) + 2
        nothing = np.full((length, width), PADDING)  # after the last piece, so that indices exist
        encoded = [[codec.encode(p.scaled(f)) for p in pieces] for f in time_scales]
        first = [[codec.first_offsets(i) for i in ids] for ids in encoded]
        # [S, N, C + 2] and [S, N]: a note has the same number on every scale
        self.events = torch.from_numpy(np.stack([np.concatenate([*e, nothing]) for e in encoded]))
        self.first_offset = torch.from_numpy(
            np.stack([np.concatenate([np.empty(0, np.int64), *f]) for f in first])
        )
        self.starts, self.begins, self.ends = _cuts(pieces, length, stride, pad_short)

    def __len__(self) -> int:
        return len(self.starts)

    def describe(self) -> str:
        """What is served, in words."""
        words = f"{len(self)} training windows of {self.length} notes"
        if self.n_short:
            what = "padded" if self.pad_short else "left out"
            words += f"; {self.n_short} pieces are shorter and {what}"
        if self.n_folded:
            words += f"; {self.n_folded} notes off the keyboard moved in by octaves"
        return words

    def __getitems__(self, items: Sequence[tuple[int, ...]]) -> Tensor:
        asked = torch.tensor([Item(*i) for i in items], dtype=torch.int64)
        index, transposition, scale, shift = asked.T
        ends = self.ends[index]
        starts = _shifted(self.starts[index], shift, self.begins[index], ends - self.length)
        where = starts[:, None] + torch.arange(self.length)
        batch = self.events[scale[:, None], where]
        batch[:, 0, 0] = self.first_offset[scale, starts]
        padding = where >= ends[:, None]
        pitch = batch[..., 1]
        # a transposition off the keyboard is cut back to what fits
        low = -pitch.masked_fill(padding, self.n_pitches).amin(1)
        high = self.n_pitches - 1 - pitch.masked_fill(padding, 0).amax(1)
        batch[..., 1] = pitch + torch.clamp(transposition, low, high)[:, None]
        return batch.masked_fill_(padding[..., None], PADDING)

    def __getitem__(self, item: tuple[int, ...]) -> Tensor:
        return self.__getitems__([item])[0]


def _cuts(
    pieces: Sequence[Piece], length: int, stride: int, pad_short: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Where each window starts in the array of all notes, and where its piece begins and ends."""
    sizes = np.array([len(p) for p in pieces], dtype=np.int64)
    ends = np.cumsum(sizes)
    begins = ends - sizes
    starts = [_starts(n, length, stride, pad_short) for n in sizes.tolist()]
    n_windows = [len(s) for s in starts]
    within = np.concatenate([np.empty(0, np.int64), *starts])
    begins, ends = (np.repeat(x, n_windows) for x in (begins, ends))
    return torch.from_numpy(begins + within), torch.from_numpy(begins), torch.from_numpy(ends)


def _shifted(starts: Tensor, shift: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Starts moved by ``shift`` notes, within the piece; one shorter than a window stays."""
    return torch.maximum(torch.minimum(starts + shift, last), first)


def _starts(n_notes: int, length: int, stride: int, pad_short: bool) -> IntArray:
    """Where windows begin in a piece: every ``stride`` notes, and so that the last note is seen."""
    if n_notes < length:
        return np.zeros(int(pad_short and n_notes > 0), dtype=np.int64)
    last = n_notes - length
    return np.append(np.arange(0, last, stride), last)


class ToneDataset(Dataset[Tensor]):
    """Windows of tones as quadruples, cut as :class:`WindowDataset` cuts them.

    A batch of :class:`Item` is one tensor, float ``[B, T, 4]``, without padding: pieces shorter
    than a window give none, and ``n_short`` counts them.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        codec: QuadrupleCodec,
        *,
        length: int,
        stride: int,
        time_scales: Sequence[float] = (1.0,),
    ) -> None:
        self.codec = codec
        self.length = length
        self.n_short = sum(len(p) < length for p in pieces)
        scaled = [[p.scaled(f) for p in pieces] for f in time_scales]
        # [S, N, 4] and [S, N]: a note has the same number on every scale
        self.tones = np.stack([np.concatenate([codec.tones(p) for p in side]) for side in scaled])
        self.first_times = np.stack(
            [np.concatenate([codec.first_times(p) for p in side]) for side in scaled]
        )
        self.starts, self.begins, self.ends = _cuts(pieces, length, stride, pad_short=False)

    def __len__(self) -> int:
        return len(self.starts)

    def describe(self) -> str:
        """What is served, in words."""
        words = f"{len(self)} training windows of {self.length} tones"
        return words + (f"; {self.n_short} pieces are shorter and left out" if self.n_short else "")

    def __getitems__(self, items: Sequence[tuple[int, ...]]) -> Tensor:
        asked = torch.tensor([Item(*i) for i in items], dtype=torch.int64)
        index, transposition, scale, shift = asked.T
        last = self.ends[index] - self.length
        starts = _shifted(self.starts[index], shift, self.begins[index], last).numpy()
        scale = scale.numpy()
        batch = self.tones[scale[:, None], starts[:, None] + np.arange(self.length)]
        batch[:, 0, 3] = self.first_times[scale, starts]
        pitch = batch[..., 1]
        # a transposition beyond what a MIDI file can hold is cut back to what fits
        pitch += np.clip(transposition.numpy(), -pitch.min(1), 127 - pitch.max(1))[:, None]
        return torch.from_numpy(self.codec.scale(batch))

    def __getitem__(self, item: tuple[int, ...]) -> Tensor:
        return self.__getitems__([item])[0]


class NoteDataset(Dataset[Tensor]):
    """Single notes as the paper's triples; a batch is one tensor, float ``[B, 3]``.

    Of an :class:`Item` the time scale and the shift are left aside.
    """

    def __init__(self, pieces: Sequence[Piece], codec: TripleCodec) -> None:
        triples = [codec.encode(p) for p in pieces]
        self.triples = torch.from_numpy(np.concatenate([np.empty((0, 3), np.float32), *triples]))

    def __len__(self) -> int:
        return len(self.triples)

    def describe(self) -> str:
        """What is served, in words."""
        return f"{len(self)} training notes, each alone"

    def __getitems__(self, items: Sequence[tuple[int, ...]]) -> Tensor:
        index, transposition, *_ = torch.tensor([Item(*i) for i in items], dtype=torch.int64).T
        batch = self.triples[index]
        batch[:, 0] += transposition
        return batch

    def __getitem__(self, item: tuple[int, ...]) -> Tensor:
        return self.__getitems__([item])[0]


class WindowSampler(Sampler[Item]):
    """Every window once an epoch, shuffled, each changed by a draw of its own.

    It is transposed by -transpose..transpose semitones, its time scale is one of ``n_scales``, and
    it begins up to ``jitter`` notes earlier or later.
    Order and draws depend on the seed and the epoch alone, so a resumed run sees what the
    undisturbed one would have seen.
    """

    def __init__(
        self, n_windows: int, *, seed: int, transpose: int = 0, n_scales: int = 1, jitter: int = 0
    ) -> None:
        self.n_windows = n_windows
        self.seed = seed
        self.transpose = transpose
        self.n_scales = n_scales
        self.jitter = jitter
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_windows

    def __iter__(self) -> Iterator[Item]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.n_windows)
        transpositions = rng.integers(-self.transpose, self.transpose + 1, self.n_windows)
        scales = rng.integers(0, self.n_scales, self.n_windows)
        jitters = rng.integers(-self.jitter, self.jitter + 1, self.n_windows)
        drawn = (order, transpositions, scales, jitters)
        return map(Item, *(x.tolist() for x in drawn))


class Batches(Sampler[list[Item]]):
    """A sampler's items in batches, dealt out to ``n_processes``: each item to one of them.

    Each gets as many batches as the others, of ``batch_size`` items; of what is left at the end,
    one more or less than the others, so that none waits for another's step. Where too little is
    left for all of them, it goes into the batches before.
    """

    def __init__(
        self, sampler: WindowSampler, batch_size: int, *, process: int = 0, n_processes: int = 1
    ) -> None:
        if len(sampler) < n_processes:
            raise ValueError(f"{len(sampler)} items are too few for {n_processes} processes")
        self.sampler, self.process, self.n_processes = sampler, process, n_processes
        self.step = batch_size * n_processes  # items that all processes take in one batch
        n_whole, rest = divmod(len(sampler), self.step)
        self.n_batches = n_whole + (rest >= n_processes)
        self.first = 0  # the batch that the next epoch begins with: a resumed one has seen others

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[Item]]:
        items = list(self.sampler)
        first, self.first = self.first, 0
        for number in range(first, self.n_batches):
            last = number == self.n_batches - 1
            shared = items[number * self.step : None if last else (number + 1) * self.step]
            yield shared[self.process :: self.n_processes]
