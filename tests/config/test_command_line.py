"""Arguments before Hydra reads them: any path survives, sweeps and interpolations still work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gan_music.config.command_line import as_typed, path_keys, prepared
from gan_music.config.invocation import quoted
from gan_music.config.schema import (
    EvaluateConfig,
    ExportConfig,
    ExtractConfig,
    GenerateConfig,
    TrainConfig,
)

HYDRA = {"hydra.run.dir", "hydra.sweep.dir"}


def read(override: str) -> object:
    """The value that Hydra and OmegaConf read in an override."""
    (parsed,) = OverridesParser.create().parse_overrides([override])
    return OmegaConf.create({"key": parsed.value()}).key


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" '\"\\$(){}[],=~#&%")))
@example("Für Elise (1)")
@example(r"\${a}\\")
@example(r"\\'${")
@example("a' 'b")
def test_a_quoted_text_is_read_as_it_is(text: str) -> None:
    assert read(f"out={quoted(text)}") == text


NAMES = st.text(st.sampled_from("aÉ1 '\"\\()[]{},=~#&%$:;*?!-+.|音"), min_size=1)


@given(NAMES.filter(lambda n: n[0] not in "'\"" and "${" not in n and "\\" not in n))
@example("Für Elise (1)")
@example("1e3")
@example("true")
@example("[a,b]")
@example("a = b")
@example("Bach, J. S.")
@example("choice(")
def test_a_typed_path_is_read_as_it_is(name: str) -> None:
    assert read(as_typed(f"data.root=/nowhere/{name}")) == f"/nowhere/{name}"


@pytest.mark.parametrize("name", ["'a'", '"', "a,b", "choice(1,2)", "${x}", "\\'", "null ", "7"])
def test_a_path_that_exists_is_read_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert read(as_typed(f"out={name}", multirun=True)) == name


@pytest.mark.parametrize(
    "override",
    ["out=null", "out=", "out='a b'", 'out="a b"', "out=${data.root}", "out=plain/path_1.mid"],
)
def test_what_hydra_reads_as_meant_is_left(override: str) -> None:
    assert as_typed(override) == override


def test_sweeps_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_typed("data.root=a,b", multirun=True) == "data.root=a,b"
    assert as_typed("data.root=a,b") == "data.root='a,b'"
    assert as_typed("data.root=choice(a,b)") == "data.root=choice(a,b)"
    for name in ("Bücher", "x (1)"):
        (tmp_path / name).mkdir()
    assert as_typed("data.root=Bücher,x (1)", multirun=True) == "data.root='Bücher','x (1)'"


def test_an_interpolation_keeps_its_meaning_among_characters_that_hydra_refuses() -> None:
    assert as_typed("data.root=${oc.env:HOME}/x (1)") == "data.root='${oc.env:HOME}/x (1)'"


def test_flags_precede_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    words = [
        "seed=1,2",
        "--config-dir",
        "~/my = conf",
        "data.root=a (b)",
        "-m",
        "hydra.run.dir=~/x",
    ]
    assert prepared(words, TrainConfig) == [
        *("-m", "--config-dir=/home/ada/my = conf"),
        *("seed=1,2", "data.root='a (b)'", "hydra.run.dir=/home/ada/x"),
    ]
    assert prepared(["sweep=tpe", "data.root=a,b"], TrainConfig)[1] == "data.root=a,b"


def test_the_paths_of_each_command() -> None:
    train = {"resume", "data.root", "data.cache_dir", "model.warm_start_from"}
    assert path_keys(TrainConfig) == HYDRA | train
    assert path_keys(ExtractConfig) == HYDRA | {"pack", "out", "data.root", "data.cache_dir"}
    assert path_keys(GenerateConfig) == HYDRA | {"checkpoint", "out", "soundfont", "continue_from"}
    assert path_keys(ExportConfig) == HYDRA | {"checkpoint", "out"}
    sets = {"reference", "generated", "train"}
    assert path_keys(EvaluateConfig) == HYDRA | {"out", "cache_dir"} | sets
