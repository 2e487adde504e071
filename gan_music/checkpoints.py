"""Checkpoints on disk <-> their parts, checked: config, codec and weights, enough by itself.

A run writes whole ones. One to share holds what sampling reads and no more: no optimizers, no
discriminator, no weights that only training needs, no paths of the machine it was trained on.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gan_music.errors import UserError
from gan_music.files import replacing
from gan_music.models.base import SCHEMA_VERSION

# Bach's chorales: the checkpoint that comes with the package
PRETRAINED = Path(__file__).parent / "pretrained" / "chorales.ckpt"


@dataclass(frozen=True)
class Checkpoint:
    """Settings, the codec's table, and the weights after ``epoch`` (from 0).

    ``sampler_only`` says that the weights are those that sampling reads, and nothing else.
    """

    config: dict[str, Any]
    codec: dict[str, Any]
    state_dict: dict[str, torch.Tensor]
    epoch: int
    sampler_only: bool = False


def load_checkpoint(path: Path, *, to_train: bool = False) -> Checkpoint:
    """Read a checkpoint of ours; it is other people's file, so no code in it is ever run.

    Raises
    ------
    UserError
        If it is not there, is not a checkpoint, is of another schema, or lacks what training
        needs where it is read ``to_train`` on.
    """
    if not path.is_file():
        raise UserError(f"checkpoint {path} is no file: name a run's checkpoints/best.ckpt.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever unpickling a stranger's bytes meets
        raise UserError(
            f"checkpoint {path} is not a checkpoint, or is damaged: name a run's "
            "checkpoints/best.ckpt or last.ckpt."
        ) from error
    ours = content.get("gan_music") if isinstance(content, dict) else None
    if not isinstance(ours, dict) or not isinstance(content.get("state_dict"), dict):
        raise UserError(
            f"checkpoint {path} was not written by gan_music: name a run's checkpoints/best.ckpt."
        )
    if ours.get("schema") != SCHEMA_VERSION:
        raise UserError(
            f"checkpoint {path} has schema {ours.get('schema')}, and this version reads schema "
            f"{SCHEMA_VERSION}: train again, or use the version that wrote it."
        )
    sampler_only = bool(ours.get("sampler_only", False))
    if to_train and sampler_only:
        raise UserError(
            f"checkpoint {path} was exported to be sampled from and cannot be trained on: name the "
            "checkpoints/last.ckpt of the run it is from."
        )
    if not isinstance(ours.get("config"), dict):
        raise UserError(
            f"checkpoint {path} has no settings to read; it is damaged or was edited: train again."
        )
    return Checkpoint(
        config=ours["config"],
        codec=ours["codec"],
        state_dict=content["state_dict"],
        epoch=int(content.get("epoch", -1)),
        sampler_only=sampler_only,
    )


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
    return Checkpoint(config, checkpoint.codec, weights, checkpoint.epoch, sampler_only=True)


def save_sampler(checkpoint: Checkpoint, path: Path) -> None:
    """Write a :func:`sampler_part`, whole or not at all; the same one gives the same bytes."""
    content = {
        "epoch": checkpoint.epoch,
        "state_dict": checkpoint.state_dict,
        "gan_music": {
            "schema": SCHEMA_VERSION,
            "sampler_only": True,
            "config": checkpoint.config,
            "codec": checkpoint.codec,
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # into an open file, since torch writes a path's own name into what it saves
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
