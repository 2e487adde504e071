"""The search: its space, its trials, the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from gan_music.config.schema import SearchConfig
from gan_music.config.targets import conf_dir
from gan_music.config.validate import compose_run
from gan_music.runs import search
from gan_music.system.errors import UserError
from tests.conftest import COLLAPSED, TINY, Command, run_python, status_of, succeed

optuna = pytest.importorskip("optuna")


def parsed(*overrides: str) -> list[Any]:
    return OverridesParser.create().parse_overrides(list(overrides))


class Recorder:
    """A trial that suggests the upper ends, or the lower, and records the calls."""

    def __init__(self, *, lowest: bool = False) -> None:
        self.calls: list[Any] = []
        self.lowest = lowest

    def suggest_int(self, key: str, low: int, high: int, *, log: bool = False) -> int:
        self.calls.append(("int", key, low, high, log))
        return low if self.lowest else high

    def suggest_float(self, key: str, low: float, high: float, *, log: bool = False) -> float:
        self.calls.append(("float", key, low, high, log))
        return low if self.lowest else high

    def suggest_categorical(self, key: str, values: list[str]) -> str:
        self.calls.append(("choice", key, values))
        return values[0 if self.lowest else -1]


@pytest.mark.parametrize(
    ("override", "calls", "value"),
    [
        ("a=interval(0,0.5)", ("float", "a", 0.0, 0.5, False), "0.5"),
        ("a=tag(log,interval(1e-5,1e-3))", ("float", "a", 1e-5, 1e-3, True), "0.001"),
        ("a=int(interval(1,8))", ("int", "a", 1, 8, False), "8"),
        ("a=range(64,257,64)", ("int", "a", 0, 3, False), "256"),
        ("a=choice(x,y)", ("choice", "a", ["x", "y"]), "y"),
        ("a=0.1,0.2", ("choice", "a", ["0.1", "0.2"]), "0.2"),
    ],
)
def test_overrides_are_distributions(override: str, calls: Any, value: str) -> None:
    space, fixed = search.split_space(parsed("b=2", override))
    trial = Recorder()
    assert search.suggest(trial, "a", space["a"]) == value  # type: ignore[arg-type]
    assert trial.calls == [calls]
    assert fixed == ["b=2"]


def test_a_later_override_replaces_an_earlier_one() -> None:
    space, fixed = search.split_space(parsed("a=range(1,4)", "b=1,2", "a=7"))
    assert list(space) == ["b"]
    assert fixed == ["a=7"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("a=1", "needs a range"),
        ("a=interval(2,1)", "must lie above its start"),
        ("a=tag(log,interval(0,1))", "must start above 0"),
        ("a=range(1,1)", "must have from 1"),
        ("a=range(0,1000000)", "must have from 1"),
    ],
)
def test_invalid_ranges(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        search.split_space(parsed(override))


def make_search(folder: Path, n_trials: int = 4, *, size: int = 8) -> search.Search:
    folder.mkdir(exist_ok=True)
    first = {"n_jobs": 1, "n_startup_trials": 2, "n_warmup_epochs": 0}
    settings = SearchConfig(prune=True, trial=None, n_trials=n_trials, seed=3, **first)
    space, _ = search.split_space(parsed("a=interval(0,1)", "b=choice(x,y,z)"))
    fixed = {"space": {"a": "..."}, "model.hidden_size": size}
    return search.Search(folder, settings, space, fixed)


def work(found: search.Search, n: int) -> list[list[str]]:
    drawn = []
    with found.working():
        for _ in range(n):
            trial, words = found.ask()
            drawn.append(words)
            found.tell(trial, float(words[0].partition("=")[2]), failed=False)
    return drawn


def test_a_continued_search_suggests_the_values_of_an_undisturbed_one(tmp_path: Path) -> None:
    whole = work(make_search(tmp_path / "whole"), 4)
    first = work(make_search(tmp_path / "parts"), 2)
    again = make_search(tmp_path / "parts")
    assert again.n_left() == 2
    assert first + work(again, 2) == whole
    assert again.n_left() == 0
    assert len({tuple(words) for words in whole}) == 4


def test_processes_share_a_search(tmp_path: Path) -> None:
    a, b = make_search(tmp_path), make_search(tmp_path)
    with a.working(), b.working():
        (x, first), (y, second) = a.ask(), b.ask()
        assert (x.number, y.number) == (0, 1)
        assert first != second
        assert a.n_left() == b.n_left() == 2
        # a third one sees that both are alive, and repeats none of their trials
        with make_search(tmp_path).working():
            assert a.n_left() == 2


def test_the_trial_of_a_dead_process_is_repeated(tmp_path: Path) -> None:
    dead = make_search(tmp_path)
    with dead.working():
        _, words = dead.ask()
    found = make_search(tmp_path)
    with found.working():
        assert found.n_left() == 4
        trial, again = found.ask()
        assert again == words
        assert trial.number == 1
        assert found.n_left() == 3


def test_a_search_of_other_settings_is_another(tmp_path: Path) -> None:
    make_search(tmp_path)
    with pytest.raises(UserError, match="hidden_size was 8, not 9: name another"):
        make_search(tmp_path, size=9)


SMALL = (
    *("sweep=tpe", "hydra.sweep.dir=s", "hydra.sweeper.params=null"),
    *("model.hidden_size=range(8,17,4)", "hydra.sweeper.n_startup_trials=1"),
)


def test_the_search_prunes_continues_and_prints_the_best(train: Command, tmp_path: Path) -> None:
    succeed(train(*SMALL, "hydra.sweeper.n_trials=1", "trainer.max_epochs=1"))
    # every later trial is worse than this one
    study = optuna.load_study(study_name="search", storage=search.journal(tmp_path / "s"))
    (trial,) = study.trials
    assert trial.params.keys() == {"model.hidden_size"}
    assert trial.intermediate_values.keys() == {0}
    better = {"model.hidden_size": optuna.distributions.IntDistribution(0, 2)}
    study.add_trial(
        optuna.create_trial(
            value=0.01,
            params={"model.hidden_size": 2},
            distributions=better,
            intermediate_values={0: 0.01},
            user_attrs={"overrides": ["model.hidden_size=16"]},
        )
    )
    done = succeed(train(*SMALL, "hydra.sweeper.n_trials=3", "trainer.max_epochs=1"))
    last = status_of(tmp_path / "s" / "2")
    assert last["status"] == "pruned"
    assert "is worse than the median" in last["error"]
    assert not (tmp_path / "s" / "2" / "metrics.json").exists()
    assert done.stdout.splitlines()[-1] == (
        "best: trial 1, 0.010 from validation music: model.hidden_size=16"
    )
    states = [t.state.name for t in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_without_optuna_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['optuna'] = None\nfrom gan_music.train import main\nmain()\n"
    done = run_python("-c", code, "sweep=tpe", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: sweep=tpe needs Optuna: pip install 'gan_music[sweep]'.\n"


def test_a_trial_that_collapses_is_pruned(midi_folder: Path, tmp_path: Path) -> None:
    music = ("data=midi", f"data.root={midi_folder}", *TINY)
    more = ("hydra.sweeper.n_trials=1", "model.warm_start_epochs=0", "collapse.patience=1")
    done = succeed(run_python("-c", COLLAPSED, *music, *SMALL, *more, cwd=tmp_path))
    status = status_of(tmp_path / "s" / "0")
    assert (status["status"], status["error"]) == ("pruned", "its samples have collapsed.")
    assert "epoch 2/2" not in done.stdout
    study = optuna.load_study(study_name="search", storage=search.journal(tmp_path / "s"))
    assert [t.state.name for t in study.trials] == ["PRUNED"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["sweep=tpe"],
        ["sweep=tpe_attention_lm", "model=attention_lm"],
        ["sweep=tpe_flagship", "model=reinforce_gan"],
    ],
)
def test_the_spaces_fit_their_models(overrides: list[str]) -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("train", overrides, return_hydra_config=True)
    params = config.hydra.sweeper.params
    space, _ = search.split_space(parsed(*[f"{k}={v}" for k, v in params.items()]))
    assert len(space) == len(params) > 5
    highest, lowest = Recorder(), Recorder(lowest=True)
    for trial in (highest, lowest):
        drawn = [f"{k}={search.suggest(trial, k, o)}" for k, o in space.items()]  # type: ignore[arg-type]
        compose_run(*overrides, *drawn)  # each end is within bounds
