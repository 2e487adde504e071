"""C-RNN-GAN's quadruples of real numbers (Mogren 2016, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.representations.base import Decoded, DeviceTable, Representation

FloatArray = NDArray[np.float32]

# Quarter notes. Longer notes and rests are shortened to it, as the bins of note events do: a single
# rest of minutes would otherwise dominate the standard deviation.
_LONGEST = 8.0
# A MIDI file stores a time in 28 bits; this many quarter notes are beyond music and well within.
_MAX_QUARTERS = 1024.0

_HERTZ = DeviceTable(440 * 2 ** ((np.arange(128, dtype=np.float32) - 69) / 12))


class NoteQuadruples(Representation):
    """A note as (length, frequency, intensity, time), float32.

    =========  ============================================  ====================
    column     meaning                                       decoded to
    =========  ============================================  ====================
    length     quarter notes, at most 8                      steps, at least 1
    frequency  hertz, or the MIDI number                     MIDI number, 0 to 127
    intensity  MIDI velocity                                 velocity, 1 to 127
    time       quarter notes since the previous onset, at    steps, at least 0
               most 8; of a sequence's first note, its
               position in the beat
    =========  ============================================  ====================

    Each column is standardised by its mean and standard deviation over the training pieces
    (:meth:`fit`), so that a linear output learns all four at the same scale. In the paper, a row of
    intensity 0 is no note; here every row is one.

    A batch is float ``[B, T, 4]``, without padding.

    Parameters
    ----------
    grid : steps a quarter note of the pieces, at least 1.
    hertz : True gives the frequency in hertz, as in the paper; False the MIDI number, on whose
        scale semitones are equal.
    """

    name = "note_quadruples"
    can_pad = False
    row_dtype: ClassVar[np.dtype[Any]] = np.dtype("<f4")
    names = ("length", "frequency", "intensity", "time")

    def __init__(self, grid: int, *, hertz: bool = True) -> None:
        self.grid = grid
        self.hertz = hertz
        self._standardise_by(np.zeros(4, np.float32), np.ones(4, np.float32))

    def _standardise_by(self, mean: FloatArray, deviation: FloatArray) -> None:
        self.mean, self.deviation = mean, deviation
        self._moments = DeviceTable(np.stack([mean, deviation]))

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (5,)

    def state(self) -> dict[str, Any]:
        return {
            "grid": self.grid,
            "hertz": self.hertz,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    def table(self) -> dict[str, Any]:
        return {"grid": self.grid}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        quadruples = cls(int(state["grid"]), hertz=bool(state["hertz"]))
        moments = [np.asarray(state[name], np.float32) for name in ("mean", "deviation")]
        if any(m.shape != (4,) or not np.isfinite(m).all() for m in moments):
            raise ValueError("mean and deviation are not four numbers each")
        quadruples._standardise_by(*moments)
        return quadruples

    def fit(self, pieces: Sequence[Piece]) -> None:
        """Estimate each column's mean and standard deviation; a constant column keeps 1."""
        self._standardise_by(np.zeros(4, np.float32), np.ones(4, np.float32))
        notes = np.concatenate([self.encode(p) for p in pieces]).astype(np.float64)
        if len(notes):
            deviation = notes.std(0).astype(np.float32)
            self._standardise_by(
                notes.mean(0).astype(np.float32),
                np.where(deviation > 0, deviation, 1).astype(np.float32),
            )

    def rows(self, piece: Piece) -> FloatArray:
        """(quarter notes, MIDI number, velocity, quarter notes, position in the beat in quarter
        notes), float32 ``[N, 5]``.
        """
        position = piece.bars()[1] % self.grid / self.grid
        time = np.diff(piece.onset, prepend=0) / self.grid
        time[:1] = position[:1]
        columns = (piece.duration / self.grid, piece.pitch, piece.velocity, time, position)
        rows = np.stack(columns, 1).astype(np.float32)
        rows[:, [0, 3]] = np.minimum(rows[:, [0, 3]], _LONGEST)
        return rows

    def augment(self, rows: Tensor, mask: Tensor, transposition: Tensor) -> Tensor:
        """See the base class; a transposition is limited to what keeps a window within MIDI."""
        x = rows[..., :4]
        x[:, :1, 3] = rows[:, :1, 4]
        pitch = x[..., 1]
        pitch += transposition.clamp(-pitch.amin(1), 127 - pitch.amax(1))[:, None]
        return self._standardised(x)

    def encode(self, piece: Piece) -> FloatArray:
        """Quadruples of a piece's notes, float32 ``[N, 4]``."""
        return self._standardised(torch.from_numpy(self.rows(piece)[:, :4])).numpy()

    def _standardised(self, x: Tensor) -> Tensor:
        """The first four columns of rows, ``[..., 4]``, overwritten -> what the networks read."""
        if self.hertz:
            x[..., 1] = _HERTZ.on(x.device)[x[..., 1].long()]
        mean, deviation = self._moments.on(x.device)
        return (x - mean) / deviation

    def decode(self, x: FloatArray, *, tempo: float = DEFAULT_TEMPO, name: str = "") -> Decoded:
        """A piece of quadruples ``[N, 4]``: values are rounded, and clipped to the table.

        Counted as clipped are a pitch that rounds to a number outside 0 to 127, a velocity outside
        1 to 127, a length or a time that rounds to less than 0 steps or lies above 1024 quarter
        notes, and NaN.
        """
        physical = x.astype(np.float64) * self.deviation + self.mean
        pitch = _midi_number(physical[:, 1]) if self.hertz else physical[:, 1]
        longest, most = _LONGEST * self.grid, _MAX_QUARTERS * self.grid
        columns = (
            (physical[:, 0] * self.grid, 0.0, longest, most),
            (pitch, 0.0, 127.0, 127.0),
            (physical[:, 2], 1.0, 127.0, 127.0),
            (physical[:, 3] * self.grid, 0.0, longest, most),
        )
        n_clipped, whole = 0, []
        for values, low, high, possible in columns:
            rounded = np.floor(values + 0.5)
            n_clipped += int((~((rounded >= low) & (rounded <= possible))).sum())
            whole.append(np.clip(np.nan_to_num(rounded, nan=low), low, high).astype(np.int64))
        duration, number, velocity, time = whole
        piece = Piece.from_arrays(
            np.cumsum(time),
            np.maximum(1, duration),
            number,
            velocity=velocity,
            grid=self.grid,
            tempo=tempo,
            name=name,
        )
        return Decoded(piece, n_clipped)


def _midi_number(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """The MIDI number of a frequency, not rounded; -infinity where it is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        number = 69 + 12 * np.log2(hertz / 440)
    return np.where(hertz <= 0, -np.inf, number)
