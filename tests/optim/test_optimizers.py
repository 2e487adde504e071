from __future__ import annotations

import torch
from torch import nn

from gan_music.optim.optimizers import adam, adamw, of_class, sgd


def test_groups_name_their_network_and_their_weight_decay() -> None:
    module = nn.Linear(2, 3)
    assert [g["network"] for g in adam(module, "d", lr=1, betas=(0.5, 0.9)).param_groups] == ["d"]
    (group,) = sgd(module, "g", lr=1, weight_decay=0.2).param_groups
    assert (group["network"], group["weight_decay"], group["momentum"]) == ("g", 0.2, 0)
    settings = {"lr": 1.0, "betas": (0.5, 0.9), "weight_decay": 0.1}
    (group,) = adamw(module, "d", **settings).param_groups  # type: ignore[arg-type]
    assert (len(group["params"]), group["weight_decay"]) == (2, 0.1)
    matrices, others = adamw(
        module,
        "g",
        matrices_only=True,
        **settings,  # type: ignore[arg-type]
    ).param_groups
    assert [p.shape for p in matrices["params"]] == [(3, 2)]
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.1, 0.0)


def test_a_chosen_class_keeps_the_network_and_its_learning_rate() -> None:
    optimizer = of_class(torch.optim.RMSprop, alpha=0.5)(nn.Linear(2, 3), "d", lr=0.25)
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.RMSprop)
    assert (group["network"], group["lr"], group["alpha"]) == ("d", 0.25, 0.5)
