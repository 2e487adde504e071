"""Samples with and without a primer, in all formats, and what is refused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile
from hydra import compose, initialize_config_dir
from matplotlib.image import imread

from gan_music import cli
from gan_music.config.schema import GenerateConfig
from gan_music.config.targets import conf_dir
from gan_music.config.validate import checked
from gan_music.io import write
from gan_music.io.read import read
from gan_music.io.rendering import sound
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece, Track
from gan_music.system.errors import UserError
from tests.conftest import make_piece, run_command, succeed

generate = importlib.import_module("gan_music.generate")


def generated(*overrides: str) -> list[Piece]:
    """The MIDI files of a command in this process, in the folder that it is in."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = checked(GenerateConfig, compose("generate", ["n_pieces=2", *overrides]))
    generate._generate(config)
    return [read(p)[0] for p in sorted(Path(config.out).glob("*.mid"))]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, with a piece of the user's in 3/4 that begins with an upbeat."""
    monkeypatch.chdir(tmp_path)
    piece = make_piece(3, 24)
    waltz = Piece.from_arrays(
        piece.onset, piece.duration, piece.pitch, grid=24, meters=[(-48, 3, 4)], tempo=80
    )
    write_midi(waltz, tmp_path / "waltz.mid")
    return tmp_path


def test_every_format_of_a_piece_that_goes_on_from_another(folder: Path) -> None:
    words = ("continue_from=waltz.mid", "n_bars=4", "n_pieces=2", "instrument=flute", "out=music")
    formats = "format=mid,png,wav,flac,musicxml"
    done = succeed(run_command("generate", *words, formats, cwd=folder))
    suffixes = ("flac", "mid", "musicxml", "png", "wav")
    names = [f"sample_0{n}.{suffix}" for n in (1, 2) for suffix in suffixes]
    assert sorted(p.name for p in (folder / "music").iterdir()) == names
    lines = done.stdout.splitlines()
    assert lines[0].startswith("music/sample_01.mid .png .wav .flac .musicxml (")
    assert lines[-1] == "2 pieces of 4 bars in music, continuations of waltz.mid"
    (primer,) = read(folder / "waltz.mid")
    (piece,) = read(folder / "music" / "sample_01.mid")
    assert piece.notes()[: len(primer)] == primer.notes()
    assert piece.meters.tolist() == primer.meters.tolist() == [[-48, 3, 4]]
    assert piece.tempo == pytest.approx(80)
    last, end = int(primer.bars()[0][-1]), int((piece.onset + piece.duration).max())
    assert piece.bars(np.array([end - 1]))[0].tolist() == [last + 4]
    assert piece.tracks == (Track("Flute", 73),)
    head = mido.MidiFile(folder / "music" / "sample_01.mid").tracks[0]
    assert head.name == "sample 1"
    assert [m.text for m in head if m.type == "text"] == ["Composer: gan_music"]
    assert [m.type for m in head].count("key_signature") == 1
    (score,) = read(folder / "music" / "sample_01.musicxml")
    assert len(score) == pytest.approx(len(piece), abs=0.1 * len(piece))
    assert imread(folder / "music" / "sample_01.png").ndim == 3
    seconds = end / 24 * 60 / 80
    for suffix in ("wav", "flac"):
        sound, rate = soundfile.read(folder / "music" / f"sample_01.{suffix}")
        assert len(sound) / rate == pytest.approx(seconds + 1.5, abs=0.1)
        assert 0.85 < np.abs(sound).max() < 0.9


def test_bars_are_counted_and_end_with_a_barline() -> None:
    pieces = generated("n_bars=6", "meter=4/4", "tempo=66")
    for piece in pieces:
        assert piece.onset[0] < 24  # no silence but a rest on the first beat
        upbeat = int(piece.meters[0, 0] < 0)
        end = 96 * (6 + upbeat) + int(piece.meters[0, 0])
        assert piece.onset[-1] < end
        assert (piece.onset + piece.duration).max() <= end
        assert piece.bars()[0][-1] == 5 + upbeat
        assert piece.tempo == pytest.approx(66)
    longer = generated("n_bars=9", "meter=4/4", "out=longer")
    for piece, more in zip(pieces, longer, strict=True):
        # the same piece, but for what the last barline cuts
        assert more.onset[: len(piece)].tolist() == piece.onset.tolist()
        assert more.pitch[: len(piece)].tolist() == piece.pitch.tolist()


def test_only_what_is_new(folder: Path) -> None:
    whole = generated("continue_from=waltz.mid", "n_notes=20")
    new = generated("continue_from=waltz.mid", "n_notes=20", "include_primer=false", "out=new")
    n = len(read(folder / "waltz.mid")[0])
    for a, b in zip(whole, new, strict=True):
        assert len(b) == len(a) - n == 20
        assert b.pitch.tolist() == a.pitch[n:].tolist()
        assert (b.onset - b.onset[0]).tolist() == (a.onset[n:] - a.onset[n]).tolist()
        assert b.bars()[1].tolist() == a.bars()[1][n:].tolist()
        assert [m[1:] for m in b.meters.tolist()] == [[3, 4]]
        assert b.onset[0] < 24
    short = generated("continue_from=waltz.mid", "n_notes=20", "primer_notes=1", "out=short")
    assert short[0].notes() != whole[0].notes()
    (fast, _) = generated("continue_from=waltz.mid", "n_notes=20", "tempo=99")
    assert fast.tempo == pytest.approx(99)


def test_samples_begin_with_their_music_and_a_continuation_keeps_the_instrument() -> None:
    begins = []
    for piece in generated("n_notes=16", "n_pieces=24", "meter=4/4"):
        position = int(piece.bars()[1][0])
        assert piece.onset[0] == (position if position < 24 else 0)
        begins.append(position)
        assert piece.tracks == (Track("Piano"),)
    assert {0, 72} <= set(begins)  # with the bar, and with an upbeat
    late = Piece.from_arrays([264, 288, 312, 336], [24] * 4, [67, 72, 71, 72], grid=24,
                             tracks=[Track("", 73)])  # fmt: skip
    write_midi(late, Path("late.mid"))
    (piece, _) = generated("continue_from=late.mid", "n_notes=8", "out=more")
    assert piece.notes()[:4] == [(0, 24, 67), (24, 24, 72), (48, 24, 71), (72, 24, 72)]
    assert piece.meters.tolist() == [[-72, 4, 4]]
    assert piece.tracks == (Track("Flute", 73),)


def test_files_that_are_there_are_replaced_and_others_stay(folder: Path) -> None:
    (folder / "samples").mkdir()
    (folder / "samples" / "sample_01.mid").write_text("old")
    (folder / "samples" / "notes.txt").write_text("mine")
    assert len(generated("n_notes=10")) == 2
    names = sorted(p.name for p in (folder / "samples").iterdir())
    assert names == ["notes.txt", "sample_01.mid", "sample_02.mid"]


def test_a_large_order_says_its_size_first_and_ctrl_c_leaves_whole_pieces(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    n_written = 0

    def interrupted(piece: Piece, path: Path, **options: Any) -> None:
        nonlocal n_written
        n_written += 1
        if n_written == 142:  # the second file of the 71st piece, of the second batch
            raise KeyboardInterrupt
        path.touch()

    monkeypatch.setattr(write, "write_piece", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generated("n_pieces=100000", "n_notes=1", "format=[mid,musicxml]")
    numbers = range(1, 71)
    assert sorted(p.name for p in (folder / "samples").iterdir()) == [
        f"sample_{n:06d}.{suffix}" for n in numbers for suffix in ("mid", "musicxml")
    ]
    out = capsys.readouterr().out
    assert out.startswith(
        "expected: 100,000 pieces of 1 notes, about 100,000 notes and 33.7 MB in samples, where "
    )
    assert out.endswith("Ctrl-C ends after a whole piece\n")
    assert "interrupted: 70 of 100,000 pieces are in samples" in caplog.messages


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["n_notes=5", "n_bars=5"], "n_notes=5 and n_bars=5 both say"),
        (["format=mp3"], "format=mp3 does not exist: choose one of mid, png, wav, flac, musicxml"),
        (["format=[]"], r"format=\[\] writes nothing"),
        (["instrument=vioiln"], r"instrument=vioiln is no .*: similar names are Violin \(40\)"),
        (["instrument=harp"], r"could be Harpsichord \(6\), Orchestral Harp \(46\)"),
        (["instrument=128"], "instrument=128 is no program"),
        (["instruments=[flute,vioiln]"], r"instruments=vioiln is no .* are Violin \(40\)"),
        (["instruments=[]"], r"instruments=\[\] names none"),
        (["instrument=flute", "instruments=[oboe]"], r"=flute and instruments=\[oboe\] both name"),
        (
            ["instruments=[flute,oboe]", "n_notes=4"],
            r"instruments=\[Flute, Oboe\] has 2, but sample 1 has 1 track with pitches: give one",
        ),
        (["format=wav", "soundfont=waltz.mid"], "waltz.mid is no SoundFont"),
        (["continue_from=nowhere.mid"], "continue_from=nowhere.mid cannot be read"),
        (["continue_from=page.mid"], r"page.mid cannot be read \(no MIDI file"),
        (["continue_from=notes.txt"], "notes.txt is no music: give a file of .abc, "),
        (
            ["continue_from=short.mid"],
            "short.mid holds 3 notes with a pitch, and a primer needs at",
        ),
        (["continue_from=tunes.abc"], "tunes.abc holds 2 pieces: give a file of one"),
        (["continue_from=waltz.mid", "meter=3/4"], "leave meter out"),
        (["max_copied_notes=9"], "this checkpoint holds no copy filter"),
    ],
)
def test_what_is_refused_leaves_nothing(folder: Path, overrides: list[str], words: str) -> None:
    (folder / "page.mid").write_text("<html>")
    (folder / "notes.txt").write_text("do re mi")
    write_midi(make_piece(0).cut(0, 3), folder / "short.mid")
    tune = "X:{}\nT:a\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"
    (folder / "tunes.abc").write_text(tune.format(1) + "\n" + tune.format(2))
    before = sorted(folder.iterdir())
    with pytest.raises(UserError, match=words):
        generated(*overrides)
    assert sorted(folder.iterdir()) == before


def test_without_the_extra_sound_is_refused_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "sound_available", lambda: False)
    with pytest.raises(UserError, match=r"pip install 'gan_music\[audio\]'"):
        generated("format=[mid,wav]")
    assert not (folder / "samples").exists()
    assert len(generated("n_notes=8", "format=[mid,png]")) == 2


def test_several_formats_need_no_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(cli, "command", lambda *arguments: seen.append(sys.argv[1:]))
    for arguments in (
        ["format=mid,png", "seed=1"],
        ["-m", "format=mid,png"],
        ["format=[mid,png]"],
        ["instruments=french horn,tuba"],
        ["instrument=flute"],
    ):
        monkeypatch.setattr(sys, "argv", ["generate", *arguments])
        generate.main()
    assert seen == [
        ["format=[mid,png]", "seed=1"],
        ["-m", "format=mid,png"],
        ["format=[mid,png]"],
        ["instruments=[french horn,tuba]"],
        ["instrument=flute"],
    ]
