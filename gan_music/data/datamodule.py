"""The LightningDataModule: extract once, split by piece, serve windows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from gan_music.data.cache import EVENTS, NoteCache, default_cache_dir
from gan_music.data.datasets import (
    Batches,
    Item,
    NoteDataset,
    ToneDataset,
    WindowDataset,
    WindowSampler,
)
from gan_music.data.extract import Extraction, extract_root
from gan_music.data.pack import tempos
from gan_music.data.split import Split, few, split_pieces
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples
from gan_music.system.errors import UserError

Codec = NoteEvents | NoteQuadruples | NoteTriples
Items = NoteDataset | ToneDataset | WindowDataset
log = logging.getLogger(__name__)

_ENOUGH = 2**18  # windows that anything is fitted to beforehand


class MusicDataModule(LightningDataModule):
    """Windows of events or of tones, or single notes, from a folder or from music21's corpus.

    ``prepare_data`` fills the cache; ``setup`` reads it, splits by piece and cuts windows.

    Parameters
    ----------
    codec : what notes become. Events come in windows, int64 ``[B, T, C + 2]``; quadruples too,
        float ``[B, T, 4]``; triples one by one, float ``[B, 3]``. Its grid is the one that files
        are read on; how training pieces begin, or how their values are spread, is fitted into it.
    root : a folder to read recursively, or a pack; None reads ``query`` from music21's corpus.
    reader : a key of ``io.read.READERS``.
    window, stride : notes in a window, and notes from one window's start to the next one's.
    timeout_s, memory_mb : what reading one file may take.
    transpose, time_scales : training windows are transposed by up to so many semitones, and their
        times multiplied by one of these powers of two, drawn anew each epoch.
    jitter : training windows begin up to half a stride earlier or later, drawn anew each epoch.
    short : ``pad`` or ``refuse`` pieces that are shorter than a window.
    movement : what of a file's name tells a movement from its work; see ``work_of``.
    max_held_out : pieces of the validation and of the test split that are looked at.
    on_device : whether training windows are kept, and cut, on the device that trains; None: where
        that is a GPU and they take no more than half of its free memory.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        root: Path | None,
        query: str | list[str],
        cache_dir: Path | None,
        reader: str,
        window: int,
        stride: int,
        batch_size: int,
        val_rate: float,
        test_rate: float,
        transpose: int,
        time_scales: Sequence[float],
        jitter: bool,
        short: str,
        movement: str | None,
        min_notes: int,
        n_workers: int | None,
        timeout_s: float,
        memory_mb: int,
        max_held_out: int,
        on_device: bool | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.root, self.query = root, query
        self.cache = NoteCache(cache_dir or default_cache_dir(), codec.grid, reader)
        self.codec = codec
        self.window, self.stride, self.batch_size = window, stride, batch_size
        self.val_rate, self.test_rate = val_rate, test_rate
        self.transpose, self.time_scales, self.pad_short = transpose, time_scales, short == "pad"
        self.jitter, self.movement, self.min_notes, self.n_workers = (
            jitter,
            movement,
            min_notes,
            n_workers,
        )
        self.timeout_s, self.memory_mb = timeout_s, memory_mb
        self.max_held_out, self.on_device = max_held_out, on_device
        self.seed = seed
        self.extraction: Extraction | None = None
        self.pieces: Split | None = None

    def extract(self, pack: Path | None = None) -> Extraction:
        """Read all sources, through the cache, and into a pack where one is named."""
        return extract_root(
            self.root,
            self.query,
            self.cache,
            pack=pack,
            min_notes=self.min_notes,
            n_workers=self.n_workers,
            timeout_s=self.timeout_s,
            memory_mb=self.memory_mb,
        )

    def prepare_data(self) -> None:
        # kept only to spare this process a second look; other processes find the cache filled
        self.extraction = self.extract()

    def setup(self, stage: str | None = None) -> None:
        if self.pieces is not None:
            return
        if self.extraction is None:
            self.extraction = self.extract()
        pieces = split_pieces(
            self.extraction.pieces,
            val_rate=self.val_rate,
            test_rate=self.test_rate,
            movement=self.movement,
        )
        pieces = Split(pieces.train, *(few(side, self.max_held_out) for side in pieces[1:]))
        if isinstance(self.codec, NoteEvents):
            self.codec.fit_starts(pieces.train)
        elif isinstance(self.codec, NoteQuadruples):
            self.codec.fit(pieces.train)
        self.train_items = self._items(pieces.train, self.stride, self.time_scales)
        self.val_items = self._items(pieces.val, self.window, (1.0,))
        for side, items in (("train", self.train_items), ("val", self.val_items)):
            if not len(items):
                pads = isinstance(self.codec, NoteEvents)
                raise UserError(
                    f"no piece of the {side} split has data.window={self.window} notes: "
                    f"choose a smaller window{', or data.short=pad' if pads else ''}."
                )
        self.pieces = pieces
        log.info(
            "split by piece: %d train, %d val, %d test; %s",
            *map(len, pieces),
            self.train_items.describe(),
        )

    def train_dataloader(self) -> DataLoader[Tensor]:
        sampler = WindowSampler(
            len(self.train_items),
            seed=self.seed,
            transpose=self.transpose,
            n_scales=len(self.time_scales),
            jitter=self.stride // 2 if self.jitter else 0,
        )
        process, n_processes = 0, 1
        if self.trainer is not None:
            process, n_processes = self.trainer.global_rank, self.trainer.world_size
        if len(sampler) < n_processes:
            raise UserError(
                f"{len(sampler)} training windows are too few for {n_processes} processes: name a "
                "smaller trainer.devices, or a smaller data.stride."
            )
        device = self._device()
        if device is not None:
            assert isinstance(self.train_items, WindowDataset)
            self.train_items.to(device)
        return self._loader(
            self.train_items,
            Batches(
                sampler, self.batch_size, process=process, n_processes=n_processes, device=device
            ),
        )

    def _device(self) -> torch.device | None:
        """Where training windows are to be kept, if not in this machine's memory."""
        if self.trainer is None or not isinstance(self.train_items, WindowDataset):
            return None
        device = self.trainer.strategy.root_device
        if self.on_device is not None:
            return device if self.on_device else None
        if device.type != "cuda":
            return None
        return (
            device if 2 * self.train_items.n_bytes <= torch.cuda.mem_get_info(device)[0] else None
        )

    def plain_training_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every training window once, or as many evenly spread ones as are enough, as they are, and
        the numbers of the pieces that they are of: for what is fitted beforehand.
        """
        assert isinstance(self.train_items, WindowDataset)
        # the time scale that is nearest to none
        scale = int(np.argmin(np.abs(np.log(self.time_scales))))
        every = -(-len(self.train_items) // _ENOUGH)
        items = [Item(i, scale=scale) for i in range(0, len(self.train_items), every)]
        for first in range(0, len(items), self.batch_size):
            some = items[first : first + self.batch_size]
            numbers = torch.tensor([item.window for item in some])
            yield self.train_items.__getitems__(some), self.train_items.cuts.piece(numbers)

    def val_dataloader(self) -> DataLoader[Tensor]:
        # all of it in each process: so they agree, and none waits for another
        sampler = WindowSampler(len(self.val_items), seed=0)
        return self._loader(self.val_items, Batches(sampler, self.batch_size))

    @property
    def median_tempo(self) -> float:
        """The tempo of what is written after the training pieces, in quarters a minute."""
        assert self.pieces is not None
        return float(torch.tensor(tempos(self.pieces.train), dtype=torch.float32).median())

    @property
    def unit(self) -> str:
        """What a batch is a number of."""
        return "notes" if isinstance(self.codec, NoteTriples) else "windows"

    def _items(self, pieces: Sequence[Piece], stride: int, time_scales: Sequence[float]) -> Items:
        if isinstance(self.codec, NoteTriples):
            return NoteDataset(pieces, self.codec)
        if isinstance(self.codec, NoteQuadruples):
            return ToneDataset(
                pieces,
                self.codec,
                length=self.window,
                stride=stride,
                time_scales=time_scales,
            )
        return WindowDataset(
            pieces,
            self.codec,
            length=self.window,
            stride=stride,
            pad_short=self.pad_short,
            time_scales=time_scales,
            folder=self.cache.root / EVENTS,
        )

    def _loader(self, items: Items, batches: Batches) -> DataLoader[Tensor]:
        # batches are cut from memory in microseconds: worker processes would only cost
        return _Resumable(
            items,
            batch_sampler=batches,  # type: ignore[arg-type]  # a batch's items are one tensor
            collate_fn=_identity,
            # otherwise each epoch's iterator would draw from the global random state
            generator=torch.Generator(),
        )


class _Resumable(DataLoader[Tensor]):
    """A loader that goes on within an epoch; the trainer keeps its state in checkpoints.

    The state is how many batches it has given. The batches themselves depend on seed and epoch
    alone (:class:`WindowSampler`), so leaving out the first ones takes no time.
    """

    batch_sampler: Batches  # type: ignore[assignment]  # whose batches are one tensor each
    _n_given = 0

    def __iter__(self) -> Any:
        self._n_given = self.batch_sampler.first
        for batch in super().__iter__():
            self._n_given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"n_given": self._n_given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.batch_sampler.first = state["n_given"] % len(self.batch_sampler)


def _identity(batch: Any) -> Any:
    return batch
