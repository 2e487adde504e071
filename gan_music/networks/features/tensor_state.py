"""What a rollout knows of what it has written, beside any state that is learned.

The same for the choices to come as :func:`~gan_music.networks.features.history.contexts` and
:func:`~gan_music.networks.features.lookback.recall` find for whole sequences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gan_music.networks.features.history import initial_history
from gan_music.networks.features.lookback import LookbackState

if TYPE_CHECKING:
    from gan_music.networks.lstm_generator import LSTMGenerator

_OFFSET = 0


class TensorState:
    """Of ``B`` sequences side by side that a generator writes to ``z [B, Z]``: for each event
    :meth:`known` and :meth:`told` before it, then for each category of it :meth:`logits` and
    :meth:`chose`, then :meth:`after`.

    ``starts`` are the position in the bar where each begins, and its meter, ``[B]`` each.
    """

    def __init__(self, generator: LSTMGenerator, z: Tensor, starts: tuple[Tensor, Tensor]) -> None:
        self.space, self.heads = generator.space, generator.heads
        self.context = initial_history(
            self.space,
            *starts,
            n_intervals=generator.n_intervals,
            active_notes_span=generator.active_notes_span,
            expected=generator.expected(z),
        )
        self.recollection: LookbackState | None = None
        if generator.lookback_span:
            self.recollection = LookbackState(
                self.space, self.context.meter, span=generator.lookback_span
            )
        # before the first event stands "nothing yet"
        self.chosen = self.space.nothing.expand(len(z), -1)
        self.intervals = self.context.intervals()
        # of the next event, as far as it is chosen
        self._offset: Tensor | None = None
        self._onset: Tensor | None = None

    @property
    def meter(self) -> Tensor:
        """``[B]``."""
        return self.context.meter

    @property
    def position(self) -> Tensor:
        """Where in the bar the last event lies, ``[B]``."""
        return self.context.position

    def place(self, position: Tensor) -> None:
        """The last event lies there: ``[B]``."""
        self.context = self.context._replace(position=position)

    def event(self) -> Tensor:
        """The last event's ids and intervals, ``[B, C + I]``."""
        return torch.cat([self.chosen, self.intervals], 1)

    def known(self) -> Tensor:
        """Those, and its position in the bar, ``[B, C + I + 1]``."""
        return torch.cat([self.chosen, self.intervals, self.context.position[:, None]], 1)

    def told(self) -> Tensor | None:
        """Echoes, and the harmony that its pitch joined, ``[B, n_told]``; None if nothing is."""
        told = [self.recollection.echoes()] if self.recollection is not None else []
        if self.context.sounding.pitch.shape[-1]:
            told.append(self.context.joined(self.space))
        return torch.cat(told, 1) if told else None

    def logits(self, category: int, scores: Tensor) -> Tensor:
        """Of the choices for the next event, ``[B, n]``, by the output of a head, ``[B, W]``."""
        recalled = None if self.recollection is None else self.recollection.scores(category)
        onset = self.context.position if self._onset is None else self._onset
        return self.heads.logits(category, scores, self.context, onset, recalled, self._offset)

    def chose(self, category: int, ids: Tensor) -> None:
        """What was chosen for it, ``[B]``."""
        if self.recollection is not None and category + 1 < self.space.n_categories:
            self.recollection.chose(category, ids)
        if category == _OFFSET:
            self._offset = ids
            self._onset = self.space.advance(self.context.position, ids, self.context.meter)

    def after(self, chosen: Tensor) -> None:
        """The event is whole: ids ``[B, C]``."""
        self.chosen = chosen
        self.context = self.context.after(self.space, chosen)
        self.intervals = self.context.intervals()
        if self.recollection is not None:
            self.recollection.after(chosen)
        self._offset = self._onset = None

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, int64 ``[n]``."""
        self.context = self.context.kept(rows)
        self.chosen, self.intervals = self.chosen[rows], self.intervals[rows]
        if self.recollection is not None:
            self.recollection.keep(rows)
