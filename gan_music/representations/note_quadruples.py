"""Notes <-> C-RNN-GAN's quadruples of real numbers (Mogren 2016, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.representations.note_triples import Decoded

FloatArray = NDArray[np.float32]

# Quarters. A longer tone or rest is shortened to it, as the events' bins do: a single rest of
# minutes would otherwise set the scale.
_LONGEST = 8.0
# A MIDI file counts time in 28 bits; this many quarters is far beyond music and well within them.
_MAX_QUARTERS = 1024.0


class NoteQuadruples:
    """A tone as (length, frequency, intensity, time), float32.

    =========  ========================================  ====================
    column     meaning                                   decoded to
    =========  ========================================  ====================
    length     quarters, at most 8                       steps, at least 1
    frequency  hertz; or its logarithm, the MIDI number  MIDI number, 0 to 127
    intensity  MIDI velocity                             velocity, 1 to 127
    time       quarters since the last tone's onset, at  steps, at least 0
               most 8, and 0 within a chord; a
               sequence's first counts from the beat
    =========  ========================================  ====================

    Each column is centred and divided by its standard deviation over the training pieces (once
    :meth:`fit` has seen them), so that a linear output learns all four alike and 0 is the average
    tone. In the paper a tone of intensity 0 is no tone; here each row is one.

    Parameters
    ----------
    grid : steps a quarter note of the pieces, at least 1.
    hertz : True gives the frequency in hertz, as the paper has it; False the MIDI number, on whose
        scale a semitone is the same everywhere.
    """

    names = ("length", "frequency", "intensity", "time")

    def __init__(self, grid: int, *, hertz: bool = True) -> None:
        self.grid = grid
        self.hertz = hertz
        self.mean = np.zeros(4, np.float32)
        self.deviation = np.ones(4, np.float32)

    def state(self) -> dict[str, Any]:
        """All that :meth:`from_state` needs, as plain values."""
        return {
            "grid": self.grid,
            "hertz": self.hertz,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> NoteQuadruples:
        """The codec that wrote ``state``."""
        codec = cls(int(state["grid"]), hertz=bool(state["hertz"]))
        codec.mean = np.asarray(state["mean"], np.float32)
        codec.deviation = np.asarray(state["deviation"], np.float32)
        spread = np.stack([codec.mean, codec.deviation])
        if spread.shape != (2, 4) or not np.isfinite(spread).all():
            raise ValueError("mean and deviation are not four numbers each")
        return codec

    def fit(self, pieces: Sequence[Piece]) -> None:
        """Remember mean and standard deviation of each column; one that never varies keeps 1."""
        tones = np.concatenate([self._physical(self.tones(p)) for p in pieces]).astype(np.float64)
        if len(tones):
            self.mean = tones.mean(0).astype(np.float32)
            deviation = tones.std(0).astype(np.float32)
            self.deviation = np.where(deviation > 0, deviation, 1).astype(np.float32)

    def tones(self, piece: Piece) -> FloatArray:
        """A piece's tones as (quarters, MIDI number, velocity, quarters), float32 ``[N, 4]``.

        They are what augmentation changes; :meth:`scale` makes the network's numbers of them.
        """
        time = np.diff(piece.onset, prepend=0) / self.grid
        time[:1] = self.first_times(piece)[:1]
        columns = (piece.duration / self.grid, piece.pitch, piece.velocity, time)
        tones = np.stack(columns, 1).astype(np.float32)
        tones[:, [0, 3]] = np.minimum(tones[:, [0, 3]], _LONGEST)
        return tones

    def first_times(self, piece: Piece) -> FloatArray:
        """For each tone ``[N]``, the time that it takes where a sequence begins with it: its
        position in the beat, in quarters.
        """
        return (piece.bars()[1] % self.grid / self.grid).astype(np.float32)

    def scale(self, tones: FloatArray) -> FloatArray:
        """What :meth:`tones` gives ``[..., 4]`` -> the network's numbers, same shape."""
        return (self._physical(tones) - self.mean) / self.deviation

    def encode(self, piece: Piece) -> FloatArray:
        """Quadruples of a piece's notes, float32 ``[N, 4]``."""
        return self.scale(self.tones(piece))

    def decode(
        self, quadruples: FloatArray, *, tempo: float = DEFAULT_TEMPO, name: str = ""
    ) -> Decoded:
        """A piece of quadruples ``[N, 4]``: the inverse of :meth:`encode` up to rounding.

        All is clipped to the table. What no MIDI file can hold is counted: a pitch that rounds to
        a number outside 0 to 127, a velocity outside 1 to 127, a length or a time that rounds to
        less than 0 steps or lies beyond 1024 quarters, whatever is not a number.
        """
        physical = quadruples.astype(np.float64) * self.deviation + self.mean
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

    def _physical(self, tones: FloatArray) -> FloatArray:
        if not self.hertz:
            return tones
        physical = tones.copy()
        physical[..., 1] = 440 * 2 ** ((tones[..., 1] - 69) / 12)
        return physical


def _midi_number(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """The MIDI number of a frequency, not rounded; -infinity where it is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        number = 69 + 12 * np.log2(hertz / 440)
    return np.where(hertz <= 0, -np.inf, number)
