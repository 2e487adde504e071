"""The split into train, validation and test."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from gan_music.config.targets import conf_dir
from gan_music.data.split import split_pieces, work_of
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError


def pieces_named(names: list[str]) -> list[Piece]:
    return [Piece.from_arrays([0], [1], [60], grid=24, name=n) for n in names]


def test_split_holds_every_piece_once_and_its_shares() -> None:
    names = [f"{i}.mid" for i in range(1000)]
    split = split_pieces(pieces_named(names), val_rate=0.1, test_rate=0.2)
    assert sorted(p.name for side in split for p in side) == sorted(names)
    assert 60 < len(split.val) < 140
    assert 150 < len(split.test) < 250


def test_further_files_move_no_piece() -> None:
    names = [f"{i}.mid" for i in range(300)]
    few = split_pieces(pieces_named(names[:200]), val_rate=0.1, test_rate=0.1)
    many = split_pieces(pieces_named(names), val_rate=0.1, test_rate=0.1)
    for a, b in zip(few, many, strict=True):
        assert {p.name for p in a} <= {p.name for p in b}


@pytest.mark.parametrize("n", [3, 4, 7])
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.9])
def test_every_split_gets_a_piece(n: int, rate: float) -> None:
    split = split_pieces(pieces_named([f"{i}" for i in range(n)]), val_rate=rate, test_rate=rate)
    assert min(map(len, split)) >= 1
    assert len({p.name for side in split for p in side}) == sum(map(len, split)) == n


def test_a_rate_of_0_holds_nothing_out() -> None:
    pieces = pieces_named([f"{i}" for i in range(40)])
    split = split_pieces(pieces, val_rate=0, test_rate=0)
    assert {p.name for p in split.train} == {p.name for p in pieces}
    assert split.val == split.test == split.train
    split = split_pieces(pieces, val_rate=0, test_rate=0.2)
    assert split.val == split.train
    assert not {p.name for p in split.train} & {p.name for p in split.test}
    assert len(split.train) + len(split.test) == 40


@pytest.fixture(scope="module")
def movement() -> str:
    """The rule that comes with the package."""
    rule: str = OmegaConf.load(conf_dir() / "data" / "base.yaml").movement
    return rule


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("haydn_8_4.mid", "haydn_8"),
        ("pathetique_1.mid", "pathetique"),
        ("clementi_opus36_5_2.MID", "clementi_opus36_5"),
        ("bach/bwv66.6.mxl", "bach/bwv66"),
        ("haydn/opus74no1/movement3.mxl", "haydn/opus74no1"),
        ("Mozart K331 - mvt 2.mid", "Mozart K331 -"),
        ("sonata-iii.mid", "sonata"),
        ("bach/bwv269.mxl", "bach/bwv269"),
        ("bach_847.mid", "bach_847"),
        ("song_012.mid", "song_012"),
        ("walk07.mid", "walk07"),
        ("elise.mid", "elise"),
        ("book.abc#2", "book.abc#2"),
    ],
)
def test_the_work_of_a_name(name: str, work: str, movement: str) -> None:
    assert work_of(name, movement) == work


def test_movements_are_in_one_split(movement: str) -> None:
    names = [f"op{i}_{m}.mid" for i in range(200) for m in range(1, 5)]
    split = split_pieces(pieces_named(names), val_rate=0.2, test_rate=0.2, movement=movement)
    works = [{work_of(p.name, movement) for p in side} for side in split]
    assert sum(map(len, works)) == len(set.union(*works)) == 200
    assert sum(map(len, split)) == 800
    assert min(map(len, works)) > 20


def test_movements_of_a_single_work_are_split(movement: str) -> None:
    names = [f"sonata_{i}.mid" for i in range(1, 5)]
    split = split_pieces(pieces_named(names), val_rate=0.1, test_rate=0.1, movement=movement)
    assert [len(side) for side in split] == [2, 1, 1]


def test_two_pieces_are_too_few() -> None:
    with pytest.raises(UserError, match=r"^2 pieces cannot be split into .*: at least 3 "):
        split_pieces(pieces_named(["a", "b"]), val_rate=0.1, test_rate=0.1)
