"""Pieces -> windows of events, and the order in which an epoch shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from gan_music.data.encoded import encoded
from gan_music.data.pack import PackedPieces
from gan_music.music.piece import IntArray, Piece, lengths
from gan_music.networks.note_space import PADDING
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples


class Item(NamedTuple):
    """What a sampler asks for: a window, and how it is to be changed.

    ``transposition`` is in semitones, ``scale`` the index of a time scale, ``shift`` how many notes
    later it begins.
    """

    window: int
    transposition: int = 0
    scale: int = 0
    shift: int = 0


class Cuts:
    """Where windows lie in an array of all notes: every ``stride`` notes of a piece, and so that
    its last note is seen.

    Kept by piece, since there are many more windows.

    Parameters
    ----------
    begins, sizes : where each piece begins, and its notes, ``[P]``.
    pad_short : a piece shorter than a window has one window all the same; otherwise none.
    """

    def __init__(
        self, begins: IntArray, sizes: IntArray, *, length: int, stride: int, pad_short: bool
    ) -> None:
        last = sizes - length  # where in its piece the last window starts
        n_windows = np.where(last >= 0, -(-last // stride) + 1, (sizes > 0) & pad_short)
        self.stride = stride
        self.n_windows = int(n_windows.sum())
        ends = np.cumsum(n_windows)
        self.ends, self.first = torch.from_numpy(ends), torch.from_numpy(ends - n_windows)
        self.begins, self.last = torch.from_numpy(begins), torch.from_numpy(last)
        self.sizes = torch.from_numpy(sizes)

    def piece(self, window: Tensor) -> Tensor:
        """The numbers of the pieces that windows are of, ``[B]``."""
        return torch.searchsorted(self.ends, window.to(self.ends.device), right=True)

    def at(self, window: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Where windows, moved by so many notes within their pieces, start, and where those pieces
        end, ``[B]`` each. One shorter than a window stays.
        """
        piece = self.piece(window)
        begins, last = self.begins[piece], self.last[piece]
        starts = torch.minimum((window - self.first[piece]) * self.stride, last) + shift
        starts = torch.maximum(torch.minimum(starts, last), torch.zeros_like(last))
        return begins + starts, begins + self.sizes[piece]

    def to(self, device: torch.device) -> None:
        """Keep it there."""
        for name in ("ends", "first", "begins", "last", "sizes"):
            setattr(self, name, getattr(self, name).to(device))


class WindowDataset(Dataset[Tensor]):
    """Windows of ``length`` events, cut every ``stride`` events from each piece, and from its end.

    A batch of :class:`Item` is one tensor of ids, int64 ``[B, T, C + 2]``. All events lie in one
    array of small integers: in memory, on disk (:mod:`gan_music.data.encoded`) or, after
    :meth:`to`, on a device. A batch is one indexing into it, and is made where it lies.

    Parameters
    ----------
    pad_short : a piece shorter than a window becomes one that ends in rows of -1; otherwise it
        gives none, and ``n_short`` counts it.
    time_scales : factors, powers of two, that all times of a window may be multiplied by; bars are
        scaled with them.
    folder : where the events of a pack are kept.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        codec: NoteEvents,
        *,
        length: int,
        stride: int,
        pad_short: bool = False,
        time_scales: Sequence[float] = (1.0,),
        folder: Path | None = None,
    ) -> None:
        self.length = length
        self.n_pitches = codec.n_pitches
        self.pad_short = pad_short
        sizes = lengths(pieces)
        self.n_short = int((sizes < length).sum())
        if isinstance(pieces, PackedPieces):
            self.n_folded = pieces.n_folded
        else:
            self.n_folded = sum(map(codec.n_folded, pieces))
        scaled = [encoded(pieces, codec, f, folder or Path()) for f in time_scales]
        # [N, C + 2] for each scale: a note has the same number on every scale
        self.events = [ids for ids, _ in scaled]
        self.cuts = Cuts(scaled[0][1], sizes, length=length, stride=stride, pad_short=pad_short)
        # the offset that an event takes where a window begins with it, by its position in the bar
        positions = np.arange(codec.n_positions)
        self.first_offset = torch.from_numpy(
            codec.first_offsets(np.stack([positions, positions], 1))
        )

    def __len__(self) -> int:
        return self.cuts.n_windows

    @property
    def n_bytes(self) -> int:
        """What the events take."""
        return sum(ids.numel() * ids.element_size() for ids in self.events)

    @property
    def has_padding(self) -> bool:
        """Whether some window is padded."""
        return self.pad_short and self.n_short > 0

    def to(self, device: torch.device) -> None:
        """Keep all events on a device, and make batches there."""
        self.events = [ids.to(device) for ids in self.events]
        self.first_offset = self.first_offset.to(device)
        self.cuts.to(device)

    def describe(self) -> str:
        """What is served, in words."""
        words = f"{len(self)} training windows of {self.length} notes"
        if self.n_short:
            what = "padded" if self.pad_short else "left out"
            words += f"; {self.n_short} pieces are shorter and {what}"
        if self.n_folded:
            words += f"; {self.n_folded} notes off the keyboard moved in by octaves"
        return words

    def __getitems__(self, items: Tensor | Sequence[tuple[int, ...]]) -> Tensor:
        index, transposition, scale, shift = (
            column.to(self.first_offset.device) for column in _columns(items)
        )
        starts, ends = self.cuts.at(index, shift)
        where = starts[:, None] + torch.arange(self.length, device=starts.device)
        padding = where >= ends[:, None]
        where = torch.minimum(where, ends[:, None] - 1)
        batch = self.events[0][where].long()
        for number, events in enumerate(self.events[1:], 1):
            batch = batch.where((scale != number)[:, None, None], events[where].long())
        batch[:, 0, 0] = self.first_offset[batch[:, 0, -2]]
        pitch = batch[..., 1]
        # a transposition off the keyboard is cut back to what fits
        low = -pitch.masked_fill(padding, self.n_pitches).amin(1)
        high = self.n_pitches - 1 - pitch.masked_fill(padding, 0).amax(1)
        batch[..., 1] = pitch + torch.clamp(transposition, low, high)[:, None]
        return batch.masked_fill_(padding[..., None], PADDING)

    def __getitem__(self, item: tuple[int, ...]) -> Tensor:
        return self.__getitems__([item])[0]


def _columns(items: Tensor | Sequence[tuple[int, ...]]) -> tuple[Tensor, ...]:
    """Rows of :class:`Item`, int64 ``[B, 4]`` or as tuples, a column a field."""
    if not isinstance(items, Tensor):
        items = torch.tensor([Item(*i) for i in items], dtype=torch.int64)
    return items.T.contiguous().unbind()


class ToneDataset(Dataset[Tensor]):
    """Windows of tones as quadruples, cut as :class:`WindowDataset` cuts them.

    A batch of :class:`Item` is one tensor, float ``[B, T, 4]``, without padding: pieces shorter
    than a window give none, and ``n_short`` counts them.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        codec: NoteQuadruples,
        *,
        length: int,
        stride: int,
        time_scales: Sequence[float] = (1.0,),
    ) -> None:
        self.codec = codec
        self.length = length
        sizes = lengths(pieces)
        self.n_short = int((sizes < length).sum())
        scaled = [[p.scaled(f) for p in pieces] for f in time_scales]
        # [S, N, 4] and [S, N]: a note has the same number on every scale
        self.tones = np.stack([np.concatenate([codec.tones(p) for p in side]) for side in scaled])
        self.first_times = np.stack(
            [np.concatenate([codec.first_times(p) for p in side]) for side in scaled]
        )
        begins = np.cumsum(sizes) - sizes
        self.cuts = Cuts(begins, sizes, length=length, stride=stride, pad_short=False)

    def __len__(self) -> int:
        return self.cuts.n_windows

    def describe(self) -> str:
        """What is served, in words."""
        words = f"{len(self)} training windows of {self.length} tones"
        return words + (f"; {self.n_short} pieces are shorter and left out" if self.n_short else "")

    def __getitems__(self, items: Tensor | Sequence[tuple[int, ...]]) -> Tensor:
        index, transposition, scale_, shift = _columns(items)
        starts, scale = self.cuts.at(index, shift)[0].numpy(), scale_.numpy()
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

    def __init__(self, pieces: Sequence[Piece], codec: NoteTriples) -> None:
        triples = [codec.encode(p) for p in pieces]
        self.triples = torch.from_numpy(np.concatenate([np.empty((0, 3), np.float32), *triples]))

    def __len__(self) -> int:
        return len(self.triples)

    def describe(self) -> str:
        """What is served, in words."""
        return f"{len(self)} training notes, each alone"

    def __getitems__(self, items: Tensor | Sequence[tuple[int, ...]]) -> Tensor:
        index, transposition, *_ = _columns(items)
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
        rows = torch.stack([field.long() for field in self.draw()], 1)
        return (Item(*row) for row in rows.tolist())

    def draw(self) -> list[Tensor]:
        """The fields of this epoch's items, ``[n]`` each, in integers that are just large enough:
        with many windows, they are what takes memory.
        """
        rng = np.random.default_rng((self.seed, self.epoch))
        n = self.n_windows
        drawn = [_small(rng.permutation(n))]
        for low, high in (
            (-self.transpose, self.transpose),
            (0, self.n_scales - 1),
            (-self.jitter, self.jitter),
        ):
            drawn.append(_small(rng.integers(low, high + 1, n)))
        return drawn


def _small(values: IntArray) -> Tensor:
    largest = int(np.abs(values).max(initial=0))
    return torch.from_numpy(values.astype(np.min_scalar_type(-largest - 1)))


class Batches(Sampler[Tensor]):
    """A sampler's items in batches ``[B, 4]``, dealt out to ``n_processes``: each item to one.

    Each gets as many batches as the others, of ``batch_size`` items; of what is left at the end,
    one more or less than the others, so that none waits for another's step. Where too little is
    left for all of them, it goes into the batches before. They are cut on ``device``.
    """

    def __init__(
        self,
        sampler: WindowSampler,
        batch_size: int,
        *,
        process: int = 0,
        n_processes: int = 1,
        device: torch.device | None = None,
    ) -> None:
        if len(sampler) < n_processes:
            raise ValueError(f"{len(sampler)} items are too few for {n_processes} processes")
        self.sampler, self.process, self.n_processes = sampler, process, n_processes
        self.device = device
        self.step = batch_size * n_processes  # items that all processes take in one batch
        n_whole, rest = divmod(len(sampler), self.step)
        self.n_batches = n_whole + (rest >= n_processes)
        self.first = 0  # the batch that the next epoch begins with: a resumed one has seen others

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Tensor]:
        first, self.first = self.first, 0
        fields = [f.to(self.device) for f in self.sampler.draw()]
        for number in range(first, self.n_batches):
            last = number == self.n_batches - 1
            shared = slice(number * self.step, None if last else (number + 1) * self.step)
            mine = [f[shared][self.process :: self.n_processes] for f in fields]
            yield torch.stack([f.long() for f in mine], 1)
