"""The interface of every representation: pieces <-> arrays that networks read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_music.music.piece import DEFAULT_TEMPO, IntArray, Piece, lengths
from gan_music.representations.windows import Windows, WindowSpec

PADDING = -1  # each id of a padded row


class Decoded(NamedTuple):
    """A decoded piece, and how many values had to be clipped because no MIDI file can hold them."""

    piece: Piece
    n_clipped: int


class Representation(ABC):
    """Pieces <-> arrays ``[N, ...]`` along time.

    Training data are stored as :meth:`rows`, once for each time scale. A batch is an indexing into
    them (:meth:`cut` says where), which :meth:`augment` turns into what :meth:`encode` gives.

    Attributes
    ----------
    name : the value of ``representation.name`` that selects it; of one from outside the package,
        the name of its class.
    unit : what one row of :meth:`encode` stands for, in the plural.
    can_pad : whether a batch may hold windows that end in padding.
    ends : whether the end of a piece is part of it, so that samples end by themselves.
    folds_pitch : whether pitches off the piano keyboard are moved into it by octaves.
    grid : steps a quarter note of the pieces, at least 1.
    row_dtype, row_shape : of one row of :meth:`rows`.
    """

    name: ClassVar[str]
    Settings: ClassVar[type | None] = None  # of the values beside ``_target_``
    unit: ClassVar[str] = "notes"
    can_pad: ClassVar[bool] = True
    folds_pitch: ClassVar[bool] = False
    ends: bool = False
    row_dtype: ClassVar[np.dtype[Any]]
    grid: int

    def __init_subclass__(cls) -> None:
        cls.name = cls.__dict__.get("name", cls.__name__)

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The columns of a row that :meth:`decode` reads."""

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (len(self.names),)

    def fit(self, pieces: Sequence[Piece]) -> None:  # noqa: B027  # most estimate nothing
        """Estimate the statistics of the training pieces that the representation needs."""

    def resolved(self, state: dict[str, Any]) -> Representation:
        """This representation, not fitted yet, with what its settings leave to the music as in a
        :meth:`state`.
        """
        return self

    def refuses(self, piece: Piece) -> str | None:
        """Why a piece has no place in the representation, once it is fitted; None if it has."""
        return None

    @abstractmethod
    def encode(self, piece: Piece) -> NDArray[Any]:
        """A piece as the networks read it, ``[N, ...]``."""

    @abstractmethod
    def decode(self, x: NDArray[Any], *, tempo: float = DEFAULT_TEMPO, name: str = "") -> Decoded:
        """The inverse of :meth:`encode`, up to rounding."""

    def rows(self, piece: Piece) -> NDArray[Any]:
        """A piece as it is stored, ``row_dtype [N, *row_shape]``."""
        return self.encode(piece).astype(self.row_dtype)

    def n_rows(self, pieces: Sequence[Piece]) -> IntArray:
        """The rows of each piece, ``[P]``: one for each note, unless a representation counts other
        things, whose ``unit`` says which.
        """
        return lengths(pieces)

    def cut(self, begins: IntArray, sizes: IntArray, spec: WindowSpec) -> Windows:
        """The windows of pieces whose rows begin at ``begins`` and number ``sizes``, ``[P]``."""
        return Windows(begins, sizes, spec._replace(pad_short=spec.pad_short and self.can_pad))

    @abstractmethod
    def augment(self, rows: Tensor, mask: Tensor, transposition: Tensor) -> Tensor:
        """A batch of :meth:`rows` as the networks read it.

        Parameters
        ----------
        rows : ``[B, T, *row_shape]``, may be overwritten.
        mask : bool ``[B, T]``, False where a window is padded.
        transposition : semitones, int64 ``[B]``.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The plain values that :meth:`from_state` rebuilds the representation from."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The representation whose :meth:`state` this is.

        Raises
        ------
        ValueError
            If the state is not one that :meth:`state` gives.
        """

    def table(self) -> dict[str, Any]:
        """The part of the state that :meth:`rows` depends on."""
        return self.state()


class DeviceTable:
    """A constant tensor, copied once to each device that reads it."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._copies = {torch.device("cpu"): torch.from_numpy(values)}

    def on(self, device: torch.device) -> Tensor:
        if device not in self._copies:
            self._copies[device] = self._copies[torch.device("cpu")].to(device)
        return self._copies[device]
