"""A step asks its device for nothing and copies nothing to it: both would wait for it."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from gan_music.data.datasets import MusicDataset
from gan_music.data.samplers import DistributedBatchSampler, Item, WindowSampler
from gan_music.losses import adversarial, likelihood
from gan_music.networks import lstm_generator
from gan_music.networks.features.tensor_state import TensorState
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.windows import WindowSpec
from tests.conftest import make_piece
from tests.models.test_gumbel_gan import make_model
from tests.models.test_reinforce_gan import make_model as make_reinforce_gan

# what item(), int(), bool() and tolist() call, and what makes a tensor of a processor's numbers
WAITING = ("_local_scalar_dense", "lift_fresh", "is_nonzero", "nonzero", "equal")


class Watch(TorchDispatchMode):
    """Operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func.__name__.split(".")[0])
        return func(*args, **(kwargs or {}))

    @property
    def waits(self) -> set[str]:
        """Those that wait."""
        return set(self.seen) & set(WAITING)


def test_the_watch_sees_what_waits() -> None:
    for waits in (lambda x: x.item(), lambda x: bool(x > 0), lambda x: x.new_tensor([1, 2])):
        with Watch() as watch:
            waits(torch.ones(()))
        assert watch.waits


@pytest.mark.parametrize("changes", [{"attention_span": 8}, {"n_intervals": 0, "n_layers": 2}])
def test_a_step_waits_for_nothing(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # torch looks whether the values fit, but on a processor alone
    monkeypatch.setattr(F, "one_hot", lambda ids, n: (ids[..., None] == torch.arange(n)).long())
    monkeypatch.setattr(lstm_generator, "_step_state", TensorState)  # as on a GPU
    model = make_model(lookback_span=0, **changes).train()
    generator, discriminator = model.generator, model.discriminator
    discriminator.padded_in_training = False
    pieces = [make_piece(seed) for seed in range(3)]
    data = MusicDataset(pieces, NoteEvents(24), WindowSpec(12, 6), time_scales=[1.0, 2.0])
    data.to(torch.device("cpu"))
    batches = iter(
        DistributedBatchSampler(WindowSampler(len(data), seed=0, transpose=3, n_scales=2), 4)
    )
    next(batches)
    model.averaged.update_parameters(generator)  # the first time, it looks
    with Watch() as watch:
        batch = data.__getitems__(next(batches)).x
        z, gumbel = generator.prior(4), generator.gumbel(4, 12)
        fake = model.decoding.rollout(generator, z, gumbel, generator.space.starts(batch))
        scores = discriminator(batch), discriminator(fake)
        adversarial.discriminator_bce(*scores).backward()
        adversarial.accuracy(*scores)
        relaxed = generator.relaxed(fake, z, gumbel, temperature=1.0)
        loss = adversarial.generator_bce(discriminator(fake, relaxed))
        nll = likelihood.negative_log_likelihood(generator.logits(batch, z), batch)
        (loss + nll).backward()
        model.averaged.update_parameters(generator)
        model.count_batch()
    assert len(watch.seen) > 500
    assert not watch.waits
    assert int(model.n_batches) == model.number == 1


class Player:
    """An optimizer that leaves its weights alone."""

    def __init__(self, player: str) -> None:
        self.param_groups: list[dict[str, Any]] = [{"player": player}]

    def step(self) -> None:
        pass


@pytest.mark.parametrize("critic_pretrain_batches", [0, 9])
def test_a_step_with_a_critic_waits_for_nothing(
    critic_pretrain_batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(F, "one_hot", lambda ids, n: (ids[..., None] == torch.arange(n)).long())
    monkeypatch.setattr(lstm_generator, "_step_state", TensorState)  # as on a GPU
    model = make_reinforce_gan(
        lookback_span=0, critic_pretrain_batches=critic_pretrain_batches, rollout_reuse=2
    ).train()
    model.padded = False
    pieces = [make_piece(seed) for seed in range(3)]
    items = [Item(i) for i in range(3)]
    batch = MusicDataset(pieces, NoteEvents(24), WindowSpec(12, 6)).__getitems__(items).x
    model.averaged.update_parameters(model.generator)
    monkeypatch.setattr(model, "both_optimizers", lambda: (Player("g"), Player("d")))
    monkeypatch.setattr(model, "toggled_optimizer", lambda _: nullcontext())
    monkeypatch.setattr(model, "log_train", lambda **_: None)
    monkeypatch.setattr(model, "backward_loss", lambda _, **terms: sum(terms.values()).backward())
    trainer = SimpleNamespace(num_training_batches=3, max_epochs=1)
    monkeypatch.setattr(type(model), "trainer", trainer)
    with Watch() as watch:
        for number in range(3):
            model.training_step(batch, number)
    assert len(watch.seen) > 500
    assert not watch.waits
    assert int(model.n_adversarial) == model.since == model.number == 3


def test_the_average_is_torchs() -> None:
    model, other = make_model(), make_model()
    theirs = torch.optim.swa_utils.AveragedModel(
        other.generator, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    for number in range(4):
        with torch.no_grad():
            for p, q in zip(
                model.generator.parameters(), other.generator.parameters(), strict=True
            ):
                q.copy_(p.add_(torch.randn_like(p) * number))
        model.averaged.update_parameters(model.generator)
        theirs.update_parameters(other.generator)
    ours = model.averaged.state_dict()
    assert ours.keys() == theirs.state_dict().keys()
    assert all(torch.equal(ours[k], v) for k, v in theirs.state_dict().items())
