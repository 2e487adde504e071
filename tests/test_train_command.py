"""The commands as users run them, tiny, in temporary folders."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.decoding.request import SampleRequest
from gan_music.io.read import read
from gan_music.training.factory import restore_model
from tests.conftest import (
    TINY,
    Command,
    events_of,
    hyperparameters,
    run_command,
    sentence,
    signal_command,
    status_of,
    succeed,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """The folder above outputs/ of one finished run."""
    cwd = tmp_path_factory.mktemp("run")
    done = succeed(run_command("train", "data=midi", f"data.root={midi_folder}", *TINY, cwd=cwd))
    assert "\r" not in done.stdout + done.stderr  # no bar without a terminal
    assert "windows/s" not in done.stdout + done.stderr
    (cwd / "stdout").write_text(done.stdout)
    return cwd


def only_run(cwd: Path) -> Path:
    (folder,) = (cwd / "outputs" / "quick").iterdir()
    return folder


def test_a_run_leaves_what_it_promises(run: Path) -> None:
    folder = only_run(run)
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    events = {f for f in found if f.startswith("tensorboard/")}
    assert found - events == {
        *("config.yaml", "environment.json", "status.json", "train.log", "rejects.csv"),
        *("metrics.json", "quality.txt", "real/pieces.csv", "samples.png", "scalars.csv"),
        *(f"real/real_{i}.mid" for i in range(1, 6)),
        *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
        *("samples/sample_01.mid", "samples/sample_02.mid"),
        *("samples/sample_01.flac", "samples/sample_02.flac"),
    }
    (piece,) = read(folder / "samples" / "sample_01.mid")
    assert len(piece) == 24


def test_the_last_lines_say_where_things_are(run: Path) -> None:
    folder = only_run(run).relative_to(run)
    lines = (run / "stdout").read_text().splitlines()
    assert lines[-5].startswith("best epoch ")
    assert lines[-4:] == [
        f"all figures: {folder}/quality.txt, {folder}/metrics.json",
        f"samples: {folder}/samples, {folder}/samples.png",
        f"checkpoints: {folder}/checkpoints/best.ckpt, {folder}/checkpoints/last.ckpt",
        f"losses: tensorboard --logdir {folder}",
    ]
    assert "split by piece" in (only_run(run) / "train.log").read_text()


def test_a_run_ends_with_its_evaluation(run: Path) -> None:
    folder = only_run(run)
    figures = json.loads((folder / "metrics.json").read_text())
    assert 0 < figures["val_distance"] <= 1
    assert figures["verdict"] == "undefined"  # one excerpt of each set has a window's length
    assert figures["verdict_reason"] == "both sets have fewer than two excerpts to compare"
    assert figures["while_training"].keys() == {"last_variety", "first_collapsed_batch"}
    groups = figures["figures"]
    for group in ("mgeval", "c2st", "prdc", "pitch", "rhythm", "harmony", "originality"):
        assert groups[group]
    assert groups["mgeval"]["oa_mean"]["best"] == "higher"
    # the measure has windows of its own: data.window is 16, and samples have 24 notes
    assert figures["settings"]["window"] == 64
    assert any(n.startswith("Windows of 24 notes") for n in figures["notes"])
    assert " training pieces, of " in (folder / "quality.txt").read_text()
    # what is printed are the ten main lines of what is kept
    table = (run / "stdout").read_text().partition("\nfigure ")[2].partition("\nbest epoch ")[0]
    assert len(table.splitlines()) == 10
    kept = (folder / "quality.txt").read_text()
    figures_of = re.findall(r"^(?:mgeval|c2st|prdc|diversity|originality)( .*)$", table, re.M)
    assert len(figures_of) == 6
    for row in figures_of:
        assert " ".join(row.split()) in " ".join(kept.split())
    last = f"verdict: undefined: {figures['verdict_reason']}"
    assert kept.splitlines()[-1] == table.splitlines()[-1] == last


def test_a_run_records_its_cost(run: Path) -> None:
    folder = only_run(run)
    cost = json.loads((folder / "metrics.json").read_text())["cost"]
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    # Adam keeps a moment for each weight that it trains
    generator, discriminator = (
        sum(moments["exp_avg"].numel() for moments in optimizer["state"].values())
        for optimizer in content["optimizer_states"]
    )
    assert cost.pop("n_weights") == {
        "generator": generator,
        "all_networks": generator + discriminator,
    }
    assert 0 < cost.pop("training_seconds") == content["callbacks"]["EpochLog"]["seconds"]
    assert cost.pop("sampling_notes_per_second") > 0
    assert cost == {"n_threads": 1, "accelerator": "cpu"}


def test_every_batch_has_its_points(run: Path) -> None:
    events = events_of(only_run(run))
    log = (only_run(run) / "train.log").read_text()
    n_windows = int(log.split(" training windows")[0].rsplit(" ", 1)[1])
    n_batches = -(-n_windows // 8)
    assert [e.step for e in events.Scalars("train/nll")] == list(range(2 * n_batches))
    expected = sorted({*range(3, 2 * n_batches, 4), n_batches - 1, 2 * n_batches - 1})
    assert [e.step for e in events.Scalars("collapse/variety")] == expected


def test_generate_gives_the_same_bytes_for_the_same_seed(run: Path, tmp_path: Path) -> None:
    words = (f"checkpoint={only_run(run) / 'checkpoints' / 'best.ckpt'}", "n_pieces=3")
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        more = ("n_notes=40", f"seed={seed}", f"out={out}")
        succeed(run_command("generate", *words, *more, cwd=tmp_path))
    a, b, c = (
        [p.read_bytes() for p in sorted((tmp_path / out).glob("*.mid"))] for out in ("a", "b", "c")
    )
    assert len(a) == 3
    assert a == b
    assert a != c
    assert all(len(read(p)[0]) == 40 for p in (tmp_path / "a").glob("*.mid"))


def test_generate_without_a_checkpoint_writes_chorales(tmp_path: Path) -> None:
    done = succeed(run_command("generate", "n_pieces=2", "n_notes=64", cwd=tmp_path))
    assert "2 pieces of 64 notes in samples, in the style of Bach's chorales" in done.stdout
    files = sorted((tmp_path / "samples").iterdir())
    assert [f.name for f in files] == ["sample_01.mid", "sample_02.mid"]
    for file in files:
        (piece,) = read(file)
        assert len(piece) == 64
        assert piece.pitch.min() >= 36  # a choir's compass, with room
        assert piece.pitch.max() <= 84


def test_an_exported_checkpoint_is_small_and_cannot_be_trained_on(
    run: Path, tmp_path: Path
) -> None:
    best = only_run(run) / "checkpoints" / "best.ckpt"
    small = tmp_path / "r" / "checkpoints" / "last.ckpt"
    done = succeed(run_command("export", f"checkpoint={best}", f"out={small}", cwd=tmp_path))
    assert f"python -m gan_music.generate checkpoint={small}" in done.stdout
    assert small.stat().st_size < best.stat().st_size / 2
    models = [restore_model(load_checkpoint(p), p) for p in (small, best)]
    a, b = (m.sample(SampleRequest(2, 30, seed=1)) for m in models)
    assert [p.notes() for p in a] == [p.notes() for p in b]
    shutil.copy(only_run(run) / "config.yaml", tmp_path / "r")
    done = run_command("train", f"resume={small}", "trainer.max_epochs=9", cwd=tmp_path)
    assert "was exported for sampling and cannot be trained on" in sentence(done)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], ["no checkpoint given", "checkpoint=RUN"]),
        (["checkpoint=a.ckpt"], ["out has no value"]),
        (["checkpoint=a.ckpt", "out=."], ["out=. is a folder"]),
        (["checkpoint=a.ckpt", "out=below/../a.ckpt"], ["would replace it"]),
    ],
)
def test_what_export_refuses(tmp_path: Path, overrides: list[str], words: list[str]) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.ckpt").write_text("whatever")
    line = sentence(run_command("export", *overrides, cwd=tmp_path))
    assert all(word in line for word in words), line
    assert (tmp_path / "a.ckpt").read_text() == "whatever"


def test_a_resumed_run_ends_with_the_same_weights(
    run: Path, train: Command, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    succeed(train("trainer.max_epochs=1", f"hydra.run.dir={stopped}"))
    checkpoint = stopped / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["callbacks"]["EpochLog"]["seconds"] = 1000.0
    torch.save(content, checkpoint)
    # other processes read another cache, and what is shown differs
    free = ("data.n_workers=1", "data.cache_dir=other", "data.on_device=true", "samples.n_sounds=0")
    shown = ("samples.show_every_n_epochs=1", "samples.show_at_most=1", "report=true")
    more = (f"resume={checkpoint}", "trainer.max_epochs=2", "skip_done=true", *free, *shown)
    succeed(run_command("train", *more, cwd=tmp_path))
    a = torch.load(only_run(run) / "checkpoints" / "last.ckpt", weights_only=True)
    b = torch.load(checkpoint, weights_only=True)
    assert a["state_dict"].keys() == b["state_dict"].keys()
    for key, value in a["state_dict"].items():
        assert torch.equal(value, b["state_dict"][key]), key
    for x, y in zip(a["optimizer_states"], b["optimizer_states"], strict=True):
        for i in x["state"]:
            assert torch.equal(x["state"][i]["exp_avg_sq"], y["state"][i]["exp_avg_sq"])
    assert not (tmp_path / "outputs").exists()
    seconds = json.loads((stopped / "metrics.json").read_text())["cost"]["training_seconds"]
    assert 1000 < seconds < 1300
    # steps go on where they were: no batch is logged twice
    steps = [e.step for e in events_of(stopped).Scalars("train/nll")]
    assert steps == list(range(len(steps)))
    config = yaml.safe_load((stopped / "config.yaml").read_text())
    assert config["trainer"]["max_epochs"] == 2
    assert (config["data"]["n_workers"], config["data"]["cache_dir"]) == (1, "other")
    assert (tmp_path / "other").is_dir()
    assert (stopped / "report.html").is_file()
    done = succeed(run_command("train", f"resume={stopped}", "skip_done=true", cwd=tmp_path))
    assert done.stdout.startswith("done already: ")


def test_a_sweep_runs_every_job_in_its_own_folder(train: Command, tmp_path: Path) -> None:
    done = train(
        "-m", "model.hidden_size=-1,8,12", "seed=1,2", "trainer.max_epochs=1", "report=true"
    )
    # jobs that fail do not stop the others
    assert done.returncode == 1
    assert done.stderr.startswith("error: 2 of 6 jobs failed")
    assert "model.hidden_size=-1 must be" in done.stderr
    (sweep,) = (tmp_path / "outputs" / "quick").iterdir()
    assert "report.html" in {p.name for p in sweep.iterdir()}
    assert sorted(p.name for p in sweep.iterdir() if p.is_dir()) == list("012345")
    assert not (sweep / "0" / "metrics.json").exists()
    assert "Traceback" in (sweep / "0" / "train.log").read_text()
    failed = status_of(sweep / "0")
    assert failed["status"] == "failed"
    assert failed["error"] == "model.hidden_size=-1 must be at least 1."
    seen = set()
    for job in "2345":
        config = OmegaConf.load(sweep / job / "config.yaml")
        seen.add((config.model.hidden_size, config.seed))
        tags = events_of(sweep / job).Tags()["scalars"]
        assert {"train/loss_d", "train/loss_g", "final/val_distance"} <= set(tags)
        given = hyperparameters(sweep / job)
        assert given["model.hidden_size"].number_value == config.model.hidden_size
        assert given["seed"].number_value == config.seed
        status = status_of(sweep / job)
        assert (status["status"], status["error"]) == ("done", None)
        figures = json.loads((sweep / job / "metrics.json").read_text())
        assert status["verdict"] == figures["verdict"]
    assert seen == {(8, 1), (8, 2), (12, 1), (12, 2)}
    lines = (sweep / "ranking.txt").read_text().splitlines()
    ranked = {line.split()[-1] for line in lines if line[:1].isdigit()}
    assert ranked == {"model.hidden_size=8", "model.hidden_size=12"}
    assert done.stdout.endswith("\n".join(lines) + "\n")


def test_runs_that_start_in_one_second_have_their_own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan_music.runs import folder as run_folder

    monkeypatch.chdir(tmp_path)
    folders = set()
    for _ in range(3):
        run_folder._made.clear()
        folders.add(run_folder.run_folder("quick", None))
        assert run_folder.run_folder("quick", None) in folders  # within a process it stays
    assert len(folders) == 3


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data=midi"], ["data.root"]),
        (["learning_rate=1"], ["learning_rate does not exist"]),
        (["+learning_rate=1"], ["learning_rate does not exist"]),
        (["hidden_size=64"], ["did you mean model.hidden_size"]),
        (["model=nonexistent"], ["model=nonexistent does not exist", "gumbel_gan"]),
        (["resume=nowhere.ckpt"], ["resume=nowhere.ckpt is no file"]),
        (["seed"], ["seed"]),
    ],
)
def test_a_mistake_on_the_command_line_gives_one_sentence(
    tmp_path: Path, overrides: list[str], words: list[str]
) -> None:
    line = sentence(run_command("train", *overrides, cwd=tmp_path))
    assert all(word in line for word in words), line


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run_command("train", "data.root=nowhere", "debug=true", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_folder_can_be_named_again_and_one_broken_file_does_not_stop_a_run(
    train: Command, midi_folder: Path, tmp_path: Path
) -> None:
    root, folder = tmp_path / "music", f"hydra.run.dir={tmp_path / 'r'}"
    line = sentence(train("data.root=nowhere", folder))
    assert "data.root=" in line
    assert "nowhere does not exist" in line
    shutil.copytree(midi_folder, root)
    (root / "page.mid").write_text("<html>")
    more = ("trainer.max_epochs=1", "trainer.precision=bf16-mixed")
    done = succeed(train(f"data.root={root}", *more, folder))
    assert "1 files refused" in done.stdout
    assert "page.mid" in (tmp_path / "r" / "rejects.csv").read_text()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["hydra.run.dir={run}"], ["holds a run already", "resume="]),
        (["resume={last}", "model.hidden_size=20"], ["hidden_size=20", "cannot change on resume"]),
        (["resume={last}"], ["finished", "trainer.max_epochs"]),
    ],
)
def test_what_a_finished_run_refuses(run: Path, overrides: list[str], words: list[str]) -> None:
    folder = only_run(run)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    places = {"run": folder, "last": folder / "checkpoints" / "last.ckpt"}
    line = sentence(run_command("train", *(o.format(**places) for o in overrides), cwd=run))
    assert all(word in line for word in words), line
    after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    log = folder / "train.log"
    assert before.pop(log) in after.pop(log)
    assert before == after


def test_an_output_path_under_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command, key in (("train", "hydra.run.dir"), ("generate", "out")):
        assert "file/below" in sentence(run_command(command, f"{key}=file/below", cwd=tmp_path))


def test_a_damaged_checkpoint_is_refused_first(run: Path, tmp_path: Path) -> None:
    content = (only_run(run) / "checkpoints" / "last.ckpt").read_bytes()
    path = tmp_path / "r" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    shutil.copy(only_run(run) / "config.yaml", tmp_path / "r")
    path.write_bytes(content[: len(content) // 2])
    resumed = run_command("train", f"resume={path}", cwd=tmp_path)
    assert "is not a checkpoint" in sentence(resumed)
    assert "read" not in resumed.stdout  # refused before any data are read
    generated = run_command("generate", f"checkpoint={path}", cwd=tmp_path)
    assert "is not a checkpoint" in sentence(generated)
    edited = torch.load(only_run(run) / "checkpoints" / "last.ckpt", weights_only=True)
    edited["optimizer_states"][0]["state"][0]["step"] = torch.tensor(-1.0)
    torch.save(edited, path)
    resumed = run_command("train", f"resume={path}", "trainer.max_epochs=9", cwd=tmp_path)
    where = "its optimizer_states (0, state of parameter 0, step) is not what a run writes"
    assert where in sentence(resumed)
    assert "read" not in resumed.stdout


def test_early_stopping_on_the_validation_distance(train: Command, tmp_path: Path) -> None:
    # nothing is learned at a learning rate of 0, so the second epoch is no better than the first
    still = ("model.warm_start_epochs=0", "model.lr_g=0")
    more = ("trainer.patience=1", "trainer.max_epochs=5", f"hydra.run.dir={tmp_path / 'r'}")
    done = succeed(train(*still, *more))
    assert "epoch 2/5" in done.stdout
    assert "epoch 3/5" not in done.stdout
    assert (tmp_path / "r" / "metrics.json").is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer=gpu", ["there is no GPU here", "trainer=cpu"]),
        ("trainer.cuda_graph=true", ["trainer.cuda_graph=true", "no NVIDIA GPU"]),
    ],
)
def test_a_gpu_that_is_not_there(train: Command, override: str, words: list[str]) -> None:
    line = sentence(train(override))
    assert all(word in line for word in words), line


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("cuda_graph", ["false", "null"])
def test_a_run_on_a_gpu(train: Command, tmp_path: Path, cuda_graph: str) -> None:
    words = ("trainer=gpu", f"trainer.cuda_graph={cuda_graph}")
    succeed(train(*words, f"hydra.run.dir={tmp_path / 'r'}"))
    figures = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert figures["cost"]["accelerator"].startswith("cuda (")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_without_events_has_no_cuda_graph(midi_folder: Path, tmp_path: Path) -> None:
    music = ("experiment=paper", f"data.root={midi_folder}", "trainer=gpu")
    line = sentence(run_command("train", *music, "trainer.cuda_graph=true", cwd=tmp_path))
    assert "trainer.cuda_graph=true" in line
    assert "decodes no events" in line


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, midi_folder: Path) -> None:
    words = ("data=midi", f"data.root={midi_folder}", *TINY, "trainer.max_epochs=10000")
    run = f"hydra.run.dir={tmp_path / 'r'}"
    code, text = signal_command(signal.SIGINT, "epoch 2/", "train", *words, run, cwd=tmp_path)
    assert code == 130, text
    assert "Traceback" not in text
    assert "resume by: python -m gan_music.train resume=r\n" in text
    assert not (tmp_path / "r" / "metrics.json").exists()
