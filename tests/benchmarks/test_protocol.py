"""The parts of the protocol: runs, settings, records and the report."""

from __future__ import annotations

import dataclasses
import importlib
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.conftest import run_command

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("protocol.runs")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("protocol.report")


def test_every_experiment_comes_before_the_next_seed(runs: ModuleType) -> None:
    planned = runs.plan(
        ["markov", "paper"],
        [0, 1],
        {"all": ["data.window=8"], "paper": ["trainer.max_epochs=3", "data.window=9"]},
        Path("/midi"),
        Path("/out"),
    )
    assert [(r.name, str(r.folder)) for r in planned] == [
        ("markov, seed 0", "/out/markov/seed_0"),
        ("paper, seed 0", "/out/paper/seed_0"),
        ("markov, seed 1", "/out/markov/seed_1"),
        ("paper, seed 1", "/out/paper/seed_1"),
    ]
    assert planned[0].overrides == ("data.root='/midi'", "data.window=8")
    epochs, movement, root, window = planned[1].overrides
    assert (epochs, root, window) == ("trainer.max_epochs=3", "data.root='/midi'", "data.window=9")
    assert movement.startswith("data.movement=")


def test_a_setting_may_name_the_seed(runs: ModuleType) -> None:
    extra = {"flagship": ["model.warm_start_from=/a/seed_{seed}/best.ckpt"]}
    planned = runs.plan(["flagship"], [0, 7], extra, Path("/midi"), Path("/out"))
    assert [r.overrides[1] for r in planned] == [
        "model.warm_start_from=/a/seed_0/best.ckpt",
        "model.warm_start_from=/a/seed_7/best.ckpt",
    ]


def test_a_record_contains_no_paths(runs: ModuleType, tmp_path: Path) -> None:
    extra = {"flagship": ["model.warm_start_from={out}/attention_lm/best.ckpt"]}
    out = tmp_path / "out"
    (run,) = runs.plan(["flagship"], [0], extra, Path("/midi"), out)
    assert run.overrides[1] == f"model.warm_start_from={out}/attention_lm/best.ckpt"
    run.folder.mkdir(parents=True)
    (run.folder / "config.yaml").write_text(
        f"data: {{root: /midi}}\nmodel: {{warm_start_from: {out}/attention_lm/best.ckpt}}\n"
    )
    (run.folder / "metrics.json").write_text("{}")
    assert runs.differences(run) == []
    importlib.import_module("protocol.records").record(run, tmp_path / "kept")
    (kept,) = runs.plan(["flagship"], [0], extra, Path("/midi"), tmp_path / "kept")
    text = (kept.folder / "config.yaml").read_text()
    assert "{out}/attention_lm/best.ckpt" in text
    assert str(tmp_path) not in text
    assert runs.differences(kept) == []


def test_an_experiment_under_another_name(runs: ModuleType) -> None:
    names = ["paper", "longer=paper"]
    extra = {"longer": ["trainer.max_epochs=9"]}
    plain, longer = runs.plan(names, [0], extra, Path("/midi"), Path("/out"))
    assert longer.name == "longer, seed 0"
    assert longer.folder == Path("/out/longer/seed_0")
    assert "experiment=paper" in runs.command(longer)
    assert "trainer.max_epochs=9" in runs.command(longer)
    # the other overrides are equal
    assert set(plain.overrides) ^ set(longer.overrides) == {
        "trainer.max_epochs=1",
        "trainer.max_epochs=9",
    }


def test_the_state_of_a_run(runs: ModuleType, tmp_path: Path) -> None:
    run = runs.Run("markov", 3, tmp_path / "it's", ("data.window=8",))
    assert runs.state(run.folder) == "new"
    assert runs.command(run)[1:] == [
        "-m",
        "gan_music.train",
        "experiment=markov",
        "seed=3",
        rf"hydra.run.dir='{tmp_path}/it\'s'",
        "data.window=8",
    ]
    (run.folder / "checkpoints").mkdir(parents=True)
    (run.folder / "checkpoints" / "last.ckpt").touch()
    assert runs.state(run.folder) == "interrupted"
    assert runs.command(run)[3:] == [rf"resume='{tmp_path}/it\'s/checkpoints/last.ckpt'"]
    (run.folder / "metrics.json").touch()
    assert runs.state(run.folder) == "finished"


def test_paper_is_split_like_the_others(runs: ModuleType, tmp_path: Path) -> None:
    # Hydra's grammar parses it, whatever characters the path has
    root = r"/music, 'mine' = a\b {1}\\"
    overrides = [*runs.standing_overrides()["paper"], f"data.root={runs.quoted(root)}"]
    configs = [
        yaml.safe_load(run_command("train", *o, "--cfg", "job", cwd=tmp_path).stdout)
        for o in (["experiment=paper", *overrides], ["experiment=markov", "data.root=x"])
    ]
    assert configs[0]["data"]["movement"] == configs[1]["data"]["movement"]
    assert configs[0]["data"]["root"] == root
    assert configs[0]["trainer"]["max_epochs"] == 1


def test_settings_of_a_run_that_differ(runs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "data: {root: '/a b', time_scales: [1.0], movement: null}\n"
        "trainer: {max_epochs: 1, precision: 32-true}\nmodel: {lr: 0.001}\n"
    )
    same = ("data.root='/a b'", "data.time_scales=[1.0]", "data.movement=null", "model.lr=1e-3")
    assert runs.differences(runs.Run("paper", 0, tmp_path, (*same, "trainer=gpu"))) == []
    other = runs.Run("paper", 0, tmp_path, ("trainer.max_epochs=3", "data.time_scales=[1.0,2.0]"))
    assert runs.differences(other) == [
        "paper, seed 0, was run with trainer.max_epochs=1, not with 3.",
        "paper, seed 0, was run with data.time_scales=[1.0], not with [1.0, 2.0].",
    ]


def finished(
    report: ModuleType, experiment: str, seed: int, area: float | None, **more: Any
) -> Any:
    figure = {"generated": area, "reference": 0.9 + seed / 100}
    content = {
        "figures": {"mgeval": {"oa_mean": figure}},
        "verdict": more.get("verdict", "unlike"),
        "notes": ["8 of 8 pieces.", f"of seed {seed}"],
        "settings": {"window": more.get("window", 64)},
        "cost": {
            "n_weights": {"generator": 1200, "all_networks": 3400},
            "training_seconds": more.get("seconds", 90.0),
            "sampling_notes_per_second": 12345.6,
            "n_threads": 2,
            "accelerator": "cpu",
        },
    }
    config = {"data": {"movement": more.get("movement")}}
    return report.Finished(experiment, seed, content, config, more.get("sweep", {}))


def test_means_and_deviations_over_seeds(report: ModuleType) -> None:
    assert report.spread([1.0, 2.0, 4.0, math.nan]) == pytest.approx((7 / 3, 1.527525, 3))
    assert report.cell([1.0, 2.0], "{:.1f}") == "1.5 ± 0.7"
    assert report.cell([1.0], "{:.1f}") == "1.0"
    assert report.cell([1.0, math.nan], "{:.1f}") == "1.0 (1 of 2)"
    assert report.cell([math.nan], "{:.1f}") == "NaN"


def test_rows_by_hand(report: ModuleType) -> None:
    runs = [
        finished(report, "b", 0, 0.5),
        finished(report, "a", 0, 0.7, seconds=None),
        finished(report, "b", 1, 0.7, verdict="collapsed"),
        finished(report, "c", 0, None),
    ]
    _, _, *rows = report.main_table(runs)
    cells = [[c.strip() for c in row.split("|")[1:-1]] for row in rows]
    costs = ["1,200 (3,400)", "12,346"]
    assert cells[0][:4] == ["b", "2", "0.600 ± 0.141", "NaN"]
    assert cells[0][-4:] == ["1 collapsed, 1 unlike", "1.5 ± 0.0", costs[0], "12,346 ± 0"]
    assert cells[1][:3] == ["a", "1", "0.700"]
    assert cells[1][-4:] == ["1 unlike", "NaN", *costs]
    assert cells[2][:3] == ["c", "1", "NaN"]
    # one number a seed, since runs of one seed have the same reference excerpts
    assert cells[3][:3] == ["real music", "2", "0.905 ± 0.007"]
    page = report.page(runs, ["d, seed 0, failed: why"])
    assert "2 seeds (0, 1): mean ± standard deviation over them. 8 of 8 pieces. Best:" in page
    assert "Without a temperature: b, a, c." in page
    assert page.endswith("## Notes\n\n- d, seed 0, failed: why\n")
    assert "One seed, so there is no spread." in report.page(runs[:2])
    assert "No run has finished." in report.page([], ["e, seed 0, failed: why"])


def test_figures_of_several_sets_of_samples_are_averaged(report: ModuleType) -> None:
    again = [finished(report, "b", 0, area).report for area in (0.6, 0.9)]
    run = dataclasses.replace(finished(report, "b", 0, 0.3), again=again)
    other = finished(report, "a", 0, 0.5)
    cells = [
        [c.strip() for c in row.split("|")[1:-1]] for row in report.main_table([run, other])[2:]
    ]
    assert [c[2] for c in cells[:2]] == ["0.600", "0.500"]
    assert "+0.100" in report.paired_lines([run, other], "a")[-1]
    assert "means over 1 or 3 sets of samples" in report.seeds_line([run, other])


def test_differences_are_paired_by_seed(report: ModuleType) -> None:
    of = {"a": (0.5, 0.6, 0.7), "b": (0.51, 0.63, 0.75), "c": (0.4,)}
    runs = [finished(report, e, s, x) for e, values in of.items() for s, x in enumerate(values)]
    *head, b, c = report.paired_lines(runs, "a")
    assert head[1] == "## Difference from a, paired by seed"
    # of 0.01, 0.03 and 0.05: 0.03 and 4.3027 * 0.02 / sqrt(3)
    assert b.startswith("| b | 3 | +0.030 [-0.020, +0.080] | NaN |")
    assert c.startswith("| c | 1 | -0.100 | NaN |")


def test_temperatures_ascend_and_runs_may_lack_some(report: ModuleType) -> None:
    of = {t: finished(report, "a", 0, t / 2).report for t in (0.8, 1.0)}
    runs = [
        finished(report, "a", 0, 0.5, sweep={1.0: of[1.0], 0.8: of[0.8]}),
        finished(report, "a", 1, 0.5, sweep={1.0: of[1.0]}),
    ]
    _, _, *rows = report.sweep_table(runs)
    assert [[c.strip() for c in row.split("|")[1:5]] for row in rows] == [
        ["a", "0.8", "1", "0.400"],
        ["a", "1", "2", "0.500 ± 0.000"],
        ["real music", "", "2", "0.905 ± 0.007"],
    ]


def test_figures_that_are_not_comparable_are_named(report: ModuleType) -> None:
    runs = [
        finished(report, "a", 0, 0.5, movement="x"),
        finished(report, "b", 0, 0.5, movement="x", window=192),
        finished(report, "c", 0, 0.5),
    ]
    assert report.differing(runs[:1]) == []
    assert report.differing(runs) == [
        "c, seed 0: data.movement is None, but the others' is x; its figures are not comparable.",
        "b, seed 0: measure.window is 192, but the others' is 64; its figures are not comparable.",
    ]
