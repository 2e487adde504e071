"""Checkpoints on disk <-> their parts, checked: config, codec and weights, enough by itself.

A run writes whole ones. One to share holds what sampling reads and no more: no optimizers, no
discriminator, no weights that only training needs, no paths of the machine it was trained on.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from gan_music import __version__
from gan_music.checkpoints.migrations import SCHEMA_VERSION
from gan_music.checkpoints.safe_unpickler import Shape, read_shapes
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked, is_plain
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.system.version import full_version
from gan_music.system.zip_sizes import ArchiveError

# Bach's chorales: the checkpoint that comes with the package
PRETRAINED = Path(__file__).parent.parent / "pretrained" / "chorales.ckpt"

# schema -> the last commit that reads it; these checkpoints do not know who wrote them. None is
# migrated: later networks have other weights, drawn before them or trained with them
_LAST_READERS = {1: "5e532fd", 2: "002f6fc", 3: "002f6fc", 4: "4c953c8"}

# of what Lightning remembers of the checkpoints that it wrote
_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


@dataclass(frozen=True)
class Checkpoint:
    """Settings, the codec's table, and the weights after ``epoch`` (from 0).

    ``sampler_only`` says that the weights are those that sampling reads, and nothing else;
    ``version`` is that of the package that wrote it, None in the oldest ones; ``copy_filter`` is
    what is not to be copied (:class:`~gan_music.decoding.copy_filter.CopyFilter`), if anything.
    """

    config: dict[str, Any]
    representation: dict[str, Any]
    state_dict: dict[str, torch.Tensor]
    epoch: int
    sampler_only: bool = False
    version: Any = None
    copy_filter: torch.Tensor | None = None


def load_checkpoint(path: Path, *, to_train: bool = False) -> Checkpoint:
    """Read a checkpoint of ours; it is other people's file, so no code in it is ever run.

    Raises
    ------
    UserError
        If it is not there, is not a checkpoint, is of another schema, has settings that are none,
        or lacks what training needs where it is read ``to_train`` on. All of that is known before
        a weight is read.
    """
    if not path.is_file():
        raise UserError(f"checkpoint {path} is no file: name a run's checkpoints/best.ckpt.")
    damaged = UserError(
        f"checkpoint {path} is not a checkpoint, or is damaged: name a run's "
        "checkpoints/best.ckpt or last.ckpt."
    )
    try:
        content = read_shapes(path)
    except ArchiveError as error:
        raise damaged from error
    _check(content, path)
    ours = content["gan_music"]
    sampler_only = bool(ours.get("sampler_only", False))
    if to_train and sampler_only:
        raise UserError(
            f"checkpoint {path} was exported to be sampled from and cannot be trained on: name the "
            "checkpoints/last.ckpt of the run it is from."
        )
    if to_train and not all(map(_is_a_checkpoint_of_a_run, _remembered_paths(content))):
        raise UserError(
            f"checkpoint {path} was edited, or is damaged: it has paths of checkpoints that no run "
            "writes, and a run that went on from it would remove them; train again."
        )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever unpickling a stranger's bytes meets
        raise damaged from error
    return Checkpoint(
        ours["config"],
        ours["representation"],
        loaded["state_dict"],
        content["epoch"],
        sampler_only,
        ours.get("version"),
        loaded["gan_music"].get("copy_filter"),
    )


def _check(content: Any, path: Path) -> None:
    """Refuse the outline of a file that is no checkpoint of this schema."""
    ours = content.get("gan_music") if isinstance(content, dict) else None
    if not isinstance(ours, dict) or not isinstance(content.get("state_dict"), dict):
        raise UserError(
            f"checkpoint {path} was not written by gan_music: name a run's checkpoints/best.ckpt."
        )
    schema = ours.get("schema")
    if type(schema) is not int or schema != SCHEMA_VERSION:
        raise UserError(_of_another_schema(path, schema, ours.get("version")))
    if not is_plain(ours.get("config")) or not is_plain(ours.get("representation")):
        raise UserError(
            f"checkpoint {path} has no settings to read; it is damaged or was edited: train again."
        )
    config: dict[str, Any] = ours["config"]
    try:
        checked(TrainConfig, OmegaConf.create(config))
    except UserError as error:
        raise UserError(
            f"checkpoint {path} has settings that are not this version's ({error}); it "
            f"{what_it_may_be(ours.get('version'))}."
        ) from error
    weights = content["state_dict"]
    if type(content.get("epoch")) is not int or not all(
        isinstance(k, str) and isinstance(v, Shape) for k, v in weights.items()
    ):
        raise UserError(f"checkpoint {path} has no weights to read; it is damaged: train again.")


def _remembered_paths(content: dict[str, Any]) -> list[Any]:
    """Where the callbacks of the run have written: a run that goes on replaces these files."""
    callbacks = content.get("callbacks")
    states = list(callbacks.values()) if isinstance(callbacks, dict) else []
    writers = [s for s in states if isinstance(s, dict) and "best_model_path" in s]
    paths = [s[k] for s in writers for k in _PATHS if s.get(k)]
    for kept in (s.get("best_k_models") for s in writers):
        paths += list(kept) if isinstance(kept, dict) else [kept]
    return paths


def _is_a_checkpoint_of_a_run(path: Any) -> bool:
    if not isinstance(path, str) or "://" in path:
        return False
    return ".." not in Path(path).parts and Path(path).name in ("best.ckpt", "last.ckpt")


def _is_version(version: Any) -> bool:
    return isinstance(version, str) and re.fullmatch(r"[\w.+-]{1,40}", version) is not None


def what_it_may_be(version: Any) -> str:
    """Why a checkpoint of this schema does not fit, by what it says wrote it, and what to do.

    Before the first release settings and weights changed without a new schema, too.
    """
    if version == full_version():
        return "was edited, or is damaged: train again"
    named = _is_version(version) and version != __version__  # which is that of many commits
    by = f"gan_music {version}" if named else "an earlier commit of gan_music 0.1"
    return f"was written by {by}, or was edited, or is damaged: use that version, or train again"


def _of_another_schema(path: Path, schema: Any, version: Any) -> str:
    number = schema if type(schema) is int else "none"
    sentence = f"checkpoint {path} has schema {number}, and this version reads {SCHEMA_VERSION}"
    if _is_version(version):
        return f"{sentence}: use the version that wrote it, gan_music {version}, or train again."
    if number in _LAST_READERS:
        return (
            f"{sentence}: it is of gan_music 0.1 before its release, which commit "
            f"{_LAST_READERS[schema]} is the last to read; use that, or train again."
        )
    return f"{sentence}: use the version that wrote it, or train again."


def sampler_part(
    checkpoint: Checkpoint, sampled_from: tuple[str, ...], *, float16: bool = False
) -> Checkpoint:
    """What sampling needs of a checkpoint, and what may be shared of its settings.

    Parameters
    ----------
    sampled_from : how the names of the weights that sampling reads begin
        (:attr:`gan_music.models.base.MusicModel.sampled_from`).
    float16 : keep real numbers in half precision: half the size, and not quite the same samples.

    Raises
    ------
    UserError
        If a number is too large for half precision.
    """
    weights = {k: v for k, v in checkpoint.state_dict.items() if k.startswith(sampled_from)}
    if float16:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
        if not all(v.isfinite().all() for v in weights.values()):
            raise UserError(
                "float16=true cannot hold the largest of these numbers: leave float16 out."
            )
    config = deepcopy(checkpoint.config)
    if config["data"]["root"] is not None:
        config["data"]["root"] = Path(config["data"]["root"]).name
    config["data"]["cache_dir"] = None
    if "warm_start_from" in config["model"]:
        config["model"]["warm_start_from"] = None
    return replace(checkpoint, config=config, state_dict=weights, sampler_only=True)


def save_sampler(checkpoint: Checkpoint, path: Path) -> None:
    """Write a :func:`sampler_part`, whole or not at all; the same one gives the same bytes."""
    content: dict[str, Any] = {
        "epoch": checkpoint.epoch,
        "state_dict": checkpoint.state_dict,
        "gan_music": {
            "schema": SCHEMA_VERSION,
            "version": full_version(),
            "sampler_only": True,
            "config": checkpoint.config,
            "representation": checkpoint.representation,
        },
    }
    if checkpoint.copy_filter is not None:
        content["gan_music"]["copy_filter"] = checkpoint.copy_filter
    path.parent.mkdir(parents=True, exist_ok=True)
    # into an open file, since torch writes a path's own name into what it saves
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
