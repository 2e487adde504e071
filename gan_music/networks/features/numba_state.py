"""The same as :class:`~gan_music.networks.features.tensor_state.Past`, on a processor: compiled loops.

What a rollout knows of its past is many small numbers. As operations on tensors they are some
2,000 calls an event, which take longer than the networks' products; as loops over what is there,
most of which is empty, they take a tenth of that. The tensors' way stays for GPUs, which record it,
and is what this is tested against.

All sequences are at the same event. What is kept of events lies in arrays ``[B, capacity]`` in the
order in which they came, of which ``n`` are filled; when they are full, the last ones move to the
front.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gan_music.networks.features import lag_alignment, lookback, numba_kernels
from gan_music.networks.features.history import MEMORIES, nearness
from gan_music.networks.features.numba_kernels import Floats, Ints, State, Table

if TYPE_CHECKING:
    from gan_music.networks.lstm_generator import LSTMGenerator

_OFFSET, _PITCH, _DURATION = 0, 1, 2
_LOOPS = {
    _OFFSET: numba_kernels.offsets,
    _PITCH: numba_kernels.pitches,
    _DURATION: numba_kernels.durations,
}
_MORE = 256  # events that fit in before the last ones move to the front


class NumbaState:
    """:class:`~gan_music.networks.features.tensor_state.Past` in float32, on a processor."""

    def __init__(self, generator: LSTMGenerator, z: Tensor, starts: tuple[Tensor, Tensor]) -> None:
        space = generator.space
        n, sizes, n_categories = len(z), space.sizes, space.n_categories
        n_pitches = sizes[_PITCH]
        position, self.meter = (x.clone() for x in starts)
        expected = generator.expected(z)
        if expected is None:
            expected = z.new_zeros(n, 0, n_pitches)
        span = generator.lookback_span
        self.table = Table(
            offset_bins=space.offset_bins.numpy(),
            duration_bins=space.duration_bins.numpy(),
            bar=space.bars[self.meter].numpy(),
            grid=space.grid,
            n_beats=space.n_beats,
            n_intervals=generator.n_intervals,
            lookback_span=span,
            active_notes_span=generator.active_notes_span,
            lags=lag_alignment.lags(space, self.meter).numpy(),
            expected=expected.float().numpy(),
            register=nearness(n_pitches)[:, 2 * n_pitches :].contiguous().numpy(),
            decay=np.exp(-1 / np.array(MEMORIES)).astype(np.float32),
            fading=np.exp(-np.arange(span + 1) / lookback.FADING).astype(np.float32),
            spans=np.array(lookback.ECHO_SPANS, np.float32),
            trust_spans=np.array(lag_alignment.TRUST_SPANS, np.float32),
            bell=lag_alignment.bell(torch.arange(n_pitches)).numpy(),
        )
        self.kept = max(span + 1, generator.active_notes_span, generator.n_intervals + 1)
        capacity = self.kept + _MORE

        def zeros(*shape: int) -> Floats:
            return np.zeros((n, *shape), np.float32)

        def ints(*shape: int, fill: int = 0) -> Ints:
            return np.full((n, *shape), fill, np.int64)

        self.state = State(
            position=position.numpy(),
            chosen=ints(n_categories),
            known=ints(n_categories + generator.n_intervals + 1),
            heard=zeros(len(MEMORIES), n_pitches),
            register=zeros(len(MEMORIES), n_pitches),
            ids=ints(n_categories, capacity),
            onset=ints(capacity),
            end=ints(capacity),
            interval=ints(capacity),
            order=ints(2, capacity if span else 0),
            runs=ints(2, capacity if span else 0),
            rank=ints(fill=-1),
            places=ints(span),
            weights=zeros(span, lookback.N_LIKE),
            n_places=ints(),
            echo_sums=zeros(len(lookback.ECHO_SPANS), lookback.N_LIKE),
            lag=ints(len(lag_alignment.BACK)),
            said=ints(lag_alignment.N_THREADS, n_categories, fill=-1),
            still=ints(lag_alignment.N_THREADS, n_categories, fill=-1),
            trust=zeros(len(lag_alignment.TRUST_SPANS), 2, lag_alignment.N_THREADS),
        )
        self.state.known[:, :n_categories] = sizes
        self.state.known[:, -1] = self.state.position
        self.n = self.n_heard = 0
        self.n_told = generator.n_told
        self.sizes = sizes

    @property
    def position(self) -> Tensor:
        """Where in the bar the last event lies, ``[B]``."""
        return torch.from_numpy(self.state.position)

    def place(self, position: Tensor) -> None:
        """The last event lies there: ``[B]``."""
        self.state.position[:] = self.state.known[:, -1] = position.numpy()

    def event(self) -> Tensor:
        """The last event's ids and intervals, ``[B, C + I]``."""
        return torch.from_numpy(self.state.known[:, :-1])

    def known(self) -> Tensor:
        """Those, and its position in the bar, ``[B, C + I + 1]``."""
        return torch.from_numpy(self.state.known)

    def told(self) -> Tensor | None:
        """Echoes, and the harmony that its pitch joined, ``[B, n_told]``; None if nothing is."""
        if not self.n_told:
            return None
        out = torch.empty(len(self.state.position), self.n_told)
        numba_kernels.told(self.table, self.state, self.n, self.n_heard, out.numpy())
        return out

    def logits(self, category: int, scores: Tensor) -> Tensor:
        """Of the choices for the next event, ``[B, n]``, by the output of a head, ``[B, W]``."""
        out = torch.empty(len(scores), self.sizes[category])
        loop = _LOOPS.get(category, numba_kernels.others)
        loop(self.table, self.state, self.n, category, scores.numpy(), out.numpy())
        return out

    def chose(self, category: int, ids: Tensor) -> None:
        """What was chosen for it, ``[B]``."""
        numba_kernels.chose(self.table, self.state, category, ids.numpy())

    def after(self, chosen: Tensor) -> None:
        """The event is whole: ids ``[B, C]``."""
        if self.n == self.state.onset.shape[1]:
            numba_kernels.to_front(self.state, self.n - self.kept, self.kept)
            self.n = self.kept
        numba_kernels.after(self.table, self.state, self.n, chosen.numpy())
        self.n, self.n_heard = self.n + 1, self.n_heard + 1

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``."""
        which = rows.numpy()
        self.meter = self.meter[rows]
        self.state = State(*(x[which] for x in self.state))
        of_sequences = ("bar", "lags", "expected")
        self.table = self.table._replace(
            **{name: getattr(self.table, name)[which] for name in of_sequences}
        )
