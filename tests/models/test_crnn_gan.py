"""C-RNN-GAN against a plain loop after the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from gan_music.config.model_settings import CRNNGANConfig
from gan_music.decoding.request import SampleRequest
from gan_music.models.crnn_gan import CRNNGAN, Frozen, frozen, length_in_epoch
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.system.errors import UserError
from tests.models.training import loader

HIDDEN, LR, L2 = 10, 0.1, 0.01


def make_model(representation: NoteQuadruples | None = None, **changes: Any) -> CRNNGAN:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "n_layers": 2,
        "noise_size": 4,
        "lr": LR,
        "l2": L2,
        "clip_norm": None,
        "freeze_below": 0.7,
        "feature_matching": True,
        "warm_start_epochs": 0,
    } | changes
    return CRNNGAN(
        CRNNGANConfig(name="crnn_gan", **settings),
        representation=representation or NoteQuadruples(24, hertz=True),
    )


class Record(Callback):
    """Logged values and updated networks of each batch; seeds the noise of the plain loop."""

    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []
        self.updated: list[str] = []

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, index: int) -> None:
        if trainer.fit_loop.total_batch_idx == 0:
            torch.manual_seed(3)
        self.before = {n: p.detach().clone() for n, p in module.named_parameters()}

    def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        metrics = trainer.callback_metrics
        self.logged.append({k.removeprefix("train/"): v.item() for k, v in metrics.items()})
        changed = {n[0] for n, p in module.named_parameters() if not torch.equal(p, self.before[n])}
        self.updated.append("".join(sorted(changed)))


def fit(
    model: CRNNGAN, windows: Tensor, folder: Path, epochs: int = 1, resume: Path | None = None
) -> Record:
    record = Record()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        log_every_n_steps=1,
        logger=False,
        callbacks=[record],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(model, loader(windows, 4), ckpt_path=resume)
    trainer.save_checkpoint(folder / "last.ckpt")
    return record


def real_windows(n_batches: int, length: int = 12) -> Tensor:
    torch.manual_seed(1)
    # far from 0, where the generator begins
    return torch.randn(4 * n_batches, length, 4).cumsum(1) / 3 + 4


class PlainGenerator(nn.Module):
    """Cells written out, with the model's own weights."""

    def __init__(self, state: dict[str, Tensor]):
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(8, HIDDEN), nn.LSTMCell(HIDDEN, HIDDEN)])
        self.out = nn.Linear(HIDDEN, 4)
        for i, cell in enumerate(self.cells):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(cell, name).data = state[f"generator.lstm.{name}_l{i}"].clone()
        self.out.weight.data = state["generator.fc.weight"].clone()
        self.out.bias.data = state["generator.fc.bias"].clone()

    def forward(self, noise: Tensor, shown: Tensor | None = None) -> Tensor:
        h = [(torch.zeros(len(noise), HIDDEN), torch.zeros(len(noise), HIDDEN)) for _ in range(2)]
        last = torch.zeros(len(noise), 4)
        out = []
        for t in range(noise.shape[1]):
            h[0] = self.cells[0](torch.cat([noise[:, t], last], 1), h[0])
            h[1] = self.cells[1](h[0][0], h[1])
            tone = self.out(h[1][0])
            out.append(tone)
            last = tone if shown is None else shown[:, t]
        return torch.stack(out, 1)


class PlainDiscriminator(nn.Module):
    def __init__(self, state: dict[str, Tensor]):
        super().__init__()
        self.lstm = nn.LSTM(4, HIDDEN, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * HIDDEN, 1)
        name = "discriminator."
        own = {k.removeprefix(name): v.clone() for k, v in state.items() if k.startswith(name)}
        self.load_state_dict(own)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r, _ = self.lstm(x)
        return torch.sigmoid(self.fc(r)).mean((1, 2)), r


def descend(network: nn.Module, loss: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
    """The step of gradient descent with L2 regularization, not taken yet."""
    loss = loss + L2 / 2 * sum(p.square().sum() for p in network.parameters())
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    return [(p, p.data - LR * g) for p, g in zip(parameters, gradients, strict=True)]


def plain_loop(
    batches: list[Tensor], state: dict[str, Tensor], matching: bool
) -> list[tuple[float, float, str]]:
    g, d = PlainGenerator(state), PlainDiscriminator(state)
    torch.manual_seed(3)
    found = []
    for x in batches:
        z = torch.rand(len(x), x.shape[1], 4)
        fake = g(z)
        d_real, r_real = d(x)
        d_fake, r_fake = d(fake)
        loss_d = (-torch.log(d_real) - torch.log(1 - d_fake)).mean()
        loss_g = -torch.log(d_fake).mean()
        trained = ((r_real - r_fake) ** 2).sum(2).mean() if matching else loss_g
        steps, moved = [], ""
        if not loss_d < 0.7 * loss_g:
            steps += descend(d, (-torch.log(d_real) - torch.log(1 - d(fake.detach())[0])).mean())
            moved += "d"
        if not loss_g < 0.7 * loss_d:
            steps += descend(g, trained)
            moved += "g"
        for p, new in steps:
            p.data = new
        found.append((loss_d.item(), loss_g.item(), moved))
    return found


@pytest.mark.parametrize("matching", [True, False])
def test_the_losses_are_those_of_the_plain_loop(tmp_path: Path, matching: bool) -> None:
    windows = real_windows(40)
    model = make_model(feature_matching=matching)
    expected = plain_loop(list(windows.split(4)), model.state_dict(), matching)
    record = fit(model, windows, tmp_path)
    losses = [(x["loss_d"], x["loss_g"]) for x in record.logged]
    assert torch.allclose(
        torch.tensor(losses), torch.tensor([x[:2] for x in expected]), atol=1e-5, rtol=0
    )
    assert record.updated == [x[2] for x in expected]
    # both directions of the rule occur
    assert {"d", "g", "dg"} == set(record.updated)


def test_the_warm_start_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    windows = real_windows(3, length=12)
    model = make_model(warm_start_epochs=3)
    g = PlainGenerator(model.state_dict())
    torch.manual_seed(3)
    expected = []
    for length in (4, 8, 12):
        for x in windows.split(4):
            x = x[:, :length]
            loss = ((g(torch.rand(4, length, 4), x) - x) ** 2).mean()
            for p, new in descend(g, loss):
                p.data = new
            expected.append((loss.item(), length))
    record = fit(model, windows, tmp_path, epochs=3)
    found = [(x["squared_error"], x["length"]) for x in record.logged]
    assert torch.allclose(torch.tensor(found), torch.tensor(expected), atol=1e-5, rtol=0)
    assert record.updated == ["g"] * 9


@pytest.mark.parametrize(
    ("loss_g", "loss_d", "rest"),
    [
        (1.0, 0.69, Frozen(g=False, d=True)),  # below 70 %
        (1.0, 0.71, Frozen(g=False, d=False)),
        (1.0, 1.42, Frozen(g=False, d=False)),
        (1.0, 1.43, Frozen(g=True, d=False)),
        # an undecided discriminator: 2 ln 2 against ln 2
        (0.693, 1.386, Frozen(g=True, d=False)),
    ],
)
def test_which_network_is_frozen(loss_g: float, loss_d: float, rest: Frozen) -> None:
    assert frozen(loss_g, loss_d, 0.7) == rest
    assert frozen(loss_g, loss_d, 0.0) == Frozen(g=False, d=False)


def test_pre_training_lengths_grow_to_the_window() -> None:
    lengths = [length_in_epoch(epoch, 6, 64) for epoch in range(6)]
    assert lengths == [10, 21, 32, 42, 53, 64]
    assert length_in_epoch(0, 6, 3) == 1


def test_gradients_are_clipped(tmp_path: Path) -> None:
    model = make_model(clip_norm=1e-6, l2=0.0)
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    record = fit(model, real_windows(1), tmp_path)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    # the length of an SGD step is the learning rate times the norm
    assert (after.double() - before.double()).norm() < 2 * LR * 1e-6
    (logged,) = record.logged
    assert logged["grad_norm_d"] > 1e-6  # before clipping


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    windows = real_windows(3)
    whole, cut, resumed = (make_model(warm_start_epochs=1, freeze_below=0.1) for _ in range(3))
    fit(whole, windows, tmp_path, epochs=4)
    fit(cut, windows, tmp_path, epochs=2)
    torch.manual_seed(8)  # whatever was drawn meanwhile
    fit(resumed, windows, tmp_path, epochs=4, resume=tmp_path / "last.ckpt")
    expected = whole.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in resumed.state_dict().items())
    assert not torch.equal(cut.generator.fc.bias, whole.generator.fc.bias)


def test_samples_are_pieces_of_their_seed() -> None:
    spread = {"mean": [1, 440, 64, 1], "deviation": [1, 100, 99, 1]}
    model = make_model(NoteQuadruples.from_state(NoteQuadruples(24, hertz=True).state() | spread))
    state = torch.get_rng_state()
    pieces = model.sample(SampleRequest(n_pieces=3, length=9, seed=5))
    assert torch.equal(torch.get_rng_state(), state)
    assert [len(p) for p in pieces] == [9, 9, 9]
    again = model.sample(SampleRequest(n_pieces=3, length=9, seed=5))
    assert [p.notes() for p in again] == [p.notes() for p in pieces]
    other = model.sample(SampleRequest(n_pieces=3, length=9, seed=6))
    assert [p.velocity.tolist() for p in other] != [p.velocity.tolist() for p in pieces]
    with pytest.raises(UserError, match="meter"):
        model.sample(SampleRequest(n_pieces=1, length=2, seed=0, meter=(3, 4)))


def test_clipped_values_are_counted() -> None:
    model = make_model()
    with torch.no_grad():
        for p in model.generator.parameters():
            p.zero_()
        model.generator.fc.bias.copy_(torch.tensor([1.0, 1e6, 200.0, 1.0]))
    (piece,) = model.sample(SampleRequest(n_pieces=1, length=7, seed=0))
    assert set(piece.notes()) == {(24 * i, 24, 127) for i in range(7)}
    assert set(piece.velocity.tolist()) == {127}
    assert model.n_clipped == 14
