"""Every model of events trains on tracks, ends and voices, and writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from gan_music.io.read import read
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece, Track
from tests.conftest import SMALL, TINY, run_command, run_python, sentence, succeed

LIKELIHOOD = Path(__file__).parents[1] / "benchmarks" / "likelihood.py"
NETWORKS = tuple(x for x in TINY if x.startswith(("model.hidden", "model.embedding")))
CRITIC = ("model.d_hidden_size=8", "model.d_embedding_size=4", "model.rollout_batch=4")
CRITIC += ("model.critic_pretrain_batches=1", "model.warm_start_epochs=1", "model.n_particles=2")


def duet(seed: int) -> Piece:
    """A flute over a bassoon, eight bars long, which end together."""
    rng = np.random.default_rng(seed)
    tracks = (Track("Flute", 73), Track("Bassoon", 70))
    onset = [*range(0, 768, 24), *range(0, 768, 48)]
    duration = [24] * 32 + [48] * 16
    pitch = [*(72 + rng.integers(-5, 6, 32)), *(48 + rng.integers(-5, 6, 16))]
    velocity = rng.integers(40, 100, 48)
    track = [0] * 32 + [1] * 16
    return Piece.from_arrays(
        onset, duration, pitch, grid=24, velocity=velocity, track=track, tracks=tracks
    )


@pytest.fixture(scope="module")
def duets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duets")
    for seed in range(12):
        write_midi(duet(seed), folder / f"duet{seed:02d}.mid")
    # a third part has no place among two voices
    trio = duet(99)
    track = np.where(trio.onset % 96 == 0, 2, trio.track)
    write_midi(
        Piece.from_arrays(
            trio.onset, trio.duration, trio.pitch, grid=24,
            track=track, tracks=(*trio.tracks, Track("Horn", 60)),
        ),
        folder / "trio.mid",
    )  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("lstm_lm", ("representation=voices", *NETWORKS)),
        ("gumbel_gan", ("representation=voices", *TINY)),
        ("gumbel_gan", ("representation.ends=true", *TINY)),
        ("reinforce_gan", ("representation=voices", *NETWORKS, *CRITIC)),
        ("ngram", ("representation.ends=true",)),
    ],
)
def test_a_model_learns_tracks(
    model: str, words: tuple[str, ...], duets: Path, tmp_path: Path
) -> None:
    small = ("data=midi", f"data.root={duets}", *SMALL, "hydra.run.dir=run", "data.short=pad")
    succeed(run_command("train", f"model={model}", *small, *words, cwd=tmp_path))
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 <= figures["n_ended"] <= 2
    rejects = (tmp_path / "run" / "rejects.csv").read_text()
    assert ('trio.mid,"its tracks need 1, 1, 2 voices' in rejects) == (
        "representation=voices" in words
    )
    if model == "lstm_lm":
        done = succeed(run_python(str(LIKELIHOOD), "run", cwd=tmp_path))
        # a voice and its onset follow from the events before
        assert re.search(r"test pieces, \d+ events\n  offset +0\.0000 nats\n", done.stdout)
        assert re.search(r"track +0\.0000 nats\n  offset, pitch, duration \d", done.stdout)
    more = (f"continue_from={duets / 'duet00.mid'}", "n_pieces=2", "n_notes=40", "out=out")
    done = succeed(
        run_command("generate", "checkpoint=run", *more, "format=mid,musicxml", cwd=tmp_path)
    )
    assert "of them end by themselves" in done.stdout
    for name in ("sample_01.mid", "sample_01.musicxml"):
        (piece,) = read(tmp_path / "out" / name, grid=24)
        assert [(t.name, t.program) for t in piece.tracks] == [("Flute", 73), ("Bassoon", 70)]
        first = piece.take(np.flatnonzero(piece.onset < 696))
        known = duet(0).take(np.flatnonzero(duet(0).onset < 696))
        assert first.notes() == known.notes()
        assert first.track.tolist() == known.track.tolist()


def test_a_run_of_voices_resumes_and_is_a_beginning(duets: Path, tmp_path: Path) -> None:
    small = ("data=midi", f"data.root={duets}", *SMALL, "data.short=pad", *NETWORKS)
    small += tuple(f"model.{x}=4" for x in ("attention_span", "lookback_span", "n_intervals"))
    small += ("model.active_notes_span=4", "model.n_layers=1", "model.n_style_components=0")
    words = ("model=lstm_lm", "representation=voices", *small)
    succeed(run_command("train", *words, "hydra.run.dir=run", cwd=tmp_path))
    done = run_command("train", "resume=run", "trainer.max_epochs=3", cwd=tmp_path)
    succeed(done)
    warm = ("model=reinforce_gan", "model.warm_start_from=run", *CRITIC)
    done = run_command("train", *words[1:], *warm, "hydra.run.dir=gan", cwd=tmp_path)
    succeed(done)
    # a primer of other voices
    primer = f"continue_from={duets / 'trio.mid'}"
    done = run_command("generate", "checkpoint=run", primer, "out=out", cwd=tmp_path)
    assert "trio.mid has no place in this model: its tracks need 1, 1, 2 voices" in sentence(done)
    assert not (tmp_path / "out").exists()
