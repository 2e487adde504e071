"""Copies are detected as the exact search finds them, and are sampled again."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.checkpoints.checkpoint import load_checkpoint, sampler_part, save_sampler
from gan_music.config.schema import GenerateConfig
from gan_music.config.targets import conf_dir
from gan_music.config.validate import checked
from gan_music.decoding.copy_filter import MIN_NOTES, CopyFilter, in_order, without_copies
from gan_music.io.read import read
from gan_music.io.write import write_midi
from gan_music.metrics.sets.originality import longest_matches
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError
from tests.conftest import run_command

generate = importlib.import_module("gan_music.generate")


def tune(pitches: Sequence[int], durations: Sequence[int] | None = None, name: str = "") -> Piece:
    """Notes of these durations, one after another; eighth notes if none are given."""
    steps = [12] * len(pitches) if durations is None else list(durations)
    return Piece.from_arrays(np.cumsum([0, *steps])[:-1], steps, pitches, grid=24, name=name)


SCALE = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79]
TURNS = [60, 61, 59, 62, 58, 63, 57, 64, 56, 65, 55, 66]


def test_a_copy_is_detected_in_any_key_and_at_any_time() -> None:
    copy_filter = CopyFilter.of([tune(SCALE)])
    assert copy_filter.longest(tune(SCALE)) == 11  # the first note has no interval
    assert copy_filter.longest(tune([p + 5 for p in SCALE])) == 11
    assert copy_filter.longest(tune([40, *SCALE[:10], 40])) == 9
    assert copy_filter.longest(tune([40, *SCALE[:9], 40])) == 8
    assert copy_filter.longest(tune([40, *SCALE[:8], 40])) == 0  # 7 are too few
    assert copy_filter.longest(tune(SCALE, [12] * 6 + [24] * 6)) == 0
    assert copy_filter.longest(tune(TURNS)) == 0
    assert copy_filter.longest(tune([60])) == 0


def test_notes_of_the_primer_do_not_count() -> None:
    copy_filter = CopyFilter.of([tune(SCALE)])
    piece = tune([*SCALE, *TURNS])
    assert copy_filter.longest(piece) == 11
    assert copy_filter.longest(piece, 3) == 9  # from the fourth note of the scale on
    assert copy_filter.longest(piece, 12) == 0


notes = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([12, 24])), min_size=1, max_size=40)


@given(st.lists(notes, min_size=1, max_size=4), st.lists(notes, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_it_agrees_with_the_exact_search(
    known: list[list[tuple[int, int]]], written: list[list[tuple[int, int]]]
) -> None:
    training, pieces = (
        [tune([60 + p for p, _ in x], [d for _, d in x]) for x in side] for side in (known, written)
    )
    copy_filter = CopyFilter.of(training)
    for piece, matches in zip(pieces, longest_matches(pieces, training), strict=True):
        exact = int(matches.max(initial=0))
        assert (copy_filter.longest(piece) >= MIN_NOTES) == (exact >= MIN_NOTES)
        assert copy_filter.longest(piece) >= exact * (exact >= MIN_NOTES)


def test_it_is_saved_as_a_tensor() -> None:
    copy_filter = CopyFilter.of([tune(SCALE), tune(TURNS)])
    saved = copy_filter.as_tensor()
    assert saved.dtype == torch.int32
    assert CopyFilter.from_tensor(saved).hashes.tolist() == copy_filter.hashes.tolist()
    assert CopyFilter.from_tensor(saved[:0]).longest(tune(SCALE)) == 0
    for wrong in (saved.float(), saved[None]):
        with pytest.raises(ValueError, match="hashes of"):
            CopyFilter.from_tensor(wrong)


class Copyist:
    """Samples a scale, or, in some calls and places, other notes."""

    def __init__(self, own: set[tuple[int, int]]) -> None:
        self.own, self.calls = own, []

    def __call__(self, n: int, seed: int) -> list[Piece]:
        self.calls.append((n, seed))
        number = len(self.calls)
        return [
            tune(TURNS if (number, i) in self.own else SCALE, name=f"{number}.{i}")
            for i in range(n)
        ]


def test_copies_are_replaced_by_new_samples() -> None:
    draw = Copyist({(1, 0), (1, 2), (2, 1), (3, 0)})
    copy_filter = CopyFilter.of([tune(SCALE)])
    pieces = in_order(without_copies(draw, copy_filter, longest=8, n_pieces=4, seed=5))
    assert [p.pitch.tolist() for p in pieces] == [TURNS] * 4
    assert [p.name for p in pieces] == ["1.0", "1.1", "1.2", "1.3"]
    assert [n for n, _ in draw.calls] == [4, 2, 1]  # two are copies, then one of their replacements
    assert len({seed for _, seed in draw.calls}) == 3
    assert draw.calls[0] == (4, 5)


def test_copies_of_the_allowed_length_are_accepted() -> None:
    copy_filter = CopyFilter.of([tune(SCALE)])
    for longest in (11, None):
        draw = Copyist(set())
        found = without_copies(draw, copy_filter, longest=longest, n_pieces=2, seed=0)
        assert [number for number, _ in found] == [0, 1]
        assert draw.calls == [(2, 0)]


def test_nothing_is_sampled_without_a_copy_filter() -> None:
    draw = Copyist(set())
    with pytest.raises(UserError, match="holds no copy filter"):
        list(without_copies(draw, None, longest=8, n_pieces=2, seed=0))
    assert draw.calls == []


def test_a_model_that_does_nothing_but_copy() -> None:
    copy_filter = CopyFilter.of([tune(SCALE)])
    found = without_copies(Copyist({(1, 1)}), copy_filter, longest=8, n_pieces=3, seed=0)
    with pytest.raises(UserError, match="after 50 draws, 2 of 3 pieces still copy a longer run"):
        list(found)


def stairs(seed: int) -> Piece:
    """Eighth notes that climb a scale, with some leaps."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(96) < 0.75, 1, rng.integers(-6, 1, 96)).cumsum() % 14
    return tune((48 + 2 * steps).tolist(), name=f"stairs {seed}")


def test_samples_of_a_run_and_of_its_checkpoint_do_not_copy(tmp_path: Path) -> None:
    (tmp_path / "midi").mkdir()
    training = [stairs(i) for i in range(12)]
    for i, piece in enumerate(training):
        write_midi(piece, tmp_path / "midi" / f"stairs{i}.mid")

    done = run_command(
        "train",
        "experiment=markov",
        "data.root=midi",
        "data.min_notes=16",
        "data.test_rate=0",
        "data.val_rate=0",
        "samples.n_pieces=8",
        "samples.n_notes=24",
        "samples.max_copied_notes=8",
        "report=false",
        "hydra.run.dir=run",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr

    def longest(folder: str) -> int:
        pieces = [read(p, grid=24)[0] for p in sorted((tmp_path / folder).glob("*.mid"))]
        assert len(pieces) == 8
        return max(int(m.max()) for m in longest_matches(pieces, training))

    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["n_copies_rejected"] > 0
    assert longest("run/samples") <= 8
    # the checkpoint holds the filter, and so does its exported sampler
    whole, small = tmp_path / "run" / "checkpoints" / "best.ckpt", tmp_path / "small.ckpt"
    save_sampler(sampler_part(load_checkpoint(whole), ("",)), small)
    for out, *asked in (("as_the_run",), ("all", "max_copied_notes=100")):
        asked += [f"checkpoint={small}", "n_pieces=8", "n_notes=24", "seed=5"]
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose("generate", [*asked, f"out={tmp_path / out}"])
        generate._generate(checked(GenerateConfig, config))
    assert longest("as_the_run") <= 8
    assert longest("all") > 8
