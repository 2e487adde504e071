"""The LightningDataModule: extract once, split by piece, serve windows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from gan_music.data.batch import Batch
from gan_music.data.cache import ENCODED, NoteCache, default_cache_dir
from gan_music.data.datasets import MusicDataset
from gan_music.data.extraction import Extraction, extract_root
from gan_music.data.pack import n_drums, names, pitched, take, tempos
from gan_music.data.read_report import refusals
from gan_music.data.samplers import DistributedBatchSampler, WindowSampler
from gan_music.data.split import Split, split_pieces, subsample, work_of
from gan_music.io.read import CustomReader
from gan_music.music.piece import Piece
from gan_music.representations.base import Representation
from gan_music.representations.windows import WindowSpec
from gan_music.system.errors import UserError

log = logging.getLogger(__name__)

_MAX_UNAUGMENTED = 2**18  # windows


class MusicDataModule(LightningDataModule):
    """Batches of windows, from a folder of music, a pack or music21's corpus.

    ``prepare_data`` fills the cache; ``setup`` reads it, splits by piece, fits the representation
    to the training pieces and cuts windows.

    Parameters
    ----------
    representation : what a batch holds; files are read on its grid.
    root : a folder to read recursively, or a pack; None reads ``query`` from music21's corpus.
    reader : a key of ``io.read.READERS``.
    custom_readers : by suffix, of further formats.
    window, stride : notes in a window, and from the start of one window to that of the next.
    timeout_s, memory_mb : limits for reading one file.
    transpose, time_scales : training windows are transposed by up to so many semitones, and their
        times multiplied by one of these powers of two, drawn each epoch.
    jitter : training windows are shifted by up to half a stride, drawn each epoch.
    short : ``pad`` or ``refuse`` pieces that are shorter than a window.
    movement : a regular expression for what tells a movement from its work in a file's name; see
        ``work_of``.
    max_held_out : the largest number of validation, and of test pieces.
    on_device : whether training windows are kept, and cut, on the device that trains; None: if that
        is a GPU and they take at most half of its free memory.
    """

    def __init__(
        self,
        representation: Representation,
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
        n_windows: int | None = None,
        seed: int,
        custom_readers: Mapping[str, CustomReader] | None = None,
    ) -> None:
        super().__init__()
        self.cache = NoteCache(
            cache_dir or default_cache_dir(), representation.grid, reader, custom_readers
        )
        self._extract = partial(
            extract_root,
            root,
            query,
            self.cache,
            min_notes=min_notes,
            n_workers=n_workers,
            timeout_s=timeout_s,
            memory_mb=memory_mb,
        )
        self.representation = representation
        self.window, self.stride, self.batch_size = window, stride, batch_size
        self.val_rate, self.test_rate = val_rate, test_rate
        self.transpose, self.time_scales, self.pad_short = transpose, time_scales, short == "pad"
        self.jitter, self.movement, self.seed = jitter, movement, seed
        self.max_held_out, self.on_device = max_held_out, on_device
        self.n_windows = n_windows
        self.extraction: Extraction | None = None
        self.pieces: Split | None = None

    def prepare_data(self) -> None:
        # only this process keeps it; the others read the cache in ``setup``
        self.extraction = self._extract()

    def setup(self, stage: str | None = None) -> None:
        if self.pieces is not None:
            return
        if self.extraction is None:
            self.extraction = self._extract()
        if n := n_drums(self.extraction.pieces):
            log.info("%s notes of drums are left out: the representation has none", f"{n:,}")
        pieces = self._split(pitched(self.extraction.pieces))
        self.train_set = self._dataset(pieces.train, self.stride, self.time_scales)
        self.val_set = self._dataset(pieces.val, self.window, (1.0,))
        for split, dataset in (("train", self.train_set), ("val", self.val_set)):
            if not len(dataset):
                hint = ", or data.short=pad" if self.representation.can_pad else ""
                raise UserError(
                    f"no piece of the {split} split has data.window={self.window} notes: "
                    f"choose a smaller window{hint}."
                )
        self.pieces = pieces
        log.info(
            "split by piece: %d train, %d val, %d test; %s",
            *map(len, pieces),
            self.train_set.describe(),
        )

    def _split(self, pieces: Sequence[Piece]) -> Split:
        """Split the pieces, and fit the representation to the training pieces.

        Pieces without a place in the representation are listed as refused. The others are then
        split anew, so that no split is left empty, and the representation is fitted anew.
        """
        while True:
            split = split_pieces(
                pieces,
                val_rate=self.val_rate,
                test_rate=self.test_rate,
                movement=self.movement,
                suffixes=self.cache.suffixes,
            )
            split = Split(split.train, *(subsample(p, self.max_held_out) for p in split[1:]))
            self.representation.fit(split.train)
            taken = self._taken(pieces)
            if len(taken) == len(pieces):
                return split
            pieces = taken

    def _taken(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """The pieces that have a place in the representation; others are listed as refused."""
        assert self.extraction is not None
        if type(self.representation).refuses is Representation.refuses:
            return pieces
        why = [self.representation.refuses(p) for p in pieces]
        refused = {n: w for n, w in zip(names(pieces), why, strict=True) if w is not None}
        self.extraction.rejects.update(refused)
        for reason, count, _ in refusals(refused)[:3]:
            log.info("pieces left out: %d: %s", count, reason)
        return take(pieces, [i for i, w in enumerate(why) if w is None])

    def train_dataloader(self) -> DataLoader[Batch]:
        sampler = WindowSampler(
            len(self.train_set),
            first=self.n_windows,
            seed=self.seed,
            transpose=self.transpose,
            n_scales=len(self.time_scales),
            jitter=self.train_set.windows.spec.stride // 2 if self.jitter else 0,
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
            self.train_set.to(device)
        return self._loader(
            self.train_set,
            DistributedBatchSampler(
                sampler, self.batch_size, process=process, n_processes=n_processes, device=device
            ),
        )

    def _device(self) -> torch.device | None:
        """Where to keep training windows, or None for the CPU's memory."""
        if self.trainer is None:
            return None
        device = self.trainer.strategy.root_device
        if self.on_device is not None:
            return device if self.on_device else None
        if device.type != "cuda":
            return None
        fits = 2 * self.train_set.n_bytes <= torch.cuda.mem_get_info(device)[0]
        return device if fits else None

    def unaugmented_batches(self) -> Iterator[Batch]:
        """The training windows in order, or 262,144 of them evenly spread, at the time scale
        nearest to 1: what a model may be fitted to before training.
        """
        scale = int(np.argmin(np.abs(np.log(self.time_scales))))
        windows = range(0, len(self.train_set), -(-len(self.train_set) // _MAX_UNAUGMENTED))
        for first in range(0, len(windows), self.batch_size):
            some = windows[first : first + self.batch_size]
            yield self.train_set.unaugmented(some, scale=scale)

    def val_dataloader(self) -> DataLoader[Batch]:
        # every process validates on all windows, so that all agree on the result
        sampler = WindowSampler(len(self.val_set), seed=0)
        return self._loader(self.val_set, DistributedBatchSampler(sampler, self.batch_size))

    def works(self, pieces: Sequence[Piece]) -> list[str]:
        """The work that each piece is a movement of."""
        return [work_of(p.name, self.movement, self.cache.suffixes) for p in pieces]

    @property
    def has_padding(self) -> bool:
        """Whether training batches may hold padding."""
        return self.train_set.windows.has_padding

    @property
    def median_tempo(self) -> float:
        """Of the training pieces, in quarter notes a minute; samples are written at it."""
        assert self.pieces is not None
        return float(torch.tensor(tempos(self.pieces.train), dtype=torch.float32).median())

    @property
    def unit(self) -> str:
        """What a batch's size counts."""
        return self.representation.unit if self.train_set.windows.single else "windows"

    def _dataset(
        self, pieces: Sequence[Piece], stride: int, time_scales: Sequence[float]
    ) -> MusicDataset:
        return MusicDataset(
            pieces,
            self.representation,
            WindowSpec(self.window, stride, self.pad_short),
            time_scales=time_scales,
            folder=self.cache.root / ENCODED,
        )

    def _loader(self, dataset: MusicDataset, batches: DistributedBatchSampler) -> DataLoader[Batch]:
        # a batch is cut in microseconds: worker processes would only add overhead
        return _ResumableLoader(
            dataset,
            batch_sampler=batches,  # type: ignore[arg-type]  # yields tensors, not lists
            collate_fn=_identity,
            # otherwise each epoch's iterator would draw from the global random state
            generator=torch.Generator(),
        )


class _ResumableLoader(DataLoader[Batch]):
    """A loader that can resume within an epoch; checkpoints keep its state.

    The state is the number of batches given. Batches depend on seed and epoch alone
    (:class:`WindowSampler`), so that skipping the first ones takes no time.
    """

    batch_sampler: DistributedBatchSampler  # type: ignore[assignment]
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
