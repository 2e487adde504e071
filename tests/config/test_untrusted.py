"""Files from elsewhere: checkpoints of other versions, and what would run code or take memory."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint, save_sampler
from gan_music.checkpoints.safe_unpickler import Shape, read_shapes
from gan_music.config.untrusted import check_folder
from gan_music.decoding.request import SampleRequest
from gan_music.system.errors import UserError
from gan_music.system.zip_sizes import ArchiveError
from gan_music.training.factory import restore_model
from tests.conftest import run_command

OLD = Path(__file__).parents[1] / "checkpoints"
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.mark.parametrize(
    ("schema", "commit"), [(1, "5e532fd"), (2, "002f6fc"), (3, "002f6fc"), (4, "4c953c8")]
)
def test_a_checkpoint_of_an_earlier_schema_says_what_reads_it(schema: int, commit: str) -> None:
    path = OLD / f"schema_{schema}.ckpt"
    words = f"has schema {schema}, and this version reads 5: .* commit {commit} is the last"
    with pytest.raises(UserError, match=words):
        load_checkpoint(path)


def test_a_checkpoint_of_this_schema_is_read_whoever_wrote_it() -> None:
    path = OLD / "schema_5.ckpt"  # by the first commit that had it
    model = restore_model(load_checkpoint(path, to_train=True), path)
    (piece,) = model.sample(SampleRequest(1, 5, seed=0))
    assert len(piece) == 5


@pytest.mark.parametrize(
    ("commit", "words"),
    [
        ("c075163", r"settings that are not this version's \(model.recurrent_dropout has no value"),
        ("b5d9792", "weights that do not fit its own settings"),
    ],
)
def test_what_changed_without_a_new_schema_is_told_of(commit: str, words: str) -> None:
    path = OLD / f"schema_5_{commit}.ckpt"
    words += ".*was written by an earlier commit of gan_music 0.1, or was edited"
    with pytest.raises(UserError, match=words):
        restore_model(load_checkpoint(path), path)


@pytest.mark.parametrize(
    ("version", "by"),
    [("0.1.0+0123456789ab", "written by gan_music 0.1.0[+]0123456789ab"), ("a b", "an earlier")],
)
def test_a_checkpoint_that_does_not_fit_says_what_wrote_it(
    tmp_path: Path, version: str, by: str
) -> None:
    content = torch.load(OLD / "schema_5.ckpt", weights_only=True)
    content["gan_music"]["version"] = version
    content["gan_music"]["config"]["model"]["hidden_size"] += 1
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=by):
        restore_model(load_checkpoint(tmp_path / "a.ckpt"), tmp_path / "a.ckpt")


def test_a_checkpoint_says_which_version_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.ckpt"
    for commit, version in (
        ("2e4268f74b4fe5f54d854e967b590ae97a884f5a-dirty", "0.1.0+2e4268f74b4f.dirty"),
        ("2e4268f74b4fe5f54d854e967b590ae97a884f5a", "0.1.0+2e4268f74b4f"),
        (None, "0.1.0"),
    ):
        monkeypatch.setattr(version, "commit", lambda commit=commit: commit)
        version.full_version.cache_clear()
        save_sampler(load_checkpoint(PRETRAINED), path)
        assert read_shapes(path)["gan_music"]["version"] == version
    version.full_version.cache_clear()
    content = torch.load(path, weights_only=True)
    content["gan_music"] |= {"schema": 9, "version": "2.3.1"}
    torch.save(content, path)
    with pytest.raises(UserError, match=r"has schema 9, .* use the version .* gan_music 2\.3\.1"):
        load_checkpoint(path)


def test_an_outline_has_the_shapes_of_what_is_saved(tmp_path: Path) -> None:
    whole = {"a": torch.zeros(3, 4)[:, 1:], "b": [torch.tensor(1), True, 2.5, None], "c": "x"}
    torch.save(whole, tmp_path / "a")
    assert read_shapes(tmp_path / "a") == {
        "a": Shape((3, 3), "FloatStorage"),
        "b": [Shape((), "LongStorage"), True, 2.5, None],
        "c": "x",
    }


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


def rewritten(content: Any, table: bytes | None = None, packed: bool = False) -> bytes:
    """What torch saves, with another table, or compressed."""
    file, again = io.BytesIO(), io.BytesIO()
    torch.save(content, file)
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(again, "w", kind) as new:
        for info in old.infolist():
            data = old.read(info)
            is_table = info.filename.endswith("data.pkl")
            new.writestr(info.filename, table if is_table and table is not None else data)
    return again.getvalue()


@pytest.mark.parametrize("path", ["/etc/passwd", "run/../../best.ckpt", "s3://x/best.ckpt", 7])
def test_a_checkpoint_to_go_on_from_names_no_files_but_a_runs(tmp_path: Path, path: Any) -> None:
    content = torch.load(OLD / "schema_5.ckpt", weights_only=True)
    states = content["callbacks"]
    key = next(k for k in states if "best_model_path" in states[k])
    assert load_checkpoint(OLD / "schema_5.ckpt", to_train=True).epoch == content["epoch"]
    for edited in ({"kth_best_model_path": path}, {"best_k_models": {path: torch.tensor(0.0)}}):
        changed = content | {"callbacks": states | {key: states[key] | edited}}
        torch.save(changed, tmp_path / "a.ckpt")
        load_checkpoint(tmp_path / "a.ckpt")
        with pytest.raises(UserError, match="has paths of checkpoints that no run writes"):
            load_checkpoint(tmp_path / "a.ckpt", to_train=True)


def test_what_would_run_code_or_take_memory_is_refused_first(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.ckpt"
    laughs: Any = ["ha"]
    for _ in range(40):
        laughs = [laughs] * 10
    content = torch.load(OLD / "schema_5.ckpt", weights_only=True)
    two = torch.save({"a": torch.zeros(2)}, file := io.BytesIO()) or file.getvalue()
    with zipfile.ZipFile(io.BytesIO(two)) as archive:
        table = archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))
    assert table.count(b"K\x02") == 2  # the count of numbers, and the size
    tera = table.replace(b"K\x02", b"\x8a\x06\x00\x00\x00\x00\x00\x01")
    files = {
        "code": rewritten({"a": Call(Path.touch, mark)}),
        "a call of eval": rewritten({"a": Call(eval, f"open({str(mark)!r}, 'w')")}),
        "a terabyte of zeros": rewritten({"a": Call(bytearray, 10**12)}),
        "numbers that are not there": rewritten({"a": torch.zeros(2)}, tera),
        "a wide view of one number": rewritten({"a": torch.zeros(1).expand(10**9)}),
        "a bomb": rewritten({"a": torch.zeros(10**6)}, packed=True),
        "room for references": rewritten({}, b"\x80\x02}r\xff\xff\xff\x7f."),
        "a plain pickle": pickle.dumps({"a": Call(Path.touch, mark)}),
    }
    for what, data in files.items():
        path.write_bytes(data)
        with pytest.raises(ArchiveError):
            read_shapes(path)
        with pytest.raises(UserError, match="is not a checkpoint, or is damaged"):
            load_checkpoint(path)
        assert not mark.exists(), what
    settings = content["gan_music"]["config"]
    for config, words in (
        (laughs, "no settings to read"),
        (settings | {"name": "${oc.env:HOME}"}, "no settings to read"),
        (settings | {"_target_": "os.system"}, "_target_ does not exist"),
        (settings | {"model": settings["model"] | {"hidden_size": 10**9}}, "must be at most 16384"),
    ):
        torch.save(content | {"gan_music": content["gan_music"] | {"config": config}}, path)
        with pytest.raises(UserError, match=words):
            load_checkpoint(path)
    # within bounds, but not what the weights are for: 17 GB if it were built
    settings["model"] |= {"hidden_size": 16384, "n_layers": 2}
    for weights in (content["state_dict"], {}):
        torch.save(content | {"state_dict": weights}, path)
        with pytest.raises(UserError, match="do not fit its own settings"):
            restore_model(load_checkpoint(path), path)


HOSTILE = [
    ("hydra: {callbacks: {a: {_target_: os.system}}}", "callbacks is not a setting"),
    ("a: [{_target_: builtins.eval}]", "_target_ names builtins.eval"),
    ('"\\x5ftarget_": os.system', "_target_ names os.system"),
    ("hydra: {job_logging: {handlers: {file: {filename: /tmp/a}}}}", "handlers is not a setting"),
    ("x: {(): os.system}", r"\(\) is not a setting"),
    ("hydra: {searchpath: [file:///tmp]}", "searchpath is not a setting"),
    ("hydra: {job: {env_set: {LD_PRELOAD: a}}}", "env_set is not a setting"),
    ("hydra: {launcher: '${oc.create:{_tar}}'}", "may refer only to a key"),
    ("a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(9)
    ), "more values than any settings"),
    ("a: " + "[" * 3000 + "]" * 3000, "nested too deep|more values than"),
    ("a: " + "x" * 2**20, "more than 1 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), HOSTILE)
def test_an_untrusted_config_may_only_set_values(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        check_folder(tmp_path)


def test_settings_defaults_and_references_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [quick, {override /model: big}]\nseed: 1\ndata: {root: '${oc.env:HOME}/music'}\n"
        "hydra: {run: {dir: 'outputs/${name}'}}\n"
        "s: {_target_: hydra_plugins.gan_music_sweepers.GridSweeper}\n"
    )
    check_folder(tmp_path)


def test_the_command_refuses_an_untrusted_config_first(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    mark = tmp_path / "mark"
    (tmp_path / "c" / "mine.yaml").write_text(
        f"hydra: {{callbacks: {{a: {{_target_: os.mkdir, path: {mark}}}}}}}\n"
    )
    done = run_command("train", "--config-dir", "c", "--config-name", "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "mine.yaml: callbacks is not a setting" in done.stderr
    assert not mark.exists()


def test_mutated_files_load_or_are_refused(tmp_path: Path) -> None:
    from fuzz_checkpoints import fuzz

    lines, wrong = fuzz(60, 1, tmp_path)
    assert wrong == []
    text = "\n".join(lines)
    assert "checkpoints: 60 in" in text
    assert "configs: 30 in" in text
    assert ": a sentence" in text
    assert ": loads" in text
