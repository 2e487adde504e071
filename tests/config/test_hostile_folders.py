"""Folders for ``--config-dir`` that try to run code: the command refuses each, and none runs.

Every payload that runs would leave a file or folder named MARK.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run_command, sentence, succeed

GLOBAL = "# @package _global_\n"
MKDIR = "{_target_: os.mkdir, path: MARK}"

# settings that would run code if Hydra, logging or the run acted on them
PAYLOADS = {
    "callback": f"hydra: {{callbacks: {{a: {MKDIR}}}}}",
    "launcher": f"hydra: {{launcher: {MKDIR}}}",
    "sweeper params": f"hydra: {{sweeper: {{params: {{a: {MKDIR}}}}}}}",
    "handler": (
        "hydra: {job_logging: {handlers: {file: "
        "{class: logging.FileHandler, formatter: simple, filename: MARK}}}}"
    ),
    "factory": "hydra: {job_logging: {formatters: {evil: {(): os.mkdir, path: MARK}}}}",
    "search path": "hydra: {searchpath: ['pkg://evil']}",
    "loss": f"loss: {MKDIR}",
}


def experiment(folder: Path, text: str) -> list[str]:
    (folder / "c" / "experiment").mkdir(parents=True)
    (folder / "c" / "experiment" / "mine.yaml").write_text(GLOBAL + text)
    return ["experiment=mine"]


def linked_group(folder: Path, text: str) -> list[str]:
    experiment(folder, text)
    (folder / "c" / "experiment").rename(folder / "elsewhere")
    (folder / "c" / "experiment").symlink_to(folder / "elsewhere")
    return ["experiment=mine"]


def linked_file(folder: Path, text: str) -> list[str]:
    experiment(folder, text)
    (folder / "c" / "experiment" / "mine.yaml").rename(folder / "mine.txt")
    (folder / "c" / "experiment" / "mine.yaml").symlink_to(folder / "mine.txt")
    return ["experiment=mine"]


def outside(folder: Path, text: str) -> list[str]:
    experiment(folder, "defaults: [../../other/mine]")
    (folder / "other").mkdir()
    (folder / "other" / "mine.yaml").write_text(GLOBAL + text)
    return ["experiment=mine"]


def primary(folder: Path, text: str) -> list[str]:
    (folder / "c").mkdir()
    (folder / "c" / "train.yaml").write_text("defaults: [run_folder, _self_]\n" + text)
    return []


def run_folder(folder: Path, text: str) -> list[str]:
    (folder / "c").mkdir()
    (folder / "c" / "config.yaml").write_text("defaults: [train, _self_]\n" + text)
    (folder / "c" / "environment.json").write_text("{}")
    return ["--config-name", "config"]


def merged(folder: Path, text: str) -> list[str]:
    """Behind an anchor and a merge key."""
    name, _, value = text.partition(": ")
    return experiment(folder, f"seed: 1\ntrainer: &a\n  {name}: {value}\n<<: *a\n")


def only_in_jobs(folder: Path, text: str) -> list[str]:
    experiment(folder, text)
    (folder / "c" / "experiment" / "other.yaml").write_text(GLOBAL + text)
    return ["-m", "experiment=mine,other"]


def beside_nonsense(folder: Path, text: str) -> list[str]:
    """With a date that does not exist, which some parsers refuse."""
    return experiment(folder, f"{text}\nname: 2001-99-99\n")


REACHED: list[Callable[[Path, str], list[str]]] = [
    *(experiment, linked_group, linked_file, outside, primary, run_folder, merged),
    *(only_in_jobs, beside_nonsense),
]

# name -> (files of the folder, arguments)
SINGLE: dict[str, tuple[dict[str, str], list[str]]] = {
    "tag": ({"experiment/mine": GLOBAL + "a: !!python/object/apply:os.mkdir [MARK]"}, []),
    "tag new": ({"experiment/mine": GLOBAL + "a: !!python/object/new:os.mkdir [MARK]"}, []),
    "tag name": ({"experiment/mine": GLOBAL + "a: !!python/name:os.mkdir ''"}, []),
    "tag module": ({"experiment/mine": GLOBAL + "a: !!python/module:evil ''"}, []),
    "tag path": ({"experiment/mine": GLOBAL + "a: !!python/object/apply:pathlib.Path [x]"}, []),
    "set": ({"experiment/mine": GLOBAL + "a: !!set {b, c}"}, []),
    "bytes": ({"experiment/mine": GLOBAL + "a: !!binary aGk="}, []),
    "two documents": ({"experiment/mine": GLOBAL + f"a: 1\n---\nloss: {MKDIR}"}, []),
    "a huge number": ({"experiment/mine": GLOBAL + f"seed: 0x{'f' * 5000}"}, []),
    "many digits": ({"experiment/mine": GLOBAL + f"seed: {'9' * 5000}"}, []),
    "escaped key": ({"model/mine": f'{{"\\x5ftarget_": os.mkdir, path: MARK}}'}, ["model=mine"]),  # noqa: F541
    "package of a file": ({"experiment/mine": "# @package hydra.callbacks.a\n" + MKDIR}, []),
    "package of logging": (
        {"experiment/mine": "# @package hydra.job_logging.root\nlevel: 1"}, []
    ),
    "package of the environment": (
        {"experiment/mine": "# @package hydra.job.env_set\nPYTHONPATH: x"}, []
    ),
    "package in a defaults list": (
        {
            "experiment/mine": GLOBAL + "defaults: [{/model@hydra.callbacks.a: evil}]",
            "model/evil": MKDIR,
        },
        [],
    ),
    "relative package": (
        {
            "experiment/mine": GLOBAL + "defaults: [{/model@_global_.hydra.callbacks.a: evil}]",
            "model/evil": MKDIR,
        },
        [],
    ),
    "package of a job": (
        {
            "model/a": "# @package hydra.job_logging.handlers.file\nfilename: MARK",
            "model/b": "# @package hydra.job_logging.handlers.file\nfilename: MARK",
        },
        ["-m", "model=a,b"],
    ),
    "a group of callbacks": (
        {
            "experiment/mine": GLOBAL + "defaults: [{override /hydra/callbacks: evil}]",
            "hydra/callbacks/evil": f"a: {MKDIR}",
        },
        [],
    ),
    "a launcher of its own": (
        {"hydra/launcher/evil": MKDIR}, ["hydra/launcher=evil"]
    ),
    "a file for Hydra's launcher": ({"hydra/launcher/basic": MKDIR}, []),
    "a file for the sweeper": ({"hydra/sweeper/grid": MKDIR}, ["-m", "seed=1,2"]),
    "logging of its own": (
        {
            "experiment/mine": GLOBAL + "defaults: [{override /hydra/job_logging: mine}]",
            "hydra/job_logging/mine": "version: 1\nroot: {level: 5}",
        },
        [],
    ),
    "Hydra's logging of its own": (
        {
            "experiment/mine": GLOBAL + "defaults: [{override /hydra/hydra_logging: mine}]",
            "hydra/hydra_logging/mine": "version: 1\nroot: {level: 5}",
        },
        [],
    ),
    "a file for the run's folder": (
        {"run_folder": GLOBAL + f"hydra: {{callbacks: {{a: {MKDIR}}}}}"}, []
    ),
    "an interpolated group": (
        {"experiment/mine": GLOBAL + f"evil: {{a: {MKDIR}}}\nhydra: {{callbacks: '${{evil}}'}}"},
        [],
    ),
    "an interpolated launcher": (
        {"experiment/mine": GLOBAL + f"evil: {MKDIR}\nhydra: {{launcher: '${{evil}}'}}"}, []
    ),
    "a sweeper's target": ({"experiment/mine": GLOBAL + f"hydra: {{sweeper: {MKDIR}}}"}, []),
    "params that are a target": (
        {"experiment/mine": GLOBAL + f"hydra: {{sweeper: {{params: {MKDIR}}}}}"},
        ["-m", "seed=1,2"],
    ),
    "params for Hydra": (
        {
            "experiment/mine": GLOBAL
            + "hydra: {sweeper: {params: {hydra.job_logging.root.level: DEBUG}}}"
        },
        ["-m", "seed=1,2"],
    ),
    "params that trust code": (
        {"experiment/mine": GLOBAL + "hydra: {sweeper: {params: {trust_code: true}}}\n"
         f"loss: {MKDIR}"},
        ["-m", "seed=1,2"],
    ),
    **{
        f"jobs of Hydra's own sweeper, {key}": (
            {
                "experiment/mine": GLOBAL + "defaults: [{override /hydra/sweeper: basic}]",
                "model/a": f"# @package hydra.job_logging.handlers.file\n{key}: MARK",
                "model/b": f"# @package hydra.job_logging.handlers.file\n{key}: MARK",
            },
            ["-m", "model=a,b"],
        )
        for key in ("filename", "formatter")
    },
    "a group that the command sets": (
        {"experiment/mine": GLOBAL + f"hydra: {{callbacks: {{a: {MKDIR}}}}}"},
        ["hydra.callbacks={}"],
    ),
    "overrides of the command": (
        {"experiment/mine": GLOBAL + "hydra: {overrides: {task: [trust_code=true]}}"}, []
    ),
    "overrides of Hydra": (
        {"experiment/mine": "# @package hydra.overrides\nhydra: [hydra.callbacks.a=1]"}, []
    ),
    "logging of Hydra's": (
        {"experiment/mine": GLOBAL + "defaults: [{override /hydra/job_logging: disabled}]"}, []
    ),
    "defaults of a mapping": ({"experiment/mine": GLOBAL + "defaults: {a: b}"}, []),
    "defaults of numbers": ({"experiment/mine": GLOBAL + "defaults: [1]"}, []),
    "a null character": ({"experiment/mine": GLOBAL + 'defaults: [{/model: "a\\0"}]'}, []),
    "words after the package": ({"experiment/mine": "# @package a b c\nd: 1"}, []),
    "Hydra is null": ({"experiment/mine": GLOBAL + "hydra: null"}, []),
    "trust": ({"experiment/mine": GLOBAL + f"trust_code: true\nloss: {MKDIR}"}, []),
    "mode": ({"experiment/mine": GLOBAL + "hydra: {mode: MULTIRUN}"}, []),
    "created by a resolver": (
        {"experiment/mine": GLOBAL + "loss: '${oc.create:\"{_target_: os.mkdir}\"}'"}, []
    ),
    "output folder": ({"experiment/mine": GLOBAL + "hydra: {output_subdir: ../../x}"}, []),
    **{
        f"slurm {key}": (
            {
                "experiment/mine": GLOBAL
                + "defaults: [{override /hydra/launcher: submitit_slurm}]\n"
                + f"hydra: {{launcher: {{{key}: {value}}}}}"
            },
            ["-m", "seed=1,2"],
        )
        for key, value in {
            "setup": "[touch MARK]",
            "comment": '"a\\ntouch MARK"',
            "partition": '"a\\ntouch MARK"',
            "additional_parameters": "{wrap: touch MARK}",
            "submitit_folder": "MARK",
        }.items()
    },
    **{
        f"target of {group}": (
            {"experiment/mine": GLOBAL + f"{group}: {{a: {MKDIR}}}"}, []
        )
        for group in ("logger", "callbacks", "metrics", "readers", "trainer", "data")
    },
    **{
        f"{group} by target": ({"experiment/mine": GLOBAL + f"{group}: {MKDIR}"}, [])
        for group in ("optimizer", "schedule", "model", "representation")
    },
}  # fmt: skip


NOWHERE = ("data=midi", "data.root=nowhere")


def refuse(tmp_path: Path, *arguments: str) -> str:
    """The sentence for a command that runs nothing of the folder ``c``."""
    (tmp_path / "evil.py").write_text("open('MARK', 'w')\n")
    done = run_command("train", "--config-dir", "c", *arguments, *NOWHERE, cwd=tmp_path)
    said = done.stderr.strip().splitlines()[-1]  # Hydra may warn before
    assert done.returncode == 1
    assert said.startswith("error: ")
    assert "nowhere" not in said  # it would be the next step's
    assert not any(p.name.startswith("MARK") for p in tmp_path.rglob("*"))
    assert "unexpected" not in said
    return said


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("reached", REACHED, ids=lambda reached: reached.__name__)
def test_no_way_to_a_file_lets_it_run_code(
    tmp_path: Path, reached: Callable[[Path, str], list[str]], payload: str
) -> None:
    refuse(tmp_path, *reached(tmp_path, PAYLOADS[payload]))


@pytest.mark.parametrize("name", SINGLE)
def test_no_file_runs_code(tmp_path: Path, name: str) -> None:
    files, arguments = SINGLE[name]
    for path, text in files.items():
        file = tmp_path / "c" / f"{path}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    chosen = ["experiment=mine"] if "experiment/mine" in files else []
    refuse(tmp_path, *chosen, *arguments)


@pytest.mark.parametrize("payload", ["callback", "factory", "handler"])
def test_a_trusted_folder_runs_them(tmp_path: Path, payload: str) -> None:
    words = experiment(tmp_path, PAYLOADS[payload])
    run_command("train", "--config-dir", "c", *words, "trust_code=true", *NOWHERE, cwd=tmp_path)
    assert any(p.name == "MARK" for p in tmp_path.rglob("*"))


def test_a_sentence_is_fit_for_a_terminal(tmp_path: Path) -> None:
    words = experiment(tmp_path, 'name: "a\\e[31m\\nb"')
    done = run_command("train", "--config-dir", "c", *words, *NOWHERE, cwd=tmp_path)
    assert sentence(done).startswith("error: name=a\\x1b[31m b cannot be a folder")


def test_help_reads_the_beginning_of_files(tmp_path: Path) -> None:
    words = experiment(tmp_path, "")
    os.mkfifo(tmp_path / "c" / "experiment" / "fifo.yaml")
    (tmp_path / "c" / "experiment" / "other.yaml").write_bytes(b"# red \x1b[31m\xff\n")
    done = run_command("train", "--config-dir", "c", *words, "--help", cwd=tmp_path)
    (line,) = [line for line in succeed(done).stdout.splitlines() if line.startswith("  other")]
    assert line.split() == ["other", "red", "[31m\ufffd"]
    assert "fifo" not in done.stdout


def test_a_pickled_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.pickle").write_text("cos\nmkdir\n(S'MARK'\ntR.")
    done = run_command("train", "--experimental-rerun", "config.pickle", cwd=tmp_path)
    assert "--experimental-rerun reads a pickle" in sentence(done)
    assert not (tmp_path / "MARK").exists()


def test_what_a_file_may_set(tmp_path: Path) -> None:
    text = """
    defaults: [{override /hydra/launcher: submitit_local}]
    seed: 3
    hydra:
      run: {dir: 'outputs/${name}'}
      launcher: {timeout_min: 5, cpus_per_task: 2}
      sweeper: {params: {model.hidden_size: '12,16', experiment: quick}}
    """
    words = experiment(tmp_path, textwrap.dedent(text))
    done = run_command("train", "--config-dir", "c", *words, "--cfg", "hydra", cwd=tmp_path)
    assert "timeout_min: 5" in succeed(done).stdout
    assert "model.hidden_size: 12,16" in done.stdout
