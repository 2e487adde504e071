"""Where training windows lie in the rows of all pieces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_music.music.piece import IntArray


class WindowSpec(NamedTuple):
    """How pieces are cut: windows of ``length`` rows, every ``stride`` rows.

    ``pad_short`` gives a piece that is shorter than a window one padded window; otherwise it has
    none. If all are shorter, windows are as long as the longest piece.
    """

    length: int
    stride: int
    pad_short: bool = False


class Windows:
    """The windows of all pieces; each piece's last one ends with its last row.

    Stored by piece (40 bytes each), because there are many more windows than pieces.

    Parameters
    ----------
    begins, sizes : the first row and the number of rows of each piece, ``[P]``.
    single : an example is one row without a time axis; needs windows of length 1.
    """

    def __init__(
        self, begins: IntArray, sizes: IntArray, spec: WindowSpec, *, single: bool = False
    ) -> None:
        if spec.pad_short:
            spec = spec._replace(length=min(spec.length, int(sizes.max(initial=1))))
        self.spec, self.single = spec, single
        last = sizes - spec.length  # where in its piece the last window starts
        n_windows = np.where(last >= 0, -(-last // spec.stride) + 1, (sizes > 0) & spec.pad_short)
        self.n_short = int((last < 0).sum())
        self.n_windows = int(n_windows.sum())
        ends = np.cumsum(n_windows)
        self.ends, self.first = torch.from_numpy(ends), torch.from_numpy(ends - n_windows)
        self.begins, self.last = torch.from_numpy(begins), torch.from_numpy(last)
        self.sizes = torch.from_numpy(sizes)

    @property
    def has_padding(self) -> bool:
        """Whether some window is padded."""
        return self.spec.pad_short and self.n_short > 0

    def rows(self, window: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of windows, each shifted by so many rows within its piece; single rows stay.

        Returns row indices and a mask, False where the window is padded, ``[B, T]`` each, or
        ``[B]`` for single rows; and the index of each window's piece, ``[B]``.
        """
        piece = torch.searchsorted(self.ends, window, right=True)
        begins, number = self.begins[piece], window - self.first[piece]
        if self.single:
            return begins + number, torch.ones_like(piece, dtype=torch.bool), piece
        last = self.last[piece]
        starts = torch.minimum(number * self.spec.stride, last) + shift
        starts = begins + torch.maximum(torch.minimum(starts, last), torch.zeros_like(last))
        ends = (begins + self.sizes[piece])[:, None]
        where = starts[:, None] + torch.arange(self.spec.length, device=starts.device)
        return torch.minimum(where, ends - 1), where < ends, piece

    def to(self, device: torch.device) -> None:
        """Move the index of windows to a device."""
        for name in ("ends", "first", "begins", "last", "sizes"):
            setattr(self, name, getattr(self, name).to(device))
