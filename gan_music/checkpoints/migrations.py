"""The schema of checkpoints, and the migration of older ones to it.

A new schema is a further step in ``_STEPS``, whenever an older checkpoint would no longer load, or
mean the same. Settings that were renamed are in :mod:`gan_music.config.renamed`, too, so that a
command that is given an old key names the new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from gan_music.config.renamed import migrated

_ENTRIES = {"codec": "representation", "quotes": "copy_filter", "n_steps_back": "n_rollbacks"}
_CALLBACKS = {"EpochLine": "EpochLog"}  # by class name
_WEIGHTS = (
    ("generator.outlines.", "generator.style_prior."),
    ("module.outlines.", "module.style_prior."),
)
# of generators of events, added while the schema was 5; 0 turns each off
_ADDED = {"recurrent_dropout": 0.0, "recall_span": 0}
# lag alignment: further inputs of the LSTM, and further outputs of each head
_N_ALIGNMENT_INPUTS, _N_ALIGNMENT_OUTPUTS = 60, 12


def migrate(content: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's content, or its outline without tensors, in today's schema; the given one is
    left as it is.

    Content of today's schema, or of one that is not migrated, is returned as it is.
    """
    while (schema := content["gan_music"].get("schema")) in _STEPS:
        content = _STEPS[schema](content)
        content["gan_music"] = content["gan_music"] | {"schema": schema + 1}
    return content


def _from_5(content: dict[str, Any]) -> dict[str, Any]:
    """Schema 6: other names, and settings and weights that were added while the schema was 5, with
    the value that leaves the function of the network as it was.
    """
    ours = content["gan_music"]
    config = dict(ours["config"])
    if config["model"].get("name") in ("sequence_gan", "likelihood", "attention_gan"):
        config["model"] = _ADDED | config["model"]
    replay = {"real": ours.get("windows"), "fake": ours.get("fakes")}
    ours = {"n_rollbacks": 0} | {_ENTRIES.get(key, key): value for key, value in ours.items()}
    ours |= {"config": migrated(config), "replay": replay}
    weights = {_renamed(name): value for name, value in content["state_dict"].items()}
    changed: dict[str, Any] = {
        "gan_music": ours,
        "state_dict": _with_lag_alignment(weights, ours["config"]["model"]),
    }
    if "callbacks" in content:
        states = content["callbacks"]
        changed["callbacks"] = {_CALLBACKS.get(key, key): state for key, state in states.items()}
    if "optimizer_states" in content:
        changed["optimizer_states"] = [_with_network(o) for o in content["optimizer_states"]]
    return content | changed


def _from_6(content: dict[str, Any]) -> dict[str, Any]:
    """Schema 7: note events have settings for tracks and ends, which were added."""
    ours = content["gan_music"]
    config = dict(ours["config"])
    if config["representation"].get("name") == "note_events":
        config["representation"] = {"n_tracks": 1, "ends": False} | config["representation"]
    return content | {"gan_music": ours | {"config": config}}


def _with_network(optimizer: dict[str, Any]) -> dict[str, Any]:
    if "param_groups" not in optimizer:  # of n-gram models, which have no optimizer
        return optimizer
    groups = [
        {("network" if key == "player" else key): value for key, value in group.items()}
        for group in optimizer["param_groups"]
    ]
    return optimizer | {"param_groups": groups}


def _renamed(name: str) -> str:
    for old, new in _WEIGHTS:
        name = name.replace(old, new)
    return name


def _with_lag_alignment(weights: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """Weights of a generator without lag alignment, with zeros for what it adds."""
    weights = dict(weights)
    for prefix in ("generator.", "averaged.module."):
        lstm, embed, start = (
            weights.get(f"{prefix}{name}.weight{suffix}")
            for name, suffix in (("lstm", "_ih_l0"), ("embed.0", ""), ("start", ""))
        )
        if not (model.get("lookback_span") and isinstance(lstm, Tensor)):
            continue
        assert embed is not None
        assert start is not None
        n_categories = sum(bool(re.fullmatch(rf"{prefix}embed\.\d+\.weight", k)) for k in weights)
        n_embeddings = n_categories + (model["n_intervals"] > 0) + 1
        if lstm.shape[1] != n_embeddings * embed.shape[1] + start.shape[1]:
            continue
        weights[f"{prefix}lstm.weight_ih_l0"] = F.pad(lstm, (0, _N_ALIGNMENT_INPUTS))
        for i in range(n_categories):
            for kind, padding in (("weight", (0, 0)), ("bias", ())):
                name = f"{prefix}heads.out.{i}.{kind}"
                weights[name] = F.pad(weights[name], (*padding, 0, _N_ALIGNMENT_OUTPUTS))
    return weights


# schema -> the function that makes content of the next one of it
_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    5: _from_5,
    6: _from_6,
}
MIGRATED = tuple(_STEPS)
SCHEMA_VERSION = max(_STEPS) + 1
