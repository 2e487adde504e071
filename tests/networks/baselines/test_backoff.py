from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
import torch
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.networks.baselines.backoff import NEVER, Backoff, Counts, Query


def query(histories: list[int], origins: list[int] | None = None) -> Query:
    origin = origins if origins is not None else [0] * len(histories)
    return Query(torch.tensor(histories), torch.tensor(origin))


def test_witten_bell_by_hand() -> None:
    # after 0: a a b; after 1: c. Of four symbols, d is never seen.
    backoff = Backoff(4, [4, 4])
    histories, symbols = [0, 0, 0, 1], torch.tensor([0, 0, 1, 2])
    backoff.count([query([0] * 4), query(histories)], symbols)
    p = backoff.probabilities([query([0, 0, 0]), query([0, 1, 7])])
    # below: counts 2 1 1 of 4, three types, uniform below them: (c + 3/4) / 7
    below = torch.tensor([2.75, 1.75, 1.75, 0.75]) / 7
    assert p[0] == pytest.approx((torch.tensor([2.0, 1, 0, 0]) + 2 * below) / 5)
    assert p[1] == pytest.approx((torch.tensor([0.0, 0, 1, 0]) + below) / 2)
    # an unseen context leaves the level below
    assert p[2] == pytest.approx(below)


def test_symbols_counted_from_an_origin() -> None:
    # symbols 0 to 3, counted from the last one: moves -3 to 3 have numbers 1 to 7
    table = Counts(4, 8)
    last, symbol = torch.tensor([1, 2, 0]), torch.tensor([2, 3, 2])  # moves +1, +1, +2
    table.count(Query(torch.zeros(3, dtype=torch.int64), 4 - last), symbol)
    at_1 = Query(torch.tensor([0]), torch.tensor([4 - 1]))
    assert table.rows(at_1).tolist() == [[0, 0, 2, 1]]
    # from 2, the move +2 would leave the range and is not counted
    at_2 = Query(torch.tensor([0]), torch.tensor([4 - 2]))
    assert table.rows(at_2).tolist() == [[0, 0, 0, 2]]
    assert [x.item() for x in table.of(at_2, torch.tensor([3]))] == [2, 2, 1]


def test_symbols_without_context_are_not_counted() -> None:
    table = Counts(3, 3)
    table.count(query([NEVER, 0]), torch.tensor([1, 1]))
    assert table.rows(query([NEVER, 0])).tolist() == [[0, 0, 0], [0, 1, 0]]


def oracle(levels: list[list[int]], symbols: list[int], at: list[int], n: int) -> list[Fraction]:
    """The formula in fractions: contexts of all notes by level, and those of the query."""
    p = [Fraction(1, n)] * n
    for histories, here in zip(levels, at, strict=True):
        seen = Counter(s for c, s in zip(histories, symbols, strict=True) if c == here)
        if seen:
            total, n_types = sum(seen.values()), len(seen)
            p = [(seen[w] + n_types * p[w]) / Fraction(total + n_types) for w in range(n)]
    return p


notes = st.lists(st.tuples(*[st.integers(0, 3)] * 3, st.integers(0, 4)), min_size=1, max_size=40)


@seed(0)
@settings(max_examples=100, deadline=None)
@given(notes, st.tuples(*[st.integers(0, 4)] * 3))
def test_against_the_formula(rows: list[tuple[int, ...]], at: tuple[int, ...]) -> None:
    *levels, symbols = (list(column) for column in zip(*rows, strict=True))
    backoff = Backoff(5, [5] * 3)
    backoff.count([query(c) for c in levels], torch.tensor(symbols))
    p = backoff.probabilities([query([a]) for a in at])[0]
    assert p.sum().item() == pytest.approx(1)
    expected = [float(x) for x in oracle(levels, symbols, list(at), 5)]
    assert p.tolist() == pytest.approx(expected, rel=1e-5)
    # the same, one symbol at a time
    each = backoff.log_probability([query([a] * 5) for a in at], torch.arange(5)).exp()
    assert each.tolist() == pytest.approx(expected, rel=1e-5)


def test_strengths_are_fitted_to_held_out_symbols() -> None:
    """A context that determines the symbol gets a low strength, one of chance a high one."""
    rng = torch.Generator().manual_seed(0)

    def draw(n: int) -> tuple[list[Query], Tensor]:
        symbols = torch.randint(0, 8, (n,), generator=rng)
        chance = torch.randint(0, n // 4, (n,), generator=rng)
        zeros = torch.zeros_like(symbols)
        return [Query(c, zeros) for c in (zeros, symbols, chance)], symbols

    backoff = Backoff(8, [8] * 3)
    backoff.count(*draw(400))
    held, symbols = draw(400)
    before = backoff.log_probability(held, symbols).mean()
    backoff.fit_strengths(held, symbols)
    after = backoff.log_probability(held, symbols).mean()
    assert after > before + 0.3
    _, everything, chance = backoff.strengths.tolist()
    assert everything < 0.1
    assert chance > 10


def test_a_state_dict_restores_tables_of_any_size() -> None:
    backoff, other = Backoff(4, [4]), Backoff(4, [4])
    backoff.count([query([0, 5, 5])], torch.tensor([1, 2, 3]))
    other.load_state_dict(backoff.state_dict())
    queries = [query([0, 5, 9])]
    assert torch.equal(other.probabilities(queries), backoff.probabilities(queries))
    # and into one that holds counts of its own
    backoff.load_state_dict(Backoff(4, [4]).state_dict())
    assert backoff.probabilities(queries).unique().tolist() == [0.25]


def test_tables_that_no_counts_give_are_refused() -> None:
    backoff = Backoff(4, [4, 4])
    backoff.count([query([0, 0, 1]), query([0, 1, 2])], torch.tensor([1, 2, 3]))
    state = backoff.state_dict()
    Backoff(4, [4, 4]).load_state_dict(state)
    for name, value in (
        ("tables.0.pairs", torch.tensor([3, 2, 1])),
        ("tables.0.pairs", torch.tensor([[1, 2, 3]])),
        ("tables.0.counts", torch.tensor([1, 1], dtype=torch.int32)),
        ("tables.0.counts", torch.tensor([1, 0, 1], dtype=torch.int32)),
        ("strengths", torch.tensor([1.0, -1.0])),
        ("strengths", torch.tensor([1.0, 1e38])),
        ("strengths", torch.tensor([1.0, float("nan")])),
    ):
        with pytest.raises(ValueError, match="are not those of a"):
            Backoff(4, [4, 4]).load_state_dict(state | {name: value})
