"""A training step neither reads a value from the GPU nor copies one to it: both synchronise."""

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
from gan_music.representations.voices import Voices
from gan_music.representations.windows import WindowSpec
from tests.conftest import make_piece
from tests.models.test_gumbel_gan import make_model
from tests.models.test_reinforce_gan import make_model as make_reinforce_gan

# called by item(), int(), bool() and tolist(), and by making a tensor of Python numbers
SYNCHRONISING = ("_local_scalar_dense", "lift_fresh", "is_nonzero", "nonzero", "equal")


class Operations(TorchDispatchMode):
    """Records operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func.__name__.split(".")[0])
        return func(*args, **(kwargs or {}))

    @property
    def synchronising(self) -> set[str]:
        return set(self.seen) & set(SYNCHRONISING)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    # torch checks the range of ids, but on a CPU alone
    monkeypatch.setattr(F, "one_hot", lambda ids, n: (ids[..., None] == torch.arange(n)).long())
    monkeypatch.setattr(lstm_generator, "_step_state", TensorState)


def test_synchronising_operations_are_seen() -> None:
    for synchronises in (lambda x: x.item(), lambda x: bool(x > 0), lambda x: x.new_tensor([1])):
        with Operations() as operations:
            synchronises(torch.ones(()))
        assert operations.synchronising


def fitted(representation: NoteEvents) -> NoteEvents:
    representation.fit([make_piece(seed) for seed in range(3)])
    return representation


REPRESENTATIONS = {
    "one stream": lambda: NoteEvents(24),
    "tracks": lambda: NoteEvents(24, velocity=True, n_tracks=2, ends=True),
    "voices": lambda: fitted(Voices(24)),
}


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("kind", REPRESENTATIONS)
@pytest.mark.parametrize("changes", [{"attention_span": 8}, {"n_intervals": 0, "n_layers": 2}])
def test_a_step_synchronises_with_nothing(changes: dict[str, Any], kind: str) -> None:
    representation = REPRESENTATIONS[kind]()
    model = make_model({"representation": representation}, lookback_span=0, **changes).train()
    generator, discriminator = model.generator, model.discriminator
    discriminator.padded_in_training = False
    pieces = [make_piece(seed) for seed in range(3)]
    scales = [1.0] if kind == "voices" else [1.0, 2.0]
    data = MusicDataset(pieces, representation, WindowSpec(12, 6), time_scales=scales)
    data.to(torch.device("cpu"))
    batches = iter(
        DistributedBatchSampler(
            WindowSampler(len(data), seed=0, transpose=3, n_scales=len(scales)), 4
        )
    )
    data.__getitems__(next(batches))  # the first batch copies a table to the device
    model.averaged.update_parameters(generator)  # the first update synchronises
    with Operations() as operations:
        real = data.__getitems__(next(batches)).x
        z, gumbel = generator.prior(4), generator.gumbel(4, 12)
        fake = model.decoding.rollout(generator, z, gumbel, generator.space.starts(real))
        scores = discriminator(real), discriminator(fake)
        adversarial.discriminator_bce(*scores).backward()
        adversarial.accuracy(*scores)
        relaxed = generator.relaxed(fake, z, gumbel, temperature=1.0)
        loss = adversarial.generator_bce(discriminator(fake, relaxed))
        nll = likelihood.negative_log_likelihood(generator.logits(real, z), real)
        (loss + nll).backward()
        model.averaged.update_parameters(generator)
        model.count_batch()
    assert len(operations.seen) > 500
    assert not operations.synchronising
    assert int(model.n_batches) == model.batch_number == 1


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("kind", REPRESENTATIONS)
@pytest.mark.parametrize("critic_pretrain_batches", [0, 9])
def test_a_step_with_a_critic_synchronises_with_nothing(
    critic_pretrain_batches: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    representation = REPRESENTATIONS[kind]()
    model = make_reinforce_gan(
        {"representation": representation},
        lookback_span=0,
        critic_pretrain_batches=critic_pretrain_batches,
        rollout_reuse=2,
    ).train()
    model.has_padding = False
    pieces = [make_piece(seed) for seed in range(3)]
    items = [Item(i) for i in range(3)]
    batch = MusicDataset(pieces, representation, WindowSpec(12, 6)).__getitems__(items)
    model.averaged.update_parameters(model.generator)
    optimizer = SimpleNamespace(param_groups=[{}], step=lambda: None)
    monkeypatch.setattr(model, "both_optimizers", lambda: (optimizer, optimizer))
    monkeypatch.setattr(model, "toggled_optimizer", lambda _: nullcontext())
    monkeypatch.setattr(model, "log_train", lambda **_: None)
    monkeypatch.setattr(model, "backward_loss", lambda _, **terms: sum(terms.values()).backward())
    trainer = SimpleNamespace(num_training_batches=3, max_epochs=1)
    monkeypatch.setattr(type(model), "trainer", trainer)
    with Operations() as operations:
        for number in range(3):
            model.training_step(batch, number)
    assert len(operations.seen) > 500
    assert not operations.synchronising
    assert int(model.n_adversarial) == model.batches_since_warm_start == model.batch_number == 3
