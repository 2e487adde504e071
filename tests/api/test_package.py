"""``import gan_music``: light, typed, documented; its functions do what the commands do."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path
from typing import Any, assert_type

import pytest

import gan_music
from tests.conftest import make_piece, run_python, succeed

API = ("gan_music", *(f"gan_music.api.{name}" for name in ("model", "music_files", "comparison")))


@pytest.mark.parametrize("name", API)
def test_the_examples_are_right(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"gan_music": gan_music})
    assert found.attempted > 0
    assert found.failed == 0


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, gan_music; dir(gan_music); print(*sys.modules)"
    found = set(succeed(run_python("-c", code, cwd=tmp_path)).stdout.split())
    assert not found & {"torch", "numpy", "music21", "hydra", "omegaconf", "pydantic", "lightning"}


def test_all_names_are_there() -> None:
    assert set(gan_music.__all__) <= set(dir(gan_music))
    assert all(getattr(gan_music, name).__doc__ for name in gan_music.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        gan_music.nothing  # noqa: B018


def test_importing_a_command_hides_no_function(tmp_path: Path) -> None:
    code = "import gan_music as g, gan_music.evaluate, gan_music.generate"
    code += "; print(g.evaluate, g.generate)"
    done = succeed(run_python("-c", code, cwd=tmp_path))
    assert re.fullmatch(r"<function evaluate at \w+> <function generate at \w+>\n", done.stdout)


def test_types_are_found() -> None:
    """``make check`` checks these lines, and that the comment is needed."""
    model = gan_music.load()
    assert_type(model, gan_music.Model)
    pieces = model.generate(n_pieces=1, n_notes=8)
    assert_type(pieces, list[gan_music.Piece])
    assert_type(gan_music.evaluate(pieces, pieces, n_bootstrap=2), dict[str, Any])
    with pytest.raises(AttributeError):
        gan_music.write(pieces, "a.mid")  # type: ignore[arg-type]
    assert (Path(gan_music.__file__).parent / "py.typed").is_file()


def test_a_folder_and_its_pieces_have_the_same_figures(midi_folder: Path, tmp_path: Path) -> None:
    pieces = gan_music.read(midi_folder, cache_dir=tmp_path)
    assert len(pieces) == 16
    found = gan_music.evaluate(pieces[:8], midi_folder, n_bootstrap=4)
    again = gan_music.evaluate(pieces[:8], pieces, n_bootstrap=4)
    assert found["verdict"] == again["verdict"] in ("near", "indistinguishable")
    assert found["oa_mean"] == again["oa_mean"] > 0
    assert len(found) > 40


def test_files_of_each_format(tmp_path: Path) -> None:
    piece = make_piece(0)
    for suffix in ("mid", "MIDI", "musicxml", "png", "wav", "flac"):
        gan_music.write(piece, tmp_path / f"a.{suffix}", instrument="violin")
        assert (tmp_path / f"a.{suffix}").stat().st_size > 100
    (again,) = gan_music.read(str(tmp_path / "a.mid"))
    assert again.same_notes(piece)
    assert again.tracks[0].program == 40
    gan_music.write(piece, tmp_path / "b.mid", instruments=["cello"], composer="Anna")
    assert b"Composer: Anna" in (tmp_path / "b.mid").read_bytes()
    assert gan_music.read(tmp_path / "b.mid")[0].tracks[0].program == 42
    with pytest.raises(gan_music.UserError, match="has 2, but walk 0 has 1 track"):
        gan_music.write(piece, tmp_path / "c.mid", instruments=["cello", 40])
    assert not (tmp_path / "c.mid").exists()
    with pytest.raises(ValueError, match=r"a\.ogg does not end in \.mid, \.musicxml"):
        gan_music.write(piece, tmp_path / "a.ogg")
    (tmp_path / "bad.mid").write_text("<html>")
    with pytest.raises(ValueError, match=r"bad\.mid cannot be read: no MIDI file"):
        gan_music.read(tmp_path / "bad.mid")


def test_a_model_continues_a_piece_and_refuses_what_it_cannot_do() -> None:
    model, piece = gan_music.load(), make_piece(1)
    (longer,) = model.generate(n_pieces=1, n_notes=8, continue_from=piece)
    assert longer.notes()[: len(piece)] == piece.notes()
    (other,) = model.generate(n_pieces=1, n_notes=8, instruments=["oboe"])
    assert other.tracks[0][:2] == ("Oboe", 68)
    assert len(longer) == len(piece) + 8
    with pytest.raises(ValueError, match="n_pieces=0, n_notes=256, n_bars=None: each must be"):
        model.generate(n_pieces=0)
    with pytest.raises(ValueError, match="temperature=0, tempo=None: both must be positive"):
        model.generate(temperature=0)
    with pytest.raises(gan_music.UserError, match="meter=3/3 is no meter"):
        model.generate(meter="3/3")


def test_pieces_come_as_they_are_done_and_progress_is_told() -> None:
    class Told:
        total: float | None = None
        done = 0

        def update(self, n: float | None = 1, /) -> None:
            self.done += int(n or 0)

    told, model = Told(), gan_music.load()
    options: dict[str, Any] = {
        "n_bars": None, "seed": 3, "temperature": 1.0, "tempo": None, "meter": None,
        "continue_from": None, "max_copied_notes": None, "primer_notes": None,
        "include_primer": True, "custom_readers": None,
    }  # fmt: skip
    found = model.each(n_pieces=66, n_notes=5, **options, progress=told)
    (number, first) = next(found)
    assert (number, told.total, told.done) == (0, 330, 320)  # 64 pieces are sampled side by side
    pieces = [first, *(piece for _, piece in found)]
    assert told.done == 330
    assert [p.notes() for p in pieces] == [
        p.notes() for p in model.generate(n_pieces=66, n_notes=5, seed=3)
    ]
    assert pieces[65].name == "sample 66"


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gan_music.UserError, match=r"is a folder without checkpoints/best\.ckpt"):
        gan_music.load(tmp_path)
