"""What a run shows: TensorBoard's files, report.html and the progress bar on a terminal."""

from __future__ import annotations

import base64
import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import sys
import termios
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.decoding.request import SampleRequest
from gan_music.io.read import read
from gan_music.io.rendering import sound
from gan_music.page import html
from gan_music.report import main
from gan_music.training.factory import restore_model
from tests.conftest import TINY, events_of, hyperparameters, run_command, succeed
from tests.pages import checked_page

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> $\\frac{ {{ 7*7 }} &amp;"
SHOWN = (*TINY, "samples.show_every_n_epochs=1", "samples.n_pieces=3", "report=true")
Report = Callable[..., str]
HAS_SOUND = sound.sound_available()


def on_a_terminal(*arguments: str, cwd: Path) -> str:
    """What Python with these arguments writes to a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    variables = os.environ | {"XDG_CACHE_HOME": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=cwd, env=variables, stdin=theirs, stdout=theirs,
        stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux raises this at the end of a terminal
            part = b""
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait(timeout=60) == 0, written.decode()
    return written.decode()


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> Path:
    """Where a run was called on a terminal, whose output is the file ``screen``."""
    cwd = tmp_path_factory.mktemp("shown")
    data = ("data=midi", f"data.root={midi_folder}")
    screen = on_a_terminal("-m", "gan_music.train", *data, *SHOWN, "hydra.run.dir=run", cwd=cwd)
    (cwd / "screen").write_text(screen)
    return cwd


@pytest.fixture(scope="module")
def run(cwd: Path) -> Path:
    return cwd / "run"


@pytest.fixture(scope="module")
def events(run: Path) -> EventAccumulator:
    return events_of(run)


def test_a_terminal_has_one_bar_and_whole_lines(cwd: Path) -> None:
    screen = (cwd / "screen").read_text()
    frames = re.split(r"[\r\n]+", screen)
    bars = [f for f in frames if re.match(r"epoch \d/2( \(warm start\))? +\d+ %\|", f)]
    assert bars
    assert all(" left" in b for b in bars)
    assert any(b.startswith("epoch 1/2 (warm start)") for b in bars)
    figures = [b for b in bars if b.startswith("epoch 2/2")][-1]
    assert re.search(
        r"loss_d \d\.\d\d, loss_g \d\.\d\d, nll [\d.]+, (varied|narrow|collapsed), [\d,]+ "
        r"windows/s",
        figures,
    )
    assert max(map(len, bars)) <= 120
    # log lines are whole, and the table follows the last bar
    lines = [f for f in frames if re.match(r"epoch 2/2: loss_d .* s\)$", f)]
    assert len(lines) == 1
    assert screen.count("mgeval oa_mean") == 1
    assert screen.rindex(" left") < screen.index("mgeval oa_mean")
    (start,) = [f for f in frames if f.startswith("training gumbel_gan (")]
    assert "13 pieces" in start
    assert "on CPU" in start


def test_scalars_stand_in_groups(events: EventAccumulator) -> None:
    tags = set(events.Tags()["scalars"])
    assert {t.partition("/")[0] for t in tags} == {"train", "val", "collapse", "final", "epoch"}
    assert {
        *(f"train/{n}" for n in ("loss_d", "loss_g", "score_real", "score_fake", "accuracy_d")),
        *(f"train/{n}" for n in ("grad_norm_d", "grad_norm_g", "lr_d", "lr_g", "temperature")),
        *(f"collapse/entropy_{n}" for n in ("pitch", "duration", "offset")),
        *(f"val/{n}" for n in ("distance", "coverage", "oa_mean", "nll", "selection")),
        *("collapse/variety", "train/nll"),
    } <= tags
    assert {e.value for e in events.Scalars("train/temperature")} == {1.0}
    assert {round(e.value, 9) for e in events.Scalars("train/lr_d")} == {0.001}


def test_rolls_of_the_same_noise_stand_beside_real_ones(events: EventAccumulator) -> None:
    assert set(events.Tags()["images"]) == {"rolls/real", "rolls/samples"}
    assert [e.step for e in events.Images("rolls/real")] == [0]
    ends = [e.step for e in events.Scalars("val/distance")]
    pictures = events.Images("rolls/samples")
    assert [e.step for e in pictures] == ends  # the last epoch's once, though it is also the end
    assert len(ends) == 2
    for picture in (*pictures, *events.Images("rolls/real")):
        assert picture.encoded_image_string.startswith(b"\x89PNG")
        assert picture.width == 700
        assert picture.height > 600


def test_histograms_are_of_the_notes(events: EventAccumulator, run: Path) -> None:
    whats = ("pitch", "duration", "offset")
    sides = ("real", "samples")
    assert set(events.Tags()["histograms"]) == {f"notes/{w}_{s}" for w in whats for s in sides}
    real = [read(p)[0] for p in sorted((run / "real").glob("*.mid"))]
    assert len(real) == 5  # one test piece of 120 notes, 24 each
    checkpoint = load_checkpoint(run / "checkpoints" / "last.ckpt")
    model = restore_model(checkpoint, run)
    samples = model.sample(SampleRequest(8, 24, seed=0))
    for side, pieces in (("real", real), ("samples", samples)):
        pitch = np.concatenate([p.pitch for p in pieces])
        offset = np.concatenate([np.diff(p.onset) for p in pieces]) / 24
        duration = np.concatenate([p.duration for p in pieces]) / 24
        for what, values in (("pitch", pitch), ("duration", duration), ("offset", offset)):
            found = events.Histograms(f"notes/{what}_{side}")[-1].histogram_value
            assert found.num == len(values) == sum(found.bucket)
            assert found.sum == pytest.approx(values.sum())
            assert (found.min, found.max) == (values.min(), values.max())


@pytest.mark.skipif(not HAS_SOUND, reason="needs gan_music[audio]")
def test_samples_can_be_heard_in_tensorboard(events: EventAccumulator) -> None:
    tags = events.Tags()["audio"]
    assert set(tags) == {"sound/real_1", "sound/real_2", "sound/sample_1", "sound/sample_2"}
    assert len(events.Audio("sound/sample_1")) == 2
    data = events.Audio("sound/real_1")[-1].encoded_audio_string
    with wave.open(io.BytesIO(data)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        seconds = len(frames) / file.getframerate()
    assert 5 < seconds < 15
    assert np.abs(frames).max() > 10_000


def test_the_report_of_a_run_is_one_page(run: Path) -> None:
    page = checked_page((run / "report.html").read_text())
    assert page.all("title") == [{}]
    figures = json.loads((run / "metrics.json").read_text())
    reason = "both sets have fewer than two excerpts to compare"
    assert f"undefined there is too little music for a verdict: {reason}" in page.text
    for words in ("Samples", "Evaluation", "Training", "Collapse", "Settings", "Reproduce"):
        assert words in page.text
    for chart in ("Losses", "Scores", "Gradient norms", "Learning rates", "Entropies", "Pitches"):
        assert f" {chart} " in page.text
    pictures = [i for i in page.all("img") if i["src"].startswith("data:image/png;base64,")]
    assert len(pictures) == 3 + 4
    assert len(page.all("audio")) == (7 if HAS_SOUND else 0)
    assert ("gan_music[audio]" in page.text) != HAS_SOUND
    # the differences come first, then all settings
    everything = re.search(r"All \d+ settings", page.text)
    assert everything
    assert page.text.index("model.hidden_size 12 192") < everything.start()
    assert "data.jitter true" in page.text
    assert f"--config-dir {run} --config-name config" in page.text
    groups = figures["figures"].values()
    assert len(page.all("details")) == len(groups) + 1
    assert sum(map(len, groups)) < len(page.all("tr"))


@pytest.mark.skipif(not HAS_SOUND, reason="needs gan_music[audio]")
def test_players_hold_the_music(run: Path) -> None:
    import soundfile

    page = checked_page((run / "report.html").read_text())
    piece = read(run / "samples" / "sample_01.mid")[0].first_seconds(20)
    steps = (piece.onset + piece.duration).max() - piece.onset[0]
    played = int(steps) / 24 * 60 / piece.tempo
    data = base64.b64decode(page.all("audio")[0]["src"].partition(",")[2])
    sounds, rate = soundfile.read(io.BytesIO(data))
    assert soundfile.info(io.BytesIO(data)).format == "MP3"
    assert sounds.ndim == 1
    assert len(sounds) / rate == pytest.approx(played + 1.5, abs=0.3)
    assert np.abs(sounds).max() > 0.3


@pytest.fixture
def report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Report:
    """The command in this process, in a temporary folder, and without sound, which takes time."""

    def call(*arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["report", *arguments])
        monkeypatch.setattr(sound, "sound_available", lambda: False)
        main()
        return capsys.readouterr().out

    return call


def test_names_of_files_are_text(run: Path, tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "run <b>&"
    shutil.copytree(run, folder)
    with (folder / "real" / "pieces.csv").open("w", newline="") as file:
        csv.writer(file).writerows([f"real_{i}.mid", HOSTILE] for i in range(1, 6))
    text = (folder / "config.yaml").read_text()
    root = json.dumps(HOSTILE)
    (folder / "config.yaml").write_text(
        re.sub("(?m)^  root: .*", lambda _: f"  root: {root}", text)
    )
    figures = json.loads((folder / "metrics.json").read_text())
    figures["notes"] = [HOSTILE]
    figures["verdict"] = HOSTILE
    figures["figures"]["pitch"][HOSTILE] = figures["figures"]["pitch"]["n_pitches"]
    (folder / "metrics.json").write_text(json.dumps(figures))
    assert report(folder.name) == f"report: {folder.name}/report.html\n"
    page = checked_page((folder / "report.html").read_text())
    assert page.text.count(" ".join(HOSTILE.split())) > 6
    assert "run <b>&" in page.text
    assert f"Piano roll of {HOSTILE}" in [i["alt"] for i in page.all("img")]
    # several side by side, too
    report(folder.name, str(run), "--out", "both.html")
    page = checked_page((tmp_path / "both.html").read_text())
    assert HOSTILE.split()[0] in page.text
    assert "2 runs" in page.text


def status_of_the_dead() -> dict[str, Any]:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"status": "running", "pid": process.pid, "host": socket.gethostname()}


def test_a_run_that_was_cut_off(run: Path, tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(run, folder)
    for name in ("metrics.json", "quality.txt", "samples.png", "report.html"):
        (folder / name).unlink()
    shutil.rmtree(folder / "samples")
    report("cut")
    page = checked_page((folder / "report.html").read_text())
    assert "unfinished" in page.text
    assert "the last samples during training" in page.text
    # its process ended without a final status
    (folder / "status.json").write_text(json.dumps(status_of_the_dead()))
    report("cut")
    assert "cut off" in checked_page((folder / "report.html").read_text()).text
    assert " Losses " in page.text
    assert "Evaluation" not in page.text
    assert len(page.all("img")) == 1 + 4
    assert len(page.all("audio")) == (2 if HAS_SOUND else 0)  # recordings in TensorBoard's files
    shutil.rmtree(folder / "tensorboard")
    shutil.rmtree(folder / "real")
    report("cut")
    page = checked_page((folder / "report.html").read_text())
    assert "Settings" in page.text


def test_a_run_is_not_lost_with_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(html, "write_report", fail)
    html.write_report_or_warn([], tmp_path / "report.html")
    assert "no report was written (OSError: no room); try python -m gan_music.report" in caplog.text


def test_without_sound_it_says_what_to_install(run: Path, tmp_path: Path, report: Report) -> None:
    report(str(run), "--out", "a.html")
    page = checked_page((tmp_path / "a.html").read_text())
    assert page.all("audio") == []
    assert page.text.count("pip install 'gan_music[audio]'") == 1
    assert len(page.all("img")) == 3 + 4


@pytest.fixture(scope="module")
def sweep(run: Path) -> Path:
    """Jobs as a sweep leaves them: two seeds of one size, and sizes that fared otherwise."""
    sweep = run.parent / "sweep"
    for name, size, seed, edit in (
        ("0", 12, 1, {"val_distance": 0.5, "verdict": "near"}),
        ("1", 12, 2, {"val_distance": 0.7, "verdict": "near"}),
        ("2", 24, 1, {"val_distance": 0.25, "verdict": "collapsed"}),
        ("3", 24, 2, None),
        ("4", 48, 1, None),
    ):
        shutil.copytree(run, sweep / name)
        config = (sweep / name / "config.yaml").read_text()
        config = config.replace("hidden_size: 12", f"hidden_size: {size}")
        config = config.replace("\nseed: 0\n", f"\nseed: {seed}\n")
        (sweep / name / "config.yaml").write_text(config)
        path = sweep / name / "metrics.json"
        if edit is None:
            path.unlink()
        else:
            path.write_text(json.dumps(json.loads(path.read_text()) | edit))
    with (sweep / "4" / "train.log").open("a") as log:
        log.write("2026-01-01 00:00:00,000 ERROR gan_music.traceback: the run failed: no <room>.\n")
    for name, error in (("5", "trainer.max_epochs=0 must be at least 1."), ("6", "too small.")):
        (sweep / name).mkdir()
        status = {"status": "failed", "error": error}
        (sweep / name / "status.json").write_text(json.dumps(status))
    return sweep


def test_the_hparams_tab_has_settings_and_final_measures(
    events: EventAccumulator, run: Path
) -> None:
    given = hyperparameters(run)
    assert given["seed"].number_value == 0
    assert given["model.hidden_size"].number_value == 12
    assert given["data.reader"].string_value == "auto"
    assert given["report"].number_value == 1
    found = events.PluginTagToContent("hparams")["_hparams_/experiment"]
    experiment = HParamsPluginData.FromString(found).experiment
    shown = {m.name.tag for m in experiment.metric_infos}
    assert "final/val_distance" in shown
    assert shown <= set(events.Tags()["scalars"])
    figures = json.loads((run / "metrics.json").read_text())
    (distance,) = events.Scalars("final/val_distance")
    assert distance.value == pytest.approx(figures["val_distance"])


def test_a_sweeps_page_ranks_its_jobs(sweep: Path) -> None:
    done = succeed(run_command("report", "sweep", cwd=sweep.parent))
    assert done.stdout == "report: sweep/report.html\n"
    page = checked_page((sweep / "report.html").read_text())
    rows = re.findall(r'<tr class="ranked.*?</tr>', page.source, re.DOTALL)
    texts = [" ".join(re.sub("<[^>]*>", " ", r).split()) for r in rows]
    assert len(texts) == 5
    # of two seeds one is unfinished, and one distance has no deviation
    first = "1 job 2 seed 1: 0.250 job 3 seed 2: unfinished 24 0.250 collapsed"
    assert texts[0].startswith(first)
    # 0.6, and the standard deviation of two that are 0.2 apart
    assert texts[1].startswith("2 job 0 seed 1: 0.500 job 1 seed 2: 0.700 12 0.600 ± 0.141 near")
    assert ["job 4 48" in texts[2], "failed" in texts[2]] == [True, True]
    # jobs without settings are not taken together
    for job, text in zip(("job 5", "job 6"), texts[3:], strict=True):
        assert [job in text, "failed" in text] == [True, True]
    assert "job 4 failed: no <room>." in page.text
    assert "job 5 failed: trainer.max_epochs=0 must be at least 1." in page.text
    assert "Distance from validation music" in page.text
    assert len(page.all("audio")) == (3 * 3 + 2 if HAS_SOUND else 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "error: no run is given"),
        (("nowhere",), "error: nowhere is not a folder"),
        (("empty",), "error: empty is not a run's folder"),
        (("damaged",), "metrics.json is not JSON"),
        (("list",), "config.yaml holds no settings"),
        (("--colour", "empty"), "--colour: see --help."),
        (("list", "--out", "empty"), "error: --out=empty is a folder"),
        (("fine", "--out", "fine/config.yaml/a.html"), "fine/config.yaml/a.html cannot be written"),
    ],
)
def test_errors_are_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, file, text in (
        ("empty", "notes.txt", ""),
        ("damaged", "metrics.json", "{"),
        ("list", "config.yaml", "- a"),
        ("fine", "config.yaml", "seed: 1"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    (tmp_path / "damaged" / "config.yaml").write_text("seed: 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.rglob("*.html"))
