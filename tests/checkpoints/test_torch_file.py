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
from gan_music.checkpoints.tensor_shapes import Shape
from gan_music.checkpoints.torch_file import read_shapes
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


def table(body: bytes) -> bytes:
    """A file whose pickle is this one, beside a member with four numbers."""
    return rewritten({"a": torch.zeros(4)}, b"\x80\x02" + body + b".")


def word(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def tensor(size: bytes, stride: bytes, offset: bytes = b"K\0", n: bytes = b"K\4") -> bytes:
    """The pickle of a view of four numbers."""
    of = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + n + b"tQ"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return call + of + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR"


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + len(data).to_bytes(4, "little") + data


HUGE = number(2**8_000_000)  # 1 MB, which a few thousand references would multiply
MANY = b"q\0" + b"h\0" * 5000
TABLES = {
    "a size of huge numbers": tensor(b"(" + HUGE + MANY + b"t", b")"),
    "a stride of huge numbers": tensor(b"(K\2t", b"(" + HUGE + MANY + b"t"),
    "a huge offset": tensor(b"(K\2t", b"(K\1t", offset=HUGE),
    "a huge count": tensor(b"(K\2t", b"(K\1t", n=HUGE),
    "a count of 64 bits": tensor(b"(K\2t", b"(K\1t", n=b"\x8a\x08" + b"\xff" * 7 + b"\x7f"),
    "a wide stride": tensor(b"(K\2t", b"(K\4t"),
    "a negative stride": tensor(b"(K\2t", b"(J\xff\xff\xff\xfft"),
    "a negative size": tensor(b"(J\xff\xff\xff\xfft", b"(K\1t"),
    "an offset beyond": tensor(b"(K\2t", b"(K\1t", offset=b"K\3"),
    "nine dimensions": tensor(b"(" + b"K\1" * 9 + b"t", b"(" + b"K\1" * 9 + b"t"),
    "lists for sizes": tensor(b"](K\2e", b"](K\1e"),
    "10,000 digits": b"L" + b"9" * 10_000 + b"L\n",
    "10,000 digits in bytes": number(10**10_000),
    "65 bits": number(2**64),
    "digits as text": b"I" + b"9" * 5000 + b"\n",
    "duplicates": b"]" + b"2" * 100_000 + b"0" * 100_000,
    "references without end": b"](]q\0" + b"h\0" * 500_000 + b"e",
    "tuples of tuples": b"K\0" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(200)),
    "keys of tuples": b"}K\0" + b"q\0h\0\x86" * 100 + b"K\0s",
    "keys of one hash": b"}("
    + b"".join(number(i * (2**61 - 1)) + b"K\0" for i in range(2**12))
    + b"u",
    "a list in itself": b"]q\0h\0a",
    "a dictionary in itself": b"}q\0K\0h\0s",
    "a thousand levels": b"]" * 1000 + b"a" * 999,
    "marks": b"(" * 500_000,
    "a reference to nothing": b"h\7",
    "a reference too high": b"}r\xff\xff\xff\x7f",
    "a text beyond the end": b"X\xff\xff\xff\xffa",
    "five megabytes of text": word("x" * 5_000_000),
    "an attribute of a list": b"]}b",
    "a part of a tensor": b"ctorch\nFloatStorage\n",
    "a call of a dictionary": b"ccollections\nOrderedDict\n)R)R",
    "a dictionary of arguments": b"ccollections\nOrderedDict\n(]tR",
    "two values": b"NN",
    "an end too early": b"N.N",
    "another protocol": b"\x80\x04N",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_torch_does_not_write(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(table(TABLES[name]))
    with pytest.raises(ArchiveError) as refused:
        read_shapes(tmp_path / "a.ckpt")
    assert len(str(refused.value)) < 100
    with pytest.raises(UserError, match="is not a checkpoint, or is damaged"):
        load_checkpoint(tmp_path / "a.ckpt")


def test_what_the_others_are_made_of(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(table(tensor(b"(K\2t", b"(K\2t", offset=b"K\1")))
    assert read_shapes(tmp_path / "a") == Shape((2,), "FloatStorage")
    (tmp_path / "a").write_bytes(table(b"}(" + word("a") + b"\x8a\x08" + b"\xff" * 8 + b"u"))
    assert read_shapes(tmp_path / "a") == {"a": -1}


def test_views_of_one_memory_are_counted_as_often_as_they_are_named(tmp_path: Path) -> None:
    one = torch.zeros(2**20)
    torch.save({"tied": [one, one.view(2, -1)]}, tmp_path / "a")
    read_shapes(tmp_path / "a")
    torch.save({"views": [one[i:] for i in range(100)]}, tmp_path / "a")
    with pytest.raises(ArchiveError, match="more numbers than the file"):
        read_shapes(tmp_path / "a")


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
