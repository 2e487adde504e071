"""Every program in benchmarks/ runs, tiny, and refuses a wrong argument in one sentence."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from gan_music.io.write import write_midi
from gan_music.music.piece import Piece, Track
from tests.conftest import TINY, make_piece, run_command, run_python

FOLDER = Path(__file__).parents[2] / "benchmarks"
STEP = ("data.window=8", "data.batch_size=2", "model.hidden_size=8", "model.attention_span=4")
CRITIC = ("model.rollout_batch=2", "model.d_hidden_size=8", "model.lookback_span=4")
# arguments, where MIDI and LONG are folders of pieces, and what is printed
RUNS = {
    "compare_readers": ("MIDI", r"16 files, grid of 24\n.*\n  [\d,]+ \(100\.0000%"),
    "crash_recovery": (
        "--kills 1 --of train extract --root MIDI",
        r"kills: 1 \(1 .*different .* run: none\n(\w+: 1 kills \(\d [^\n]*: nothing lost\n)$",
    ),
    "fuzz_checkpoints": ("3", r"checkpoints, mutated: 3 in .*failures: 0"),
    "gan_step": (f"2 {' '.join(STEP)}", r"cpu, .*windows a second.*step / passes .*rollout / step"),
    "gan_step flagship": (
        f"2 experiment=flagship model.n_style_components=0 {' '.join((*STEP, *CRITIC))}",
        r"cpu, .*windows a second.*step / passes .*rollout / step",
    ),
    "interruptions": (
        "--signals 1 --root MIDI",
        r"1 SIGTERM .*; well\nsignals: 1 .* another way: 0; .*\nthe last one continued: done",
    ),
    "memory": (
        # weights, their moments and averages take 28 MiB a job
        f"--jobs 4 data=midi data.root=MIDI {' '.join(TINY)} model.hidden_size=384",
        r"epoch +4: .*MiB resident\nthe second half .*checkpoints: best.ckpt, last.ckpt",
    ),
    "metrics cost": ("cost LONG --pieces 4", r"originality .* s\nall .* 4 pieces a set"),
    "metrics sensitivity": ("sensitivity LONG --pieces 8", r"ceiling +real +5%.*\noa_mean +0\.\d"),
    "metrics variety": ("variety MIDI --splits 2", r"2 pieces of 4 windows: .*lowest: "),
    "metrics verdicts": ("verdicts MIDI --splits 1", r"8 pieces, Markov chain: "),
    "nan_guard_cost": ("2", r"gumbel_gan: .* ms a batch.*crnn_gan: .* µs of it"),
    "reading": (
        "MIDI --parsed 2",
        r"16 files, .* cold: .*\.mid: 2 files in one process.*music21 / read [\d,]+",
    ),
    "round_trip": (
        "MIDI",
        r"16 pieces.*pitches the same +100.*onsets exact +100\.0000%.*"
        r"tracks the same +100\.0000%\nends +16 of 16\n.*voices exact +16 of 16 pieces",
    ),
    "same_weights": (
        "CLONE CLONE --midi MIDI --experiments markov",
        r"markov .* 0  same, samples same\ngenerate +same",
    ),
    "sampling": ("2 10 20", r"2 pieces.*lstm_lm +[\d,]+ notes a second.*attention_lm"),
    "scale": ("30", r"30 pieces.*windows of 64 cut.*in 1,000,000 notes"),
    "training_overhead": ("2", r"step .*published .*step / published.*step / bare"),
    "voice_separation": ("MIDI", "no piece has several monophonic tracks"),
    "training_pieces": ("LONG 2", r"overlapped area +0\.\d{3} ± \d\.\d{3}\n"),
}
# these have tests of their own
OTHERS = {"baselines", "four_parts", "fuzz_readers", "likelihood", "neo_saleem_figures"}
OTHERS |= {"second_classifier"}
PARTS = {
    "checkpoint_mutations",
    "checkpoint_readers",
    "common",
    "hostile_checkpoints",
    "hostile_tables",
    "killed_commands",
    "mutations",
    "musicxml_oracles",
    "oracles",
}
# a wrong argument of each program
WRONG = {
    "compare_readers": "nowhere",
    "crash_recovery": "--kills 0",
    "fuzz_checkpoints": "many",
    "gan_step": "2 model.hiden_size=8",
    "interruptions": "--signals 0",
    "memory": "--jobs 0",
    "metrics": "cost nowhere",
    "four_parts": "nowhere",
    "likelihood": "nowhere",
    "nan_guard_cost": "-1",
    "reading": "nowhere",
    "round_trip": "nowhere",
    "same_weights": ". nowhere",
    "sampling": "0",
    "scale": "x",
    "training_overhead": "0.5",
    "voice_separation": "nowhere",
    "training_pieces": "nowhere",
    "baselines": "nowhere",
    "fuzz_readers": "x",
    "neo_saleem_figures": ".",
    "second_classifier": "nowhere",
}


def test_every_program_is_run() -> None:
    found = {path.stem for path in FOLDER.glob("*.py")}
    assert {name.partition(" ")[0] for name in RUNS} | OTHERS | PARTS == found
    assert WRONG.keys() | PARTS == found


@pytest.fixture(scope="module")
def long_pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    for seed in range(60):  # by their names, six are test pieces; fewer give no figures
        write_midi(make_piece(seed, 300), folder / f"work{seed:02d}.mid")
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_a_program_runs_to_its_end(
    name: str, midi_folder: Path, long_pieces: Path, tmp_path: Path
) -> None:
    words, printed = RUNS[name]
    places = {"MIDI": midi_folder, "LONG": long_pieces, "CLONE": FOLDER.parent}
    for word, path in places.items():
        words = words.replace(word, str(path))
    program = FOLDER / f"{name.partition(' ')[0]}.py"
    done = run_python(str(program), *words.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(printed, done.stdout, re.S), done.stdout


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_refused_in_one_sentence(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *WRONG[name].split()])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert re.fullmatch(r"error: [^\n]+[.?]\n", stderr), stderr
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_losses_and_notes_of_a_run_of_neo_and_saleem(midi_folder: Path, tmp_path: Path) -> None:
    small = ("trainer=cpu", "trainer.max_epochs=1", "trainer.log_every_n_batches=1")
    small += ("model.hidden_size=8", "data.min_notes=16", "samples.n_pieces=2", "report=false")
    words = ("experiment=paper", f"data.root={midi_folder}", "hydra.run.dir=run", *small)
    done = run_command("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    program = str(FOLDER / "neo_saleem_figures.py")
    done = run_python(program, "run", "losses.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"epoch +1: discriminator \d\.\d{4}, generator \d\.\d{4}\n", done.stdout)
    assert re.search(r"10000 generated notes: +\d+ pitches", done.stdout)
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


def four_parts(seed: int) -> Piece:
    """Sixteen chords of four parts; the lower three stay, and the top part steps up and down."""
    tracks = tuple(map(Track, "SATB"))
    onset = [o for o in range(0, 384, 24) for _ in range(4)]
    pitch = [p for k in range(16) for p in (72 + k % 2 + seed % 5, 64, 55, 48)]
    return Piece.from_arrays(
        onset, [24] * 64, pitch, grid=24, track=[0, 1, 2, 3] * 16, tracks=tracks
    )


def test_runs_beside_test_pieces_in_four_parts(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    for seed in range(20):
        write_midi(four_parts(seed), tmp_path / "music" / f"piece{seed:02d}.mid")
    small = ("trainer=cpu", "trainer.max_epochs=1", "samples.n_pieces=2", "report=false")
    words = ("data=midi", "data.root=music", "data.min_notes=16", "hydra.run.dir=run", *TINY)
    done = run_command("train", *words, *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # the samples are ours: one is as the music, one is its top part alone
    for file in (tmp_path / "run" / "samples").glob("*.mid"):
        file.unlink()
    write_midi(four_parts(0), tmp_path / "run" / "samples" / "sample_01.mid")
    top = four_parts(0).take(range(0, 64, 4))
    write_midi(top, tmp_path / "run" / "samples" / "sample_02.mid")
    done = run_python(str(FOLDER / "four_parts.py"), "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    head, samples, test = (line.split() for line in done.stdout.splitlines())
    assert head == ["pieces", "four", "thin", "eight", "parallels", "leaps", "triad"]
    # 16 of 32 onsets; one of two pieces; one voice has no moves against another
    assert samples[1:4] == ["0.500", "0.500", "0.000"]
    assert samples[4] == "0.000"
    assert (samples[0], test[1:4]) == ("2", ["1.000", "0.000", "0.000"])
    assert int(test[0]) > 0
