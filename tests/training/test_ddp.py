"""Training by several processes, on CPUs (gloo)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from gan_music.config.validate import compose_run
from gan_music.data.samplers import DistributedBatchSampler, WindowSampler
from gan_music.training.factory import build_data
from tests.conftest import TINY, events_of, run_python, sentence, status_of, succeed

ROOT = Path(__file__).parent.parent
DDP = ("trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=5")


@given(n=st.integers(1, 200), size=st.integers(1, 9), processes=st.integers(1, 8), epoch=...)
@settings(max_examples=200, deadline=None)
def test_each_window_is_dealt_to_one_process(
    n: int, size: int, processes: int, epoch: bool
) -> None:
    sampler = WindowSampler(n, seed=3, transpose=2, jitter=4)
    sampler.set_epoch(int(epoch))
    if n < processes:
        with pytest.raises(ValueError, match="too few"):
            DistributedBatchSampler(sampler, size, n_processes=processes)
        return
    each = [
        DistributedBatchSampler(sampler, size, process=p, n_processes=processes)
        for p in range(processes)
    ]
    dealt = [[list(map(tuple, batch.tolist())) for batch in b] for b in each]
    assert sorted(i for batches in dealt for batch in batches for i in batch) == sorted(sampler)
    assert {len(batches) for batches in dealt} == {len(b) for b in each} == {len(each[0])}
    for step in zip(*dealt, strict=True):
        sizes = [len(batch) for batch in step]
        assert 1 <= min(sizes) <= max(sizes) <= min(min(sizes) + 1, size + 1)
    if processes == 1:
        assert dealt[0] == list(BatchSampler(sampler, size, drop_last=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """The folder of a run of two processes, and their records."""
    cwd = tmp_path_factory.mktemp("ddp")
    words = ("data=midi", f"data.root={midi_folder}", *TINY, *DDP, "model.dropout=0.1")
    probe = ("-m", "tests.training.ddp_probe", *words, "hydra.run.dir=r")
    done = succeed(run_python(*probe, cwd=cwd, PYTHONPATH=str(ROOT)))
    (cwd / "stdout").write_text(done.stdout)
    return cwd


@pytest.fixture(scope="module")
def probes(folder: Path) -> list[dict[str, list[Any]]]:
    return [torch.load(folder / f"probe{rank}.pt") for rank in (0, 1)]


def test_processes_share_the_windows_of_one(
    probes: list[dict[str, list[Any]]], folder: Path, midi_folder: Path
) -> None:
    config = compose_run("data=midi", f"data.root={midi_folder}", *TINY, *DDP)
    data = build_data(config.data, config.representation, seed=config.seed)
    data.setup()
    for epoch in (0, 1):
        loader = data.train_dataloader()
        loader.batch_sampler.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        alone = [tuple(w.flatten().tolist()) for batch in loader for w in batch.x]
        shares = [[b for e, b in probe["batches"] if e == epoch] for probe in probes]
        together = [tuple(w.flatten().tolist()) for share in shares for b in share for w in b]
        assert Counter(together) == Counter(alone)
        assert len(shares[0]) == len(shares[1])
        assert all(map(len, shares))


def test_processes_agree(probes: list[dict[str, list[Any]]]) -> None:
    a, b = probes
    networks = Counter(network for network, _ in a["gradients"])
    assert min(networks["g"], networks["d"]) > 10
    for (network, x), (other, y) in zip(a["gradients"], b["gradients"], strict=True):
        assert network == other
        assert torch.equal(x, y)
        assert x.any()
    for name in ("weights", "averaged"):
        for x, y in zip(a[name], b[name], strict=True):
            assert x.keys() == y.keys()
            assert all(torch.equal(x[k], y[k]) for k in x)
    assert a["averaged"][-1]["averaged.n_averaged"] == networks["g"]
    assert repr(a["figures"]) == repr(b["figures"])  # as text, since NaN is unequal to itself
    assert a["figures"][0]["val/distance"] > 0
    assert a["figures"][0]["verdict"] is not None


def test_each_process_has_noise_of_its_own(probes: list[dict[str, list[Any]]]) -> None:
    for x, y in zip(probes[0]["random"], probes[1]["random"], strict=True):
        assert not torch.equal(x, y)


def test_one_process_writes(folder: Path, probes: list[dict[str, list[Any]]]) -> None:
    run = folder / "r"
    assert {p.name for p in run.iterdir()} == {
        *("checkpoints", "config.yaml", "environment.json", "metrics.json", "quality.txt", "real"),
        *("rejects.csv", "samples", "samples.png", "scalars.csv", "status.json", "tensorboard"),
        "train.log",
    }
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert len(list((run / "samples").glob("*.mid"))) == 2
    for text in ((run / "train.log").read_text(), (folder / "stdout").read_text()):
        for words in ("split by piece", "epoch 1/2", "epoch 2/2", "verdict: "):
            assert text.count(words) == 1, words
    assert "on CPU (2 processes)" in (run / "train.log").read_text()
    assert status_of(run)["status"] == "done"
    steps = [e.step for e in events_of(run).Scalars("train/nll")]
    assert steps == list(range(len(probes[0]["batches"])))
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(v, saved[k]) for k, v in probes[1]["averaged"][-1].items())


def test_what_several_processes_refuse(midi_folder: Path, tmp_path: Path) -> None:
    music = ("-m", "gan_music.train", "data=midi", f"data.root={midi_folder}")
    small = ("data.window=16", "data.min_notes=16")
    done = run_python(*music, *small, "experiment=markov", *DDP, cwd=tmp_path)
    assert sentence(done) == "error: model=ngram has no weights to train on several devices."
    # torchrun's environment: without hydra.run.dir, each process would make a folder
    ranks = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    done = run_python(*music, *DDP, cwd=tmp_path, TORCHELASTIC_RUN_ID="1", **ranks)
    assert sentence(done).startswith("error: hydra.run.dir has no value")
