"""Every logger gets the same points, writes into the run's folder, and continues on resume."""

from __future__ import annotations

import csv
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from omegaconf import OmegaConf

from gan_music.config.schema import TENSORBOARD, TrainConfig
from gan_music.config.targets import conf_dir
from gan_music.page.record import SCALARS, read_run
from gan_music.system.errors import UserError
from gan_music.training import loggers
from gan_music.training.loggers import ScalarsFile, bound_points, build_loggers
from tests.conftest import TINY, Command, events_of, run_command, signal_command, succeed

Points = dict[str, list[int]]


def tensorboard_points(folder: Path) -> Points:
    events = events_of(folder)
    return {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def csv_points(folder: Path) -> Points:
    with (folder / "csv" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "step"]
    return {n: [int(row["step"]) for row in rows if row[n]] for n in names}


def scalars_points(folder: Path) -> Points:
    return {name: curve.steps.tolist() for name, curve in read_run(folder).curves.items()}


KINDS: list[tuple[Callable[[Path], Logger], Callable[[Path], Points]]] = [
    (
        lambda folder: TensorBoardLogger(folder, name="", version="tensorboard"),
        tensorboard_points,
    ),
    (lambda folder: CSVLogger(folder, name="csv", version=""), csv_points),
    (ScalarsFile, scalars_points),
]


@pytest.mark.parametrize(("make", "points"), KINDS)
@pytest.mark.parametrize(
    ("at_most", "n_batches", "frequent", "rare"),
    [
        (2, 100, [0, 99], [9, 99]),
        (5, 100, [0, 25, 50, 75, 99], [9, 29, 59, 79, 99]),
        (100, 100, list(range(100)), list(range(9, 100, 10))),
        (10**9, 100, list(range(100)), list(range(9, 100, 10))),
        (50, 1, [0], []),
    ],
)
def test_points_are_spread_evenly_over_a_run(
    tmp_path: Path,
    make: Callable[[Path], Logger],
    points: Callable[[Path], Points],
    at_most: int,
    n_batches: int,
    frequent: list[int],
    rare: list[int],
) -> None:
    logger = make(tmp_path)
    bound_points(logger, at_most=at_most, n_batches=lambda: n_batches)
    for step in range(n_batches):
        logger.log_metrics({"frequent": 0.5}, step)
        if step % 10 == 9:
            logger.log_metrics({"rare": 0.5}, step)
    logger.finalize("success")
    kept = points(tmp_path)
    kept.pop("hp_metric", None)
    assert kept == {"frequent": frequent} | ({"rare": rare} if rare else {})


def test_the_schemas_default_is_confs() -> None:
    assert OmegaConf.load(conf_dir() / "logger" / "tensorboard.yaml") == TENSORBOARD
    assert TrainConfig.__dataclass_fields__["logger"].default_factory() == TENSORBOARD  # type: ignore[misc]


def test_a_run_keeps_at_most_log_at_most_points(train: Command, tmp_path: Path) -> None:
    words = ("trainer.max_epochs=7", "collapse.every_n_batches=1", "model.warm_start_epochs=0")
    for name, at_most in (("few", 4), ("all", 20000)):
        succeed(
            train(
                *words,
                "logger=[tensorboard,csv]",
                f"trainer.log_at_most={at_most}",
                f"hydra.run.dir={name}",
            )
        )
    few, every = (tensorboard_points(tmp_path / name) for name in ("few", "all"))
    assert few.keys() == every.keys()
    assert len(every["val/distance"]) == 7
    last = every["val/distance"][-1]
    for tag, steps in few.items():
        assert len(steps) <= 4, tag
        assert set(steps) <= set(every[tag]), tag
        assert steps[-1] == every[tag][-1], tag
    assert few["collapse/variety"][-1] == last
    assert len(few["train/loss_d"]) == 4 < len(every["train/loss_d"]) == last + 1
    table = csv_points(tmp_path / "few")
    within = {n: steps for n, steps in few.items() if not n.startswith("final/")}
    assert {name: table[name] for name in within} == within


def test_a_page_has_its_curves_without_tensorboard(train: Command, tmp_path: Path) -> None:
    succeed(train("logger=[]", "report=true", "hydra.run.dir=run"))
    assert not (tmp_path / "run" / "tensorboard").exists()
    run = read_run(tmp_path / "run")
    assert run.curves["val/distance"].steps.shape == (2,)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Distance from validation music" in page
    assert page.count("<svg") > 8
    assert "Piano roll of sample 01" in page


def test_an_incomplete_last_line_is_ignored(tmp_path: Path) -> None:
    scalars = ScalarsFile(tmp_path)
    for step in range(4):
        scalars.log_metrics({"a": step / 4, "b": float("nan")}, step)
    scalars.finalize("")
    with (tmp_path / SCALARS).open("a") as file:
        file.write("4,a,0.")
    curve = read_run(tmp_path).curves["a"]
    assert curve.steps.tolist() == [0, 1, 2, 3]
    assert curve.values.tolist() == [0, 0.25, 0.5, 0.75]
    scalars.remove_from(2)  # as a resumed run does
    scalars.log_metrics({"a": 9.0}, 2)
    scalars.finalize("")
    assert (tmp_path / SCALARS).read_text() == "0,a,0.0\n0,b,nan\n1,a,0.25\n1,b,nan\n2,a,9.0\n"


def test_a_run_that_an_older_version_began_keeps_its_first_points(tmp_path: Path) -> None:
    before = TensorBoardLogger(tmp_path, name="", version="tensorboard")
    for step in range(5):
        before.log_metrics({"a": 1.0}, step)
    before.finalize("")
    scalars = ScalarsFile(tmp_path)
    scalars.log_metrics({"a": 2.0}, 3)
    scalars.log_metrics({"a": 2.0}, 5)
    scalars.finalize("")
    curve = read_run(tmp_path).curves["a"]
    assert curve.steps.tolist() == [0, 1, 2, 3, 5]
    assert curve.values.tolist() == [1, 1, 1, 2, 2]


def test_csv_rows_survive_an_interruption(tmp_path: Path, midi_folder: Path) -> None:
    words = ("data=midi", f"data.root={midi_folder}", *TINY, "logger=csv", "trainer.max_epochs=3")
    code, text = signal_command(
        signal.SIGTERM, "epoch 1/3", "train", *words, "hydra.run.dir=run", cwd=tmp_path
    )
    assert code == 143, text
    first = csv_points(tmp_path / "run")["train/nll"]

    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    succeed(run_command("train", f"resume={last}", cwd=tmp_path))
    table = csv_points(tmp_path / "run")
    assert table["train/nll"][: len(first) - 1] == first[:-1]
    assert len(table["val/distance"]) == 3
    curves = scalars_points(tmp_path / "run")
    assert all(steps == sorted(set(steps)) for steps in table.values())
    assert {name: table[name] for name in curves} == curves  # which have no NaN


def records_of(path: Path) -> Iterator[bytes]:
    """The records of W&B's file: after 7 bytes, LevelDB's log format."""
    content, position, record = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:  # no header fits into the rest of a block
            position += 32768 - position % 32768
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def test_wandb_offline(tmp_path: Path, train: Command) -> None:
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    words = ("logger=wandb", "logger.wandb.offline=true", "samples.show_every_n_epochs=1")
    succeed(train(*words, "report=true", "hydra.run.dir=run"))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    (first,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    found: dict[str, Any] = {}
    config: set[str] = set()
    for data in records_of(next(first.glob("*.wandb"))):
        record = Record.FromString(data)
        for item in record.history.item:
            found.setdefault(item.key or "/".join(item.nested_key), []).append(item.value_json)
        config |= {update.key for update in record.config.update}
    curves = read_run(tmp_path / "run").curves
    assert [float(v) for v in found["val/distance"]] == curves["val/distance"].values.tolist()
    assert found["rolls/samples/count"] == ["1", "1"]
    assert "model.hidden_size" in config
    assert list(first.glob("files/media/images/rolls/real*.png"))
    assert "Distance from validation music" in (tmp_path / "run" / "report.html").read_text()

    succeed(run_command("train", f"resume={last}", "trainer.max_epochs=3", cwd=tmp_path))
    names = {path.name.rpartition("-")[2] for path in (tmp_path / "run" / "wandb").glob("off*")}
    assert len(names) == 1  # the same id


def test_mlflow_in_the_runs_folder(tmp_path: Path, train: Command) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    succeed(train("logger=mlflow", "samples.show_every_n_epochs=1", "hydra.run.dir=run"))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    succeed(run_command("train", f"resume={last}", "trainer.max_epochs=3", cwd=tmp_path))
    client = MlflowClient(f"sqlite:///{tmp_path / 'run' / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'gan_music'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["model.hidden_size"] == "12"
    history = client.get_metric_history(found.info.run_id, "val/distance")
    curve = read_run(tmp_path / "run").curves["val/distance"]
    assert [m.step for m in history] == curve.steps.tolist()
    assert [m.value for m in history] == curve.values.tolist()
    assert len(curve.steps) == 3
    assert [f.path for f in client.list_artifacts(found.info.run_id)] == ["images"]
    assert not (tmp_path / "mlruns").exists()


def test_what_is_no_logger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(**values: Any) -> list[Logger]:
        return build_loggers({"mine": values}, tmp_path, at_most=2, n_batches=lambda: 1)

    with pytest.raises(UserError, match=r"logger.mine has no _target_"):
        built(project="x")
    with pytest.raises(UserError, match="is code from outside gan_music"):
        built(_target_="builtins.dict")
    with pytest.raises(UserError, match=r"logger.mine.save_dir is set by the run itself"):
        built(_target_="lightning.pytorch.loggers.CSVLogger", save_dir="/tmp")
    with pytest.raises(UserError, match=r"its parameters are .*flush_logs_every_n_steps"):
        built(_target_="lightning.pytorch.loggers.CSVLogger", flush=1)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    with pytest.raises(UserError, match=r"missing: pip install 'gan_music\[wandb\]'"):
        built(_target_="lightning.pytorch.loggers.WandbLogger")


def test_a_run_that_starts_again_has_no_earlier_points(tmp_path: Path) -> None:
    for name in ("tensorboard/events", "csv/metrics.csv", SCALARS, "loggers.json", "train.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    loggers.remove_files(tmp_path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["train.log"]
