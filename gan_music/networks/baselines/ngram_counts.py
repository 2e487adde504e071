"""A Markov chain of order 2 over events: what follows depends on the last two events alone."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from gan_music.networks.baselines.backoff import NEVER, Backoff, Query
from gan_music.networks.note_space import NoteSpace

Columns = dict[str, Tensor]


class Rung(NamedTuple):
    """What a choice depends on, and whether a pitch is counted from the last one."""

    names: tuple[str, ...]
    relative: bool = False


def _rungs(*names: str) -> tuple[Rung, ...]:
    return tuple(Rung(tuple(n.removeprefix("~ ").split()), n.startswith("~ ")) for n in names)


# Of each category, in the order in which they are chosen; each rung sees those chosen before.
# A number is how many events ago; ~ counts pitches from the last one.
_LADDERS = (
    _rungs(
        "",
        "beat",
        "beat offset1",
        "beat offset1 duration1",
        "beat offset1 duration1 offset2",
        "beat offset1 duration1 offset2 duration2",
        "beat offset1 duration1 offset2 duration2 interval1",
    ),
    _rungs(
        "",
        # moves are counted from the last pitch, but by register, which keeps them on the keyboard
        "~ chord register1",
        "~ interval1 chord chord1 register1",
        "pitch1 pitch2 chord chord1",
        "pitch1 pitch2 offset offset1",
    ),
    _rungs(
        "",
        "offset",
        "duration1 offset",
        "duration1 offset offset1",
        "duration1 duration2 offset offset1",
        "duration1 duration2 offset offset1 beat_now",
        "duration1 duration2 offset offset1 pitch pitch1",
    ),
    _rungs("", "velocity1", "velocity1 offset", "velocity1 velocity2 offset"),
)


class NGramCounts(nn.Module):
    """Counts of events after the last two, and sequences drawn from them.

    An event's categories are chosen one after another, as the LSTM does: the offset given where in
    the beat the last event lies and both last events' times, the pitch given the offset and both
    last pitches (or the interval between them, from the last one), the duration given all of these.
    Each has a ladder of contexts (:class:`Backoff`): two events in full are hardly ever seen twice.
    Where in the bar a beat lies is left out, since it made nothing more likely.

    Before a window's first event there is nothing, which is a context as any other.
    """

    def __init__(self, space: NoteSpace) -> None:
        super().__init__()
        self.space = space
        names = ("offset", "pitch", "duration", "velocity")[: space.n_categories]
        self.sizes = dict(zip(names, space.sizes, strict=True))
        self.sizes |= {f"{n}{ago}": self.sizes[n] + 1 for n in names for ago in (1, 2)}
        n_pitches = self.sizes["pitch"]
        self.sizes |= {"beat": space.grid, "beat_now": space.grid, "chord": 2, "chord1": 2}
        self.sizes |= {"interval1": 2 * n_pitches, "register1": n_pitches // 6 + 1}
        self.names = names
        self.backoffs = nn.ModuleList(
            Backoff(size, [2 * size if rung.relative else size for rung in ladder])
            for size, ladder in zip(space.sizes, _LADDERS, strict=False)
        )

    @property
    def ladders(self) -> list[Backoff]:
        """One a category."""
        return cast("list[Backoff]", list(self.backoffs))

    def count(self, events: Tensor) -> None:
        """Replace what was counted by windows of ids ``[B, T, C + 2]``."""
        for ladder, queries, symbols in self._queries(events):
            ladder.count(queries, symbols)

    def fit_strengths(self, events: Tensor) -> None:
        """Choose how far each rung is trusted, by windows of music that was not counted."""
        for ladder, queries, symbols in self._queries(events):
            ladder.fit_strengths(queries, symbols)

    def negative_log_likelihood(self, events: Tensor) -> Tensor:
        """Nats an event, as :func:`gan_music.losses.losses.negative_log_likelihood` has them: the sum over
        categories, mean over the events of windows ``[B, T, C + 2]``; a scalar.
        """
        return -torch.stack(
            [
                ladder.log_probability(queries, symbols).mean()
                for ladder, queries, symbols in self._queries(events)
            ]
        ).sum()

    @torch.no_grad()
    def rollout(
        self,
        starts: tuple[Tensor, Tensor],
        n_events: int,
        rng: torch.Generator,
        *,
        temperature: float = 1.0,
        primer: Tensor | None = None,
    ) -> Tensor:
        """Draw events one by one: ids ``[B, n_events, C + 2]``.

        ``starts`` are the position in the bar where each sequence begins, and its meter, ``[B]``
        each. Probabilities are raised to 1 / temperature. It begins from nothing, or goes on from
        events that were ``primer``, ids ``[B, T, C + 2]``, with a new onset.
        """
        position, meter = starts
        nothing = position.new_tensor(self.space.sizes).expand(len(position), -1)
        last = before = nothing
        if primer is not None:
            known = torch.cat([nothing[:, None], primer[..., : len(self.names)]], 1)
            before, last, position = known[:, -2], known[:, -1], primer[:, -1, -2]
        events: list[Tensor] = []
        for _ in range(n_events):
            columns = self._history(last, before, position)
            for i, (name, ladder) in enumerate(zip(self.names, self.ladders, strict=True)):
                p = ladder.probabilities(self._contexts(i, columns))
                if name == "offset" and primer is not None and not events:
                    p[:, 0] = 0  # the last chord is complete
                    p = p / p.amax(1, keepdim=True)
                p = p ** (1 / temperature)
                columns[name] = torch.multinomial(p, 1, generator=rng)[:, 0]
                if name == "offset":
                    position = self.space.advance(position, columns[name], meter)
                    self._add_offset(columns, position)
            last, before = torch.stack([columns[n] for n in self.names], -1), last
            events.append(torch.cat([last, position[:, None], meter[:, None]], -1))
        return torch.stack(events, 1)

    def _queries(self, events: Tensor) -> list[tuple[Backoff, list[Query], Tensor]]:
        """Of each category: its ladder, a query a rung and the symbols of all events that are."""
        space, n = self.space, self.space.n_categories
        present = space.present(events)
        start, _ = space.starts(events)
        known = events.clamp_min(0)
        nothing = events.new_tensor(space.sizes).expand(len(events), 2, n)
        padded = torch.cat([nothing, known[..., :n]], 1)
        position = torch.cat([start[:, None], known[:, :-1, -2]], 1)
        columns = self._history(padded[:, 1:-1], padded[:, :-2], position)
        columns |= {name: known[..., i] for i, name in enumerate(self.names)}
        self._add_offset(columns, known[..., -2])
        columns = {name: values[present] for name, values in columns.items()}
        return [
            (ladder, self._contexts(i, columns), columns[name])
            for i, (name, ladder) in enumerate(zip(self.names, self.ladders, strict=True))
        ]

    def _history(self, last: Tensor, before: Tensor, position: Tensor) -> Columns:
        """What the two events before give, ids ``[..., C]`` each, and the last one's position."""
        columns = {f"{n}1": last[..., i] for i, n in enumerate(self.names)}
        columns |= {f"{n}2": before[..., i] for i, n in enumerate(self.names)}
        n_pitches = self.sizes["pitch"]
        pitch1, pitch2 = columns["pitch1"], columns["pitch2"]
        both = (pitch1 < n_pitches) & (pitch2 < n_pitches)
        columns["interval1"] = torch.where(both, pitch1 - pitch2 + n_pitches, 0)
        columns["register1"] = pitch1 // 6  # half octaves
        columns["chord1"] = (columns["offset1"] == 0).long()
        columns["beat"] = position % self.space.grid
        return columns

    def _add_offset(self, columns: Columns, position: Tensor) -> None:
        columns["chord"] = (columns["offset"] == 0).long()
        columns["beat_now"] = position % self.space.grid

    def _contexts(self, category: int, columns: Columns) -> list[Query]:
        n_pitches = self.sizes["pitch"]
        queries = []
        for rung in _LADDERS[category]:
            context = torch.zeros_like(columns["pitch1"])
            for name in rung.names:
                context = context * self.sizes[name] + columns[name]
            origin = torch.zeros_like(context)
            if rung.relative:
                origin = n_pitches - columns["pitch1"]
                context = context.masked_fill(columns["pitch1"] == n_pitches, NEVER)
            queries.append(Query(context, origin))
        return queries
