"""Checkpoint files <-> their parts, validated: settings, representation, weights.

A run writes training checkpoints. An exported checkpoint holds only what sampling reads: no
optimizer states, no weights that only training needs, no paths of the machine that trained it.
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
from gan_music.checkpoints.archive import Archive
from gan_music.checkpoints.migrations import MIGRATED, SCHEMA_VERSION, migrate
from gan_music.checkpoints.tensor_shapes import Shape
from gan_music.checkpoints.torch_file import opened, read_outline, read_tensors
from gan_music.config.schema import TrainConfig
from gan_music.config.targets import UntrustedCodeError, check_targets
from gan_music.config.validate import checked, is_plain
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError
from gan_music.system.printable import printable
from gan_music.system.version import full_version
from gan_music.system.zip_sizes import ArchiveError

# Bach's chorales: the checkpoint that comes with the package
PRETRAINED = Path(__file__).parent.parent / "pretrained" / "chorales.ckpt"

# schema -> the last commit that reads it. These checkpoints record no version, and they cannot be
# migrated: the weights of the networks have changed.
_LAST_READERS = {1: "5e532fd", 2: "002f6fc", 3: "002f6fc", 4: "4c953c8"}

# what is read of a checkpoint that is not trained on
_TO_SAMPLE = ("epoch", "state_dict", "gan_music")
_MAX_SETTINGS = 10_000  # values
_MAX_EPOCH = 10**9
_MAX_REASON = 300  # characters of an error

# keys of ModelCheckpoint's state that hold paths
_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a checkpoint.

    Attributes
    ----------
    config : the run's settings, nested.
    representation : the state of the fitted representation.
    state_dict : weights after ``epoch``, counted from 0.
    sampler_only : whether it was exported and holds only what sampling reads.
    version : of the package that wrote it; None in the oldest ones.
    copy_filter : n-gram hashes of the training pieces
        (:class:`~gan_music.decoding.copy_filter.CopyFilter`), if the run keeps them.
    training : all that the run saved, if it was loaded to be trained on.
    """

    config: dict[str, Any]
    representation: dict[str, Any]
    state_dict: dict[str, torch.Tensor]
    epoch: int
    sampler_only: bool = False
    version: Any = None
    copy_filter: torch.Tensor | None = None
    training: dict[str, Any] | None = None


def load_checkpoint(path: Path, *, to_train: bool = False) -> Checkpoint:
    """Read a checkpoint, migrated to this version's schema, without running code from the file.

    Raises
    ------
    UserError
        If the file is missing, is no checkpoint, has a schema that cannot be migrated or invalid
        settings, or lacks what training needs although it is loaded ``to_train``. All of this is
        known before a weight is read.
    """
    if not path.is_file():
        raise UserError(f"checkpoint {path} is no file: name a run's folder, or its best.ckpt.")
    try:
        with opened(path) as archive:
            return _loaded(archive, path, to_train=to_train)
    except ArchiveError as error:
        raise UserError(
            f"checkpoint {path} is not a checkpoint, or is damaged ({error}): name a run's "
            "checkpoints/best.ckpt or last.ckpt."
        ) from error


def _loaded(archive: Archive, path: Path, *, to_train: bool) -> Checkpoint:
    outline = read_outline(archive)
    content = _validated(outline, path)
    ours = content["gan_music"]
    sampler_only = bool(ours.get("sampler_only", False))
    if to_train and sampler_only:
        raise UserError(
            f"checkpoint {path} was exported for sampling and cannot be trained on: name the "
            "checkpoints/last.ckpt of the run it comes from."
        )
    if to_train and not all(map(_is_a_checkpoint_of_a_run, _remembered_paths(content))):
        raise UserError(
            f"checkpoint {path} was edited, or is damaged: it has paths of checkpoints that no run "
            "writes, and a resumed run would delete them; train again."
        )
    parts = outline if to_train else {k: outline[k] for k in _TO_SAMPLE}
    tensors = read_tensors(parts, archive)
    try:
        loaded = migrate(tensors)
    except Exception as error:  # of weights that are not those of the settings
        raise ArchiveError("its weights are not of its schema") from error
    return Checkpoint(
        ours["config"],
        ours["representation"],
        loaded["state_dict"],
        content["epoch"],
        sampler_only,
        ours.get("version"),
        loaded["gan_music"].get("copy_filter"),
        loaded if to_train else None,
    )


def _validated(outline: Any, path: Path) -> dict[str, Any]:
    """The outline of a checkpoint in this version's schema."""
    ours = outline.get("gan_music") if isinstance(outline, dict) else None
    if not isinstance(ours, dict) or not isinstance(outline.get("state_dict"), dict):
        raise UserError(
            f"checkpoint {path} was not written by gan_music: name a run's checkpoints/best.ckpt."
        )
    schema = ours.get("schema")
    if type(schema) is not int or schema not in (SCHEMA_VERSION, *MIGRATED):
        raise UserError(_of_another_schema(path, schema, ours.get("version")))
    state = ours.get("representation", ours.get("codec"))
    if not is_plain(ours.get("config"), at_most=_MAX_SETTINGS) or not is_plain(state):
        raise UserError(
            f"checkpoint {path} has no settings to read; it is damaged or was edited: train again."
        )
    try:
        content = migrate(outline)
        check_targets(content["gan_music"]["config"], source=f"checkpoint {path}: ")
        checked(TrainConfig, OmegaConf.create(content["gan_music"]["config"]))
    except UntrustedCodeError as error:
        raise UntrustedCodeError(_shown(error)) from error
    except (UserError, LookupError, TypeError, AttributeError, ValueError) as error:
        reason = _shown(error) if isinstance(error, UserError) else "they are incomplete"
        raise UserError(
            f"checkpoint {path} has settings that are not this version's ({reason}); it "
            f"{what_it_may_be(ours.get('version'))}."
        ) from error
    weights = content["state_dict"]
    epoch = content.get("epoch")
    if (
        type(epoch) is not int
        or not 0 <= epoch <= _MAX_EPOCH
        or not all(isinstance(k, str) and isinstance(v, Shape) for k, v in weights.items())
    ):
        raise UserError(f"checkpoint {path} has no weights to read; it is damaged: train again.")
    return content


def _remembered_paths(content: dict[str, Any]) -> list[Any]:
    """Paths in the states of ModelCheckpoint: a resumed run overwrites or deletes these files."""
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
    file = Path(path)
    # other names are those of a callback that keeps more checkpoints
    others = file.suffix == ".ckpt" and file.parent.name == "checkpoints"
    return ".." not in file.parts and (file.name in ("best.ckpt", "last.ckpt") or others)


def _shown(error: Exception) -> str:
    """An error's text, which may quote the file, fit for a line on a screen."""
    text = str(error)
    if len(text) > _MAX_REASON:
        half = _MAX_REASON // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return printable(text)


def _is_version(version: Any) -> bool:
    return isinstance(version, str) and re.fullmatch(r"[\w.+-]{1,40}", version) is not None


def what_it_may_be(version: Any) -> str:
    """Why a checkpoint may not fit, judged by the version that it records, and what to do.

    Before the first release, settings and weights changed without a new schema.
    """
    if version == full_version():
        return "was edited, or is damaged: train again"
    named = _is_version(version) and version != __version__  # shared by many commits
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
    """The part of a checkpoint that sampling reads, without private paths.

    Parameters
    ----------
    sampled_from : prefixes of the weights that sampling reads
        (:attr:`gan_music.models.base.MusicModel.sampled_from`).
    float16 : store weights in half precision: half the size, slightly different samples.

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
    """Write a :func:`sampler_part` atomically; the same part gives the same bytes."""
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
    # given a path, torch would store the temporary file's name in the archive
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
