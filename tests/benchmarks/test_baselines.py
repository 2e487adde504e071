"""The protocol's command, tiny."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / "benchmarks" / "baselines.py"
ALL = (
    "trainer=cpu",
    "trainer.log_every_n_batches=1",
    "data.window=16",
    "data.stride=16",
    "data.batch_size=16",
    "data.min_notes=16",
    "data.test_rate=0.4",
    "collapse.n_windows=8",
    "samples.n_validation_windows=8",
    "samples.n_pieces=8",
    "samples.n_notes=80",
    "samples.show_every_n_epochs=null",
    "report=false",
)
LSTM = ("trainer.max_epochs=4", "model.hidden_size=12", "model.embedding_size=4")


def environment(cwd: Path) -> dict[str, str]:
    return os.environ | {"XDG_CACHE_HOME": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}


def protocol(midi: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, COMMAND, midi, "--out", "out", *arguments),
            *("--with", "all", *ALL, "--with", "lstm_lm", *LSTM),
        ],
        cwd=cwd,
        env=environment(cwd),
        text=True,
        capture_output=True,
        check=False,
    )


def begin(midi: Path, cwd: Path, folder: Path) -> None:
    """Train, and kill the run in about the third epoch of four."""
    command = [sys.executable, "-m", "gan_music.train", "experiment=lstm_lm", "seed=0"]
    command += [f"data.root={midi}", f"hydra.run.dir={folder}", *ALL, *LSTM]
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(cwd),
        text=True,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 2/4"):
                process.kill()


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory, midi_folder: Path
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A protocol's folder, and its command: two runs were interrupted before, and one fails."""
    cwd = tmp_path_factory.mktemp("protocol")
    begin(midi_folder, cwd, cwd / "out" / "lstm_lm" / "seed_0")
    # this one was interrupted in its first epoch
    begun = cwd / "out" / "markov" / "seed_0"
    begun.mkdir(parents=True)
    (begun / "config.yaml").write_text("seed: 0\n")
    return cwd, protocol(
        *(midi_folder, cwd, "--experiments", "markov", "crnn_gan", "lstm_lm", "--seeds", "0"),
        *("--temperatures", "0.8", "--with", "crnn_gan", "model.hidden_size=-1"),
    )


def rows(cwd: Path) -> list[list[str]]:
    lines = (cwd / "out" / "table.md").read_text().splitlines()
    return [[c.strip() for c in line.split("|")[1:-1]] for line in lines if line.startswith("|")]


def test_a_table_of_what_was_run(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    cwd, done = first
    assert done.stderr == ""
    titles, _, markov, lstm, real, *more = rows(cwd)
    back, swept = more[:5], more[5:]
    assert titles[1:3] == ["seeds", "overlapped area"]
    assert [r[:2] for r in (markov, lstm, real)] == [
        ["markov", "1"],
        ["lstm_lm", "1"],
        ["real music", "1"],
    ]
    found = json.loads((cwd / "out" / "lstm_lm" / "seed_0" / "metrics.json").read_text())
    area = found["figures"]["mgeval"]["oa_mean"]
    assert lstm[2] == f"{area['generated']:.3f}"
    assert real[2] == f"{area['reference']:.3f}"
    n = found["cost"]["n_weights"]["generator"]
    assert lstm[titles.index("weights, generator (all)")] == f"{n:,} ({n:,})"
    assert markov[titles.index("weights, generator (all)")] == "0 (0)"
    assert back[0][1:] == ["after 1 bar", "after 2 bars", "after 4 bars", "after 8 bars"]
    later = found["figures"]["structure"]["bar_self_similarity_lag_2"]
    assert back[3][:1] + back[3][2:3] == ["lstm_lm", f"{later['generated']:.3f}"]
    assert back[4][2] == f"{later['reference']:.3f}"
    assert [r[:3] for r in swept[2:]] == [
        ["markov", "0.8", "1"],
        ["lstm_lm", "0.8", "1"],
        ["real music", "", "1"],
    ]
    assert (cwd / "out" / "temperatures.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_run_is_resumed(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    cwd, done = first
    assert "lstm_lm, seed 0\n  resumes" in done.stdout
    log = (cwd / "out" / "lstm_lm" / "seed_0" / "train.log").read_text()
    assert [log.count(f"epoch {n}/4") for n in (1, 4)] == [1, 1]


def test_a_run_that_fails_is_reported_and_the_others_go_on(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    cwd, done = first
    assert done.returncode == 1
    noted = (cwd / "out" / "table.md").read_text().split("## Notes")[1]
    assert "- crnn_gan, seed 0, failed: error: model.hidden_size=-1 must be" in noted
    assert (cwd / "out" / "lstm_lm" / "seed_0" / "metrics.json").is_file()


def test_a_finished_run_is_not_repeated(
    first: tuple[Path, subprocess.CompletedProcess[str]], midi_folder: Path
) -> None:
    cwd, _ = first
    folder = cwd / "out" / "lstm_lm" / "seed_0"

    def content() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    before = content()
    done = protocol(
        *(midi_folder, cwd, "--experiments", "lstm_lm", "--seeds", "0"),
        *("--temperatures", "0.8", "1"),
    )
    assert done.returncode == 0, done.stderr
    assert "was finished already" in done.stdout
    assert "## Notes" not in (cwd / "out" / "table.md").read_text()
    after = content()
    earlier, later = (
        json.loads(c.pop(str(folder / "temperatures.json")))["temperatures"]
        for c in (before, after)
    )
    assert after == before
    assert later.keys() == {"0.8", "1"}
    assert later["0.8"] == earlier["0.8"]
    # the run's own samples have temperature 1
    own = json.loads((folder / "metrics.json").read_text())["figures"]
    assert later["1"]["figures"] == own
    assert later["0.8"]["figures"] != own


def test_a_record_makes_the_same_table(
    first: tuple[Path, subprocess.CompletedProcess[str]], midi_folder: Path
) -> None:
    cwd, _ = first
    same = ("--experiments", "markov", "lstm_lm", "--seeds", "0", "--temperatures", "0.8")
    done = protocol(midi_folder, cwd, *same, "--record", "kept")
    assert done.returncode == 0, done.stderr
    kept = sorted(str(p.relative_to(cwd / "kept")) for p in (cwd / "kept").rglob("*.*"))
    names = ("config.yaml", "metrics.json", "temperatures.json")
    assert kept == [f"{e}/seed_0/{name}" for e in ("lstm_lm", "markov") for name in names]
    assert str(midi_folder) not in (cwd / "kept/lstm_lm/seed_0/config.yaml").read_text()
    done = protocol(midi_folder, cwd, *same, "--out", "kept")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("was finished already") == 2
    assert (cwd / "kept" / "table.md").read_text() == (cwd / "out" / "table.md").read_text()
    # a result that a record lacks is reported
    done = protocol(midi_folder, cwd, *same[:-1], "0.7", "--out", "kept")
    assert done.returncode == 1
    noted = (cwd / "kept" / "table.md").read_text().split("## Notes")[1]
    assert "temperatures.json has no temperatures 0.7, but 0.8, and there is no check" in noted


def test_further_samples_are_drawn_and_kept(
    first: tuple[Path, subprocess.CompletedProcess[str]], midi_folder: Path
) -> None:
    cwd, _ = first
    same = ("--experiments", "lstm_lm", "--seeds", "0", "--temperatures", "0.8", "--draws")
    done = protocol(midi_folder, cwd, *same, "2")
    assert done.returncode == 0, done.stderr
    folder = cwd / "out" / "lstm_lm" / "seed_0"
    (another,) = json.loads((folder / "draws.json").read_text())["draws"].values()
    own = json.loads((folder / "metrics.json").read_text())
    areas = [r["figures"]["mgeval"]["oa_mean"]["generated"] for r in (own, another)]
    assert areas[0] != areas[1]
    table = (cwd / "out" / "table.md").read_text()
    assert f"| lstm_lm | 1 | {sum(areas) / 2:.3f} |" in table
    assert "means over 2 sets of samples" in table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is no folder"),
        ([".", "--with", "marcov", "seed=1"], "--with marcov: name one of markov, paper"),
        ([".", "--with", "paper", "trainer.max_epochs"], "trainer.max_epochs: give KEY=VALUE"),
        ([".", "--temperatures", "0"], "0 is not above 0"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_run(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = subprocess.run(
        [sys.executable, COMMAND, *arguments],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []
