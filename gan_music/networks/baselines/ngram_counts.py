"""An n-gram model of order 3 over events: each event given the two before it."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from gan_music.networks.baselines.backoff import NEVER, Backoff, Query
from gan_music.networks.note_space import NoteSpace, Starts

Columns = dict[str, Tensor]


class Level(NamedTuple):
    """A context of a back-off level, and whether pitches are counted from the last one."""

    names: tuple[str, ...]
    relative: bool = False


def _levels(*names: str) -> tuple[Level, ...]:
    return tuple(Level(tuple(n.removeprefix("~ ").split()), n.startswith("~ ")) for n in names)


# Of each category; contexts may hold the categories before it in the chain. Where events have a
# track, the contexts of pitch and duration have it too.
# A number says how many events ago; ~ counts pitches from the last one.
_LEVELS = {
    "offset": _levels(
        "",
        "beat",
        "beat offset1",
        "beat offset1 duration1",
        "beat offset1 duration1 offset2",
        "beat offset1 duration1 offset2 duration2",
        "beat offset1 duration1 offset2 duration2 interval1",
    ),
    "pitch": _levels(
        "",
        # intervals in the context of the register, which keeps them on the keyboard
        "~ chord register1",
        "~ interval1 chord chord1 register1",
        "pitch1 pitch2 chord chord1",
        "pitch1 pitch2 offset offset1",
    ),
    "duration": _levels(
        "",
        "offset",
        "duration1 offset",
        "duration1 offset offset1",
        "duration1 duration2 offset offset1",
        "duration1 duration2 offset offset1 beat_now",
        "duration1 duration2 offset offset1 pitch pitch1",
    ),
    "velocity": _levels("", "velocity1", "velocity1 offset", "velocity1 velocity2 offset"),
    "track": _levels(
        "", "track1 offset", "track1 track2 offset", "track1 track2 pitch1 offset offset1"
    ),
}


class NGramCounts(nn.Module):
    """Counts of events given the two before them, and sampling from them.

    The categories of an event are chained as in the networks: the offset given the position in the
    beat and the times of both events, the pitch given the offset and both pitches (or the interval
    between them), the duration given all of these. Each backs off over several contexts
    (:class:`~gan_music.networks.baselines.backoff.Backoff`), since two whole events are rarely seen
    twice. The beat of the bar is no context: it did not raise the likelihood.

    The events before a sequence's first are a context of their own.
    """

    def __init__(self, space: NoteSpace) -> None:
        super().__init__()
        self.space = space
        self.names = names = space.names
        self.sizes = dict(zip(names, space.sizes, strict=True))
        self.sizes |= {f"{n}{ago}": self.sizes[n] + 1 for n in names for ago in (1, 2)}
        n_pitches = self.sizes["pitch"]
        self.sizes |= {"beat": space.grid, "beat_now": space.grid, "chord": 2, "chord1": 2}
        self.sizes |= {"interval1": 2 * n_pitches, "register1": n_pitches // 6 + 1}
        self.backoffs = nn.ModuleList(
            Backoff(size, [2 * size if level.relative else size for level in self._levels(name)])
            for size, name in zip(space.sizes, names, strict=True)
        )

    def _levels(self, name: str) -> list[Level]:
        """The back-off levels of a category."""
        of_track = "track" in self.names and name in ("pitch", "duration")
        return [
            Level((*level.names, "track"), level.relative) if of_track and level.names else level
            for level in _LEVELS[name]
        ]

    @property
    def by_category(self) -> list[Backoff]:
        """The back-off model of each category."""
        return cast("list[Backoff]", list(self.backoffs))

    def count(self, events: Tensor) -> None:
        """Replace all counts by those of windows of ids ``[B, T, C + 2]``."""
        for backoff, queries, symbols in self._queries(events):
            backoff.count(queries, symbols)

    def fit_strengths(self, events: Tensor) -> None:
        """Fit the strengths of all levels to held-out windows."""
        for backoff, queries, symbols in self._queries(events):
            backoff.fit_strengths(queries, symbols)

    def negative_log_likelihood(self, events: Tensor) -> Tensor:
        """In nats an event: the sum over categories, averaged over the events of windows
        ``[B, T, C + 2]`` without padding; a scalar.
        """
        return -torch.stack(
            [
                backoff.log_probability(queries, symbols).mean()
                for backoff, queries, symbols in self._queries(events)
            ]
        ).sum()

    @torch.no_grad()
    def rollout(
        self,
        starts: Starts,
        n_events: int,
        rng: torch.Generator,
        *,
        temperature: float = 1.0,
        primer: Tensor | None = None,
    ) -> Tensor:
        """Sample events one by one: ids ``[B, n_events, C + 2]``.

        Probabilities are raised to 1 / temperature. With a ``primer``, ids ``[B, T, C + 2]``,
        sequences continue it with a new onset.
        """
        position, meter, _ = starts
        nothing = position.new_tensor(self.space.sizes).expand(len(position), -1)
        last = before = nothing
        if primer is not None:
            known = torch.cat([nothing[:, None], primer[..., : len(self.names)]], 1)
            before, last, position = known[:, -2], known[:, -1], primer[:, -1, -2]
        events: list[Tensor] = []
        for _ in range(n_events):
            columns = self._history(last, before, position)
            for i in self.space.order:
                name, backoff = self.names[i], self.by_category[i]
                p = backoff.probabilities(self._contexts(i, columns))
                if name == "offset" and primer is not None and not events:
                    p[:, 0] = 0  # the primer's last chord is complete
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
        """Of each category: its back-off model, a query for each level, and the symbols of all
        events but padding.
        """
        space, n = self.space, self.space.n_categories
        present = space.present(events)
        start = space.starts(events).position
        known = events.clamp_min(0)
        nothing = events.new_tensor(space.sizes).expand(len(events), 2, n)
        padded = torch.cat([nothing, known[..., :n]], 1)
        position = torch.cat([start[:, None], known[:, :-1, -2]], 1)
        columns = self._history(padded[:, 1:-1], padded[:, :-2], position)
        columns |= {name: known[..., i] for i, name in enumerate(self.names)}
        self._add_offset(columns, known[..., -2])
        columns = {name: values[present] for name, values in columns.items()}
        return [
            (backoff, self._contexts(i, columns), columns[name])
            for i, (name, backoff) in enumerate(zip(self.names, self.by_category, strict=True))
        ]

    def _history(self, last: Tensor, before: Tensor, position: Tensor) -> Columns:
        """The columns of the two events before, ids ``[..., C]``, and of the last position."""
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
        for level in self._levels(self.names[category]):
            context = torch.zeros_like(columns["pitch1"])
            for name in level.names:
                context = context * self.sizes[name] + columns[name]
            origin = torch.zeros_like(context)
            if level.relative:
                origin = n_pitches - columns["pitch1"]
                context = context.masked_fill(columns["pitch1"] == n_pitches, NEVER)
            queries.append(Query(context, origin))
        return queries
