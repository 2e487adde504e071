"""``--config-dir``: a user's own configs, and the sentence for each mistake in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import run_command, sentence, succeed

HEAD = "# @package _global_\n"


def write(folder: Path, **files: str) -> None:
    """``my_conf/<group>/<name>.yaml`` for each ``<group>__<name>=text``."""
    for key, text in files.items():
        path = folder / "my_conf" / (key.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def composed(folder: Path, *overrides: str) -> dict:
    first, *rest = overrides  # flags may stand anywhere
    words = (first, "--config-dir", "my_conf", *rest, "--cfg", "job")
    done = succeed(run_command("train", *words, cwd=folder))
    assert [p.name for p in folder.iterdir()] == ["my_conf"]
    config = yaml.safe_load(done.stdout)
    assert isinstance(config, dict)
    return config


def test_an_experiment_and_a_model_of_the_user(tmp_path: Path) -> None:
    write(
        tmp_path,
        experiment__mine=HEAD + "defaults: [quick, {override /model: big}]\nseed: 7\n",
        model__big="defaults: [gumbel_gan]\nhidden_size: 640\n",
    )
    config = composed(tmp_path, "experiment=mine", "model.n_layers=2")
    assert config["seed"] == 7
    assert config["data"]["transpose"] == 0  # quick's
    assert config["model"]["name"] == "gumbel_gan"
    assert config["model"]["hidden_size"] == 640
    assert config["model"]["n_layers"] == 2


def test_a_users_file_replaces_the_packages_of_the_same_name(tmp_path: Path) -> None:
    write(tmp_path, model__ngram="defaults: [lstm_lm]\nhidden_size: 7\n")
    assert composed(tmp_path, "model=ngram")["model"]["hidden_size"] == 7


def test_other_commands_accept_it(tmp_path: Path) -> None:
    write(tmp_path, generate="defaults: [plain]\nout: elsewhere\n")
    done = run_command("generate", "--config-dir=my_conf", "--cfg", "job", cwd=tmp_path)
    assert yaml.safe_load(done.stdout) == {"out": "elsewhere"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "model: {hiden_size: 3}", ["model.hiden_size", "did you mean model.hidden_size?"]),
        (HEAD + "model.hidden_size: 3", ["key with a dot", "write model: {hidden_size: ...}"]),
        (HEAD + "seed: ${nothing}", ["seed cannot be resolved", "nothing"]),
        ("seed: 3", ["experiment's file must begin with", "# @package _global_"]),
        (HEAD + "\tseed: 3", ["my_conf/experiment/mine.yaml, line 2", "not valid YAML"]),
        (HEAD + "- model", ["experiment/mine", "correct that file"]),
        (HEAD + "defaults: [{override /modle: paper}]", ["experiment/mine", "modle"]),
        (HEAD + "defaults: [qick]", ["experiment/qick does not exist"]),
        (HEAD + "defaults: [mine]", ["lead back to itself"]),
    ],
)
def test_a_mistake_in_a_file_gives_one_sentence(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    write(tmp_path, experiment__mine=text + "\n")
    assert_one_sentence(tmp_path, ["--config-dir", "my_conf", "experiment=mine"], words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config-dir", "nowhere"], ["--config-dir=nowhere is no folder"]),
        (["--config-dir"], ["--config-dir", "expected one argument"]),
        (["--confdir", "my_conf"], ["unrecognized arguments: --confdir"]),
        (["--config-dir", "my_conf", "experiment=other"], ["experiment=other", "mine, paper"]),
        (
            ["--config-dir", "my_conf", "model=other"],
            ["model.name=rnn is no model", "language_model"],
        ),
        (["model=ngram", "model.lr=1"], ["model.lr is another model's"]),
    ],
)
def test_a_mistake_on_the_command_line(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    write(tmp_path, experiment__mine=HEAD, model__other="name: rnn\n")
    assert_one_sentence(tmp_path, arguments, words)


def assert_one_sentence(folder: Path, arguments: list[str], words: list[str]) -> None:
    line = sentence(run_command("train", *arguments, cwd=folder))
    assert "  " not in line
    assert all(word in line for word in words), line
