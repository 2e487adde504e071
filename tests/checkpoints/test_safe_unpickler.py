"""Checkpoints from untrusted sources: no code of theirs runs, no size of theirs is believed."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.checkpoints.safe_unpickler import Shape, read_shapes
from gan_music.system.errors import UserError
from gan_music.system.zip_sizes import ArchiveError
from gan_music.training.factory import restore_model

FOLDER = Path(__file__).parent


def test_the_shapes_of_what_is_saved(tmp_path: Path) -> None:
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
def test_a_checkpoint_to_resume_names_no_files_but_a_runs(tmp_path: Path, path: Any) -> None:
    content = torch.load(FOLDER / "schema_5.ckpt", weights_only=True)
    states = content["callbacks"]
    key = next(k for k in states if "best_model_path" in states[k])
    assert load_checkpoint(FOLDER / "schema_5.ckpt", to_train=True).epoch == content["epoch"]
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
    content = torch.load(FOLDER / "schema_5.ckpt", weights_only=True)
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
        (laughs, "its values are too many, or too deep"),
        (settings | {"name": "${oc.env:HOME}"}, "no settings to read"),
        (settings | {"_target_": "os.system"}, "_target_=os.system is code from outside"),
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
