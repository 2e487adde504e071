"""The commands as users run them, tiny, in temporary folders."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint
from gan_music.decoding.request import SampleRequest
from gan_music.io.read import read
from gan_music.training.factory import restore_model
from tests.conftest import TINY, Command, event_tags, run_command, start_command


def scalars(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return events


def hyperparameters(folder: Path) -> tuple[float, float]:
    """A run's width and seed, as the HPARAMS tab has them."""
    found = scalars(folder / "tensorboard").PluginTagToContent("hparams")
    start = HParamsPluginData.FromString(found["_hparams_/session_start_info"])
    given = start.session_start_info.hparams
    return given["model.hidden_size"].number_value, given["seed"].number_value


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """The folder above outputs/ of one finished run."""
    cwd = tmp_path_factory.mktemp("run")
    done = run_command("train", "data=midi", f"data.root={midi_folder}", *TINY, cwd=cwd)
    assert done.returncode == 0, done.stderr
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
        "config.yaml",
        "environment.json",
        "status.json",
        "train.log",
        "rejects.csv",
        "metrics.json",
        "quality.txt",
        "real/pieces.csv",
        *(f"real/real_{i}.mid" for i in range(1, 6)),
        "samples.png",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "samples/sample_01.mid",
        "samples/sample_02.mid",
        "samples/sample_01.flac",
        "samples/sample_02.flac",
    }
    (piece,) = read(folder / "samples" / "sample_01.mid")
    assert len(piece) == 24


def test_the_last_lines_say_where_things_are(run: Path) -> None:
    lines = (run / "stdout").read_text().splitlines()
    assert lines[-1] == "losses: tensorboard --logdir outputs"
    assert f"checkpoints: {only_run(run)}/checkpoints (best.ckpt, last.ckpt)" in lines[-2]
    assert f"samples: {only_run(run)}/samples," in lines[-3]
    assert "split by piece" in (only_run(run) / "train.log").read_text()


def test_a_run_ends_with_its_evaluation(run: Path) -> None:
    folder = only_run(run)
    figures = json.loads((folder / "metrics.json").read_text())
    assert 0 < figures["val_distance"] <= 1
    assert figures["verdict"] in ("healthy", "narrow", "collapsed")
    assert figures["while_training"].keys() == {"last_verdict", "first_collapsed_batch"}
    families = figures["figures"]
    for family in ("mgeval", "c2st", "prdc", "pitch", "rhythm", "harmony", "originality"):
        assert families[family]
    assert families["mgeval"]["oa_mean"]["best"] == "higher"
    assert " training pieces, of " in (folder / "quality.txt").read_text()
    # what is printed is what is kept
    assert (folder / "quality.txt").read_text() in (run / "stdout").read_text()


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


def test_the_measure_has_windows_of_its_own(run: Path) -> None:
    # data.window is 16, and samples have 24 notes
    figures = json.loads((only_run(run) / "metrics.json").read_text())
    assert figures["settings"]["window"] == 64
    assert any(n.startswith("Windows of 24 notes") for n in figures["notes"])


def test_tensorboard_has_both_players_against_batches(run: Path) -> None:
    events = scalars(only_run(run) / "tensorboard")
    tags = set(events.Tags()["scalars"])
    assert {
        "train/loss_d",
        "train/loss_g",
        "train/score_real",
        "train/score_fake",
        "train/accuracy_d",
        "train/grad_norm_d",
        "train/grad_norm_g",
        "train/lr_g",
        "train/nll",
        "val/distance",
        "val/coverage",
        "collapse/verdict",
        "collapse/entropy_pitch",
    } <= tags
    log = (only_run(run) / "train.log").read_text()
    n_windows = int(log.split(" training windows")[0].rsplit(" ", 1)[1])
    # two epochs of batches of 8, a point for every batch
    steps = [e.step for e in events.Scalars("train/nll")]
    assert steps == list(range(2 * -(-n_windows // 8)))
    n_batches = -(-n_windows // 8)
    expected = sorted({*range(3, 2 * n_batches, 4), n_batches - 1, 2 * n_batches - 1})
    assert [e.step for e in events.Scalars("collapse/verdict")] == expected
    hyperparameters = events.summary_metadata
    assert any(m.plugin_data.plugin_name == "hparams" for m in hyperparameters.values())


def test_a_checkpoint_is_lightnings_and_plain(run: Path) -> None:
    content = torch.load(only_run(run) / "checkpoints" / "last.ckpt", weights_only=True)
    assert any(k.startswith("generator.") for k in content["state_dict"])
    assert any(k.startswith("discriminator.") for k in content["state_dict"])
    assert content["gan_music"]["schema"] == 5
    assert content["gan_music"]["config"]["model"]["hidden_size"] == 12
    assert content["gan_music"]["codec"]["grid"] == 24


def test_generate_gives_the_same_bytes_for_the_same_seed(run: Path, tmp_path: Path) -> None:
    checkpoint = only_run(run) / "checkpoints" / "best.ckpt"
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = run_command(
            "generate",
            f"checkpoint={checkpoint}",
            "n_pieces=3",
            "n_notes=40",
            f"seed={seed}",
            f"out={out}",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    a, b, c = (
        [p.read_bytes() for p in sorted((tmp_path / out).glob("*.mid"))] for out in ("a", "b", "c")
    )
    assert len(a) == 3
    assert a == b
    assert a != c
    assert all(len(read(p)[0]) == 40 for p in (tmp_path / "a").glob("*.mid"))


def test_generate_without_a_checkpoint_writes_chorales(tmp_path: Path) -> None:
    done = run_command("generate", "n_pieces=2", "n_notes=64", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
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
    stopped = tmp_path / "r" / "checkpoints" / "last.ckpt"
    done = run_command("export", f"checkpoint={best}", f"out={stopped}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"python -m gan_music.generate checkpoint={stopped}" in done.stdout
    assert stopped.stat().st_size < best.stat().st_size / 2
    small, whole = (restore_model(load_checkpoint(p), p) for p in (stopped, best))
    a, b = (m.sample(SampleRequest(2, 30, seed=1)) for m in (small, whole))
    assert [p.notes() for p in a] == [p.notes() for p in b]
    shutil.copy(only_run(run) / "config.yaml", tmp_path / "r")
    assert_one_sentence(
        run_command("train", f"resume={stopped}", "trainer.max_epochs=9", cwd=tmp_path),
        "was exported to be sampled from and cannot be trained on",
    )


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
    assert_one_sentence(run_command("export", *overrides, cwd=tmp_path), *words)
    assert (tmp_path / "a.ckpt").read_text() == "whatever"


def test_config_yaml_repeats_the_run(run: Path, tmp_path: Path) -> None:
    folder = only_run(run)
    repeated = run_command(
        "train", "--config-dir", str(folder), "--config-name", "config", cwd=tmp_path
    )
    assert repeated.returncode == 0, repeated.stderr
    a, b = (
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for f in (folder, only_run(tmp_path))
    )
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_resumed_run_ends_with_the_same_weights(
    run: Path, train: Command, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    done = train("trainer.max_epochs=1", f"hydra.run.dir={stopped}")
    assert done.returncode == 0, done.stderr
    checkpoint = stopped / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["callbacks"]["EpochLog"]["seconds"] = 1000.0
    torch.save(content, checkpoint)
    done = run_command("train", f"resume={checkpoint}", "trainer.max_epochs=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
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
    steps = [e.step for e in scalars(stopped / "tensorboard").Scalars("train/nll")]
    assert steps == list(range(len(steps)))
    config = yaml.safe_load((stopped / "config.yaml").read_text())
    assert config["trainer"]["max_epochs"] == 2


@pytest.mark.parametrize(
    ("experiment", "precision"), [("flagship", "32-true"), ("flagship_gpu", "bf16-mixed")]
)
def test_the_gan_of_long_sequences(
    midi_folder: Path, tmp_path: Path, experiment: str, precision: str
) -> None:
    tiny = [o for o in TINY if not o.startswith(("model.noise_size", "model.warm_start"))]
    small = [
        "d_hidden_size=8",
        "d_embedding_size=4",
        "rollout_batch=6",
        "critic_pretrain_batches=3",
    ]
    result = run_command(
        "train",
        f"experiment={experiment}",
        f"data.root={midi_folder}",
        *tiny,
        *(f"model.{o}" for o in (*small, "warm_start_epochs=1", "n_style_components=2")),
        f"trainer.precision={precision}",
        "trainer.max_epochs=3",
        "hydra.run.dir=run",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert {"train/loss_d", "train/loss_g", "train/advantage"} <= set(
        event_tags(tmp_path / "run")["scalars"]
    )
    written = run_command(
        "generate",
        "checkpoint=run/checkpoints/last.ckpt",
        f"continue_from={next(midi_folder.glob('*.mid'))}",
        "n_pieces=2",
        "n_notes=30",
        "out=on",
        cwd=tmp_path,
    )
    assert written.returncode == 0, written.stderr
    assert len(list((tmp_path / "on").glob("*.mid"))) == 2


def test_the_pure_gan_learns_from_no_likelihood(midi_folder: Path, tmp_path: Path) -> None:
    dropped = ("model.noise_size", "model.warm_start")
    small = (
        "d_hidden_size=8",
        "d_embedding_size=4",
        "rollout_batch=6",
        "replay_batch=4",
        "critic_pretrain_batches=1",
    )
    result = run_command(
        "train",
        "experiment=pure_gan",
        f"data.root={midi_folder}",
        *(o for o in TINY if not o.startswith(dropped)),
        *(f"model.{o}" for o in (*small, "n_style_components=2", "entropy_weight=0.01")),
        "trainer.max_epochs=2",
        "hydra.run.dir=run",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    tags = event_tags(tmp_path / "run")["scalars"]
    assert {"train/loss_d", "train/loss_g", "train/entropy"} <= set(tags)
    assert "train/nll" not in tags


def test_a_warm_start_from_a_checkpoint(midi_folder: Path, tmp_path: Path) -> None:
    tiny = [o for o in TINY if not o.startswith(("model.noise_size", "model.warm_start"))]

    def call(experiment: str, *overrides: str) -> subprocess.CompletedProcess[str]:
        music = f"data.root={midi_folder}"
        return run_command(
            "train", f"experiment={experiment}", music, *tiny, *overrides, cwd=tmp_path
        )

    small = ("model.n_style_components=2", "hydra.run.dir=lm", "trainer.max_epochs=1")
    assert call("attention_lm", *small).returncode == 0
    gan = ("model.n_style_components=2", "model.warm_start_epochs=0", "model.d_hidden_size=8")
    # nobody learns: what is left at the end is what it began with
    still = (
        "model.lr_g=0",
        "model.weight_decay=0",
        "trainer.max_epochs=1",
        "model.rollout_batch=3",
    )
    begun = "model.warm_start_from=lm/checkpoints/last.ckpt"
    result = call("flagship", begun, *gan, *still, "hydra.run.dir=gan")
    assert result.returncode == 0, result.stderr
    name = "checkpoints/last.ckpt"
    theirs = load_checkpoint(tmp_path / "lm" / name).state_dict
    ours = load_checkpoint(tmp_path / "gan" / name).state_dict
    shared = [k for k in theirs if k.startswith("averaged.module.")]
    assert any("outlines" in k for k in shared)
    assert all(torch.equal(theirs[k], ours[k]) for k in shared)

    for wrong, why in (
        (begun, "its generator is another"),
        (f"model.warm_start_from={PRETRAINED}", "its generator is another"),
        ("model.warm_start_from=nowhere.ckpt", "is no file"),
    ):
        result = call("flagship", wrong, *gan, "model.n_style_components=3", "hydra.run.dir=no")
        assert result.returncode == 1
        assert why in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_sweep_runs_every_job_in_its_own_folder(train: Command, tmp_path: Path) -> None:
    done = train("-m", "model.hidden_size=8,12", "seed=1,2", "trainer.max_epochs=1", "report=true")
    assert done.returncode == 0, done.stderr
    (sweep,) = (tmp_path / "outputs" / "quick").iterdir()
    assert "report.html" in {p.name for p in sweep.iterdir()}
    assert sorted(p.name for p in sweep.iterdir() if p.is_dir()) == ["0", "1", "2", "3"]
    seen = set()
    for job in "0123":
        config = OmegaConf.load(sweep / job / "config.yaml")
        seen.add((config.model.hidden_size, config.seed))
        tags = scalars(sweep / job / "tensorboard").Tags()["scalars"]
        assert {"train/loss_d", "train/loss_g", "final/val_distance"} <= set(tags)
        assert hyperparameters(sweep / job) == (config.model.hidden_size, config.seed)
        status = json.loads((sweep / job / "status.json").read_text())
        assert (status["status"], status["error"]) == ("done", None)
        assert (
            status["verdict"] == json.loads((sweep / job / "metrics.json").read_text())["verdict"]
        )
    assert seen == {(8, 1), (8, 2), (12, 1), (12, 2)}
    lines = (sweep / "ranking.txt").read_text().splitlines()
    assert {line.split()[-1] for line in lines[2:]} == {
        "model.hidden_size=8",
        "model.hidden_size=12",
    }
    assert done.stdout.endswith("\n".join(lines) + "\n")


def test_a_job_that_fails_does_not_stop_the_others(train: Command, tmp_path: Path) -> None:
    done = train("-m", "model.hidden_size=-1,8", "trainer.max_epochs=1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: 1 of 2 jobs failed")
    assert "model.hidden_size=-1 must be" in done.stderr
    (sweep,) = (tmp_path / "outputs" / "quick").iterdir()
    assert not (sweep / "0" / "metrics.json").exists()
    assert "Traceback" in (sweep / "0" / "train.log").read_text()
    status = json.loads((sweep / "0" / "status.json").read_text())
    assert status["status"] == "failed"
    assert status["error"] == "model.hidden_size=-1 must be at least 1."
    assert (sweep / "1" / "metrics.json").is_file()
    assert not (sweep / "report.html").exists()  # report=false


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


def assert_one_sentence(done, *words: str) -> None:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.root=nowhere"], ["data.root=", "nowhere does not exist"]),
        (["learning_rate=1"], ["learning_rate does not exist"]),
        (["+learning_rate=1"], ["learning_rate does not exist"]),
        (["hidden_size=64"], ["did you mean model.hidden_size"]),
        (["+model.hiden_size=64"], ["did you mean model.hidden_size"]),
        (["model=nonexistent"], ["model=nonexistent does not exist", "gumbel_gan"]),
        (["experiment=nonexistent"], ["experiment=nonexistent", "quick"]),
        (["model.hidden_size=wide"], ["model.hidden_size=wide must be a whole number"]),
        (["model.hidden_size=-1"], ["model.hidden_size=-1 must be"]),
        (["model.dropout=1.5"], ["model.dropout=1.5 must be"]),
        (["trainer.accelerator=abacus"], ["trainer.accelerator=abacus", "choose one of"]),
        (["resume=nowhere.ckpt"], ["resume=nowhere.ckpt is no file"]),
        (["seed"], ["seed"]),
    ],
)
def test_a_mistake_on_the_command_line_gives_one_sentence(
    tmp_path: Path, overrides: list[str], words: list[str]
) -> None:
    assert_one_sentence(run_command("train", *overrides, cwd=tmp_path), *words)


def test_a_folder_of_the_users_is_asked_for(tmp_path: Path) -> None:
    assert_one_sentence(run_command("train", "data=midi", cwd=tmp_path), "data.root")


def test_folders_without_music(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_sentence(
        run_command("train", "data.root=empty", cwd=tmp_path), "empty holds no music"
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "page.mid").write_text("<html>")
    assert_one_sentence(run_command("train", "data.root=broken", cwd=tmp_path), "page.mid")


def test_a_folder_can_be_named_again_after_a_run_without_music(
    train: Command, tmp_path: Path
) -> None:
    folder = f"hydra.run.dir={tmp_path / 'r'}"
    assert_one_sentence(train("data.root=nowhere", folder), "nowhere does not exist")
    done = train("trainer.max_epochs=1", folder)
    assert done.returncode == 0, done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run_command("train", "data.root=nowhere", "debug=true", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_one_broken_file_is_named_and_the_run_goes_on(
    train: Command, midi_folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "music"
    shutil.copytree(midi_folder, root)
    (root / "page.mid").write_text("<html>")
    done = train(f"data.root={root}", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'r'}")
    assert done.returncode == 0, done.stderr
    assert "1 files refused" in done.stdout
    assert "page.mid" in (tmp_path / "r" / "rejects.csv").read_text()


def test_the_folder_of_a_run_is_not_taken_twice(run: Path) -> None:
    folder = only_run(run)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert_one_sentence(
        run_command("train", f"hydra.run.dir={folder}", cwd=run), "holds a run already", "resume="
    )
    after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    log = folder / "train.log"
    assert before.pop(log) in after.pop(log)
    assert before == after


def test_an_output_path_under_a_plain_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_sentence(
        run_command("train", "hydra.run.dir=file/below", cwd=tmp_path), "file/below"
    )
    checkpoint = only_run(run) / "checkpoints" / "best.ckpt"
    assert_one_sentence(
        run_command("generate", f"checkpoint={checkpoint}", "out=file/below", cwd=tmp_path),
        "file/below",
    )


def damaged(checkpoint: Path, folder: Path, kind: str) -> Path:
    """A run's folder whose last checkpoint is not one, or not ours, or of another schema."""
    (folder / "checkpoints").mkdir(parents=True)
    shutil.copy(checkpoint.parent.parent / "config.yaml", folder)
    path = folder / "checkpoints" / "last.ckpt"
    if kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "half":
        content = checkpoint.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif kind == "foreign":
        torch.save({"state_dict": {}}, path)
    else:
        content = torch.load(checkpoint, weights_only=True)
        content["gan_music"]["schema"] = 999
        torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("text", "is not a checkpoint"),
        ("half", "is not a checkpoint"),
        ("foreign", "was not written by gan_music"),
        ("schema", "has schema 999"),
    ],
)
def test_a_checkpoint_that_is_not_one(run: Path, tmp_path: Path, kind: str, words: str) -> None:
    path = damaged(only_run(run) / "checkpoints" / "last.ckpt", tmp_path / "r", kind)
    resumed = run_command("train", f"resume={path}", cwd=tmp_path)
    assert_one_sentence(resumed, words)
    assert "read" not in resumed.stdout  # refused before any data are read
    assert_one_sentence(run_command("generate", f"checkpoint={path}", cwd=tmp_path), words)


def test_what_cannot_change_on_resume(run: Path) -> None:
    path = only_run(run) / "checkpoints" / "last.ckpt"
    done = run_command("train", f"resume={path}", "model.hidden_size=20", cwd=run)
    assert_one_sentence(done, "model.hidden_size=20", "cannot change on resume")


def test_a_run_that_is_finished_says_so_on_resume(run: Path) -> None:
    path = only_run(run) / "checkpoints" / "last.ckpt"
    done = run_command("train", f"resume={path}", cwd=run)
    assert_one_sentence(done, "finished", "trainer.max_epochs")
    assert (only_run(run) / "metrics.json").is_file()


@pytest.mark.parametrize(
    "command", ["train", "generate", "extract", "evaluate", "export", "report"]
)
def test_help_explains(tmp_path: Path, command: str) -> None:
    done = run_command(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"python -m gan_music.{command}" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_group_with_an_example(tmp_path: Path) -> None:
    text = run_command("train", "--help", cwd=tmp_path).stdout
    for group in ("experiment", "data", "model", "trainer"):
        assert f"python -m gan_music.train {group}=" in text
    for option in ("quick", "corpus", "midi", "gumbel_gan", "auto", "cpu", "gpu"):
        assert option in text


def test_cfg_job_prints_the_config(tmp_path: Path) -> None:
    done = run_command("train", "--cfg", "job", "model.hidden_size=7", cwd=tmp_path)
    assert yaml.safe_load(done.stdout)["model"]["hidden_size"] == 7
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_on_the_validation_distance(train: Command, tmp_path: Path) -> None:
    # nothing is learned at a learning rate of 0, so the second epoch is no better than the first
    done = train(
        "model.warm_start_epochs=0",
        "model.lr_g=0",
        "trainer.patience=1",
        "trainer.max_epochs=5",
        f"hydra.run.dir={tmp_path / 'r'}",
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 2/5" in done.stdout
    assert "epoch 3/5" not in done.stdout
    assert (tmp_path / "r" / "metrics.json").is_file()


def test_mixed_precision(train: Command, tmp_path: Path) -> None:
    done = train(
        "trainer.precision=bf16-mixed", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'r'}"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(train: Command) -> None:
    assert_one_sentence(train("trainer=gpu"), "there is no GPU here", "trainer=cpu")
    done = train("trainer.cuda_graph=true")
    assert_one_sentence(done, "trainer.cuda_graph=true", "no NVIDIA GPU")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("captures", ["false", "null"])
def test_a_run_on_a_gpu(train: Command, tmp_path: Path, captures: str) -> None:
    words = ("trainer=gpu", f"trainer.cuda_graph={captures}")
    done = train(*words, f"hydra.run.dir={tmp_path / 'r'}")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert figures["cost"]["accelerator"].startswith("cuda (")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_rollout_is_captured_where_there_is_none(midi_folder: Path, tmp_path: Path) -> None:
    music = ("experiment=paper", f"data.root={midi_folder}", "trainer=gpu")
    done = run_command("train", *music, "trainer.cuda_graph=true", cwd=tmp_path)
    assert_one_sentence(done, "trainer.cuda_graph=true", "writes no events")


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, midi_folder: Path) -> None:
    words = ("data=midi", f"data.root={midi_folder}", *TINY, "trainer.max_epochs=10000")
    run = f"hydra.run.dir={tmp_path / 'r'}"
    with start_command("train", *words, run, cwd=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 2/"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert f"resume={tmp_path / 'r' / 'checkpoints' / 'last.ckpt'}" in rest
    assert not (tmp_path / "r" / "metrics.json").exists()
