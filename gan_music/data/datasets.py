"""Pieces -> batches of training examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from gan_music.data.batch import Batch
from gan_music.data.encoded import encoded
from gan_music.data.pack import n_off_keyboard
from gan_music.data.samplers import Item
from gan_music.music.piece import Piece
from gan_music.representations.base import Representation
from gan_music.representations.windows import WindowSpec
from gan_music.system.errors import UserError


class MusicDataset(Dataset[Batch]):
    """Windows of pieces in a representation; indexed by a batch of :class:`Item` at once.

    The rows of all pieces lie in one array for each time scale: in memory, in a memory-mapped file
    (:mod:`gan_music.data.encoded`) or, after :meth:`to`, on a device. A batch is one indexing into
    it, on that device.

    Parameters
    ----------
    time_scales : powers of two by which all times of a piece, its bars included, are multiplied.
    folder : where the rows of a pack are kept.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        representation: Representation,
        spec: WindowSpec,
        *,
        time_scales: Sequence[float] = (1.0,),
        folder: Path | None = None,
    ) -> None:
        self.representation = representation
        self.n_folded = n_off_keyboard(pieces) if representation.folds_pitch else 0
        scaled = [encoded(pieces, representation, f, folder or Path()) for f in time_scales]
        # [N, ...] for each scale: a note has the same index at every scale
        self.rows = [rows for rows, _, _ in scaled]
        if len({len(rows) for rows in self.rows}) > 1:
            raise UserError(
                f"data.time_scales={list(time_scales)}: pieces of {representation.unit} have other "
                "lengths at each scale, so give data.time_scales=[1.0]."
            )
        self.windows = representation.cut(*scaled[0][1:], spec)
        self.device = torch.device("cpu")

    def __len__(self) -> int:
        return self.windows.n_windows

    @property
    def n_bytes(self) -> int:
        """The size of all rows."""
        return sum(rows.numel() * rows.element_size() for rows in self.rows)

    def to(self, device: torch.device) -> None:
        """Move all rows to a device, and make batches there."""
        self.rows = [rows.to(device) for rows in self.rows]
        self.windows.to(device)
        self.device = device

    def describe(self) -> str:
        """A summary for the log."""
        unit, (length, _, pads) = self.representation.unit, self.windows.spec
        if self.windows.single:
            return f"{len(self)} training {unit}, each alone"
        words = f"{len(self)} training windows of {length} {unit}"
        if n_short := self.windows.n_short:
            words += f"; {n_short} pieces are shorter and {'padded' if pads else 'left out'}"
        if self.n_folded:
            words += f"; {self.n_folded} notes off the keyboard moved in by octaves"
        return words

    def unaugmented(self, windows: range, *, scale: int = 0) -> Batch:
        """These windows without transposition or shift."""
        return self.__getitems__([Item(i, scale=scale) for i in windows])

    def __getitems__(self, items: Tensor | Sequence[tuple[int, ...]]) -> Batch:
        if not isinstance(items, Tensor):
            items = torch.tensor([Item(*i) for i in items], dtype=torch.int64)
        window, transposition, scale, shift = items.to(self.device).T.contiguous().unbind()
        where, mask, piece = self.windows.rows(window, shift)
        rows = self.rows[0][where]
        for number, others in enumerate(self.rows[1:], 1):
            is_other = (scale == number).view(-1, *[1] * (rows.ndim - 1))
            rows = torch.where(is_other, others[where], rows)
        x = self.representation.augment(rows, mask, transposition)
        return Batch(x, mask, {}, piece)
