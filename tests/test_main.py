"""``gan-music`` and ``python -m gan_music``: the commands, their help and the version."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_music import __version__
from gan_music.__main__ import COMMANDS
from tests.conftest import run_python, sentence, succeed


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_after_the_package_is_that_module(tmp_path: Path, command: str) -> None:
    done = succeed(run_python("-m", "gan_music", command, "--help", cwd=tmp_path))
    again = succeed(run_python("-m", f"gan_music.{command}", "--help", cwd=tmp_path))
    assert f"python -m gan_music.{command} " in done.stdout
    assert done.stdout == again.stdout
    told = succeed(run_python("-m", f"gan_music.{command}", "--version", cwd=tmp_path)).stdout
    assert told.startswith(f"gan_music {__version__}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_the_commands_are_listed(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = succeed(run_python("-m", "gan_music", *words, cwd=tmp_path))
    for command, what in COMMANDS.items():
        assert f"  {command:9} {what}" in done.stdout
    told = succeed(run_python("-m", "gan_music", "--version", cwd=tmp_path)).stdout
    assert told.startswith(f"gan_music {__version__}")


def test_an_unknown_command_is_one_sentence(tmp_path: Path) -> None:
    line = sentence(run_python("-m", "gan_music", "trian", "seed=1", cwd=tmp_path))
    assert line == "error: trian is no command: did you mean train?"
    line = sentence(run_python("-m", "gan_music", "xyz", cwd=tmp_path))
    assert line.startswith("error: xyz is no command: choose one of train, generate, evaluate,")


def test_a_command_takes_its_arguments(tmp_path: Path) -> None:
    line = sentence(run_python("-m", "gan_music", "export", "out=x", cwd=tmp_path))
    assert line.startswith("error: no checkpoint given")
