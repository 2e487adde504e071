"""The model against a plain loop after the paper and its published code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from gan_music.config.model_settings import NeoSaleemConfig
from gan_music.decoding.request import SampleRequest
from gan_music.models.neo_saleem_gan import NeoSaleemGAN
from gan_music.representations.note_triples import NoteTriples
from tests.models.training import loader


class LSTMGenerator(nn.Module):
    """Listing 1."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int, num_layers: int):
        super().__init__()
        self.hidden_size = hidden_size
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        h0 = torch.zeros(2, x.size(0), self.hidden_size)
        c0 = torch.zeros(2, x.size(0), self.hidden_size)
        out, _ = self.lstm(x.unsqueeze(1), (h0.squeeze(0), c0.squeeze(0)))
        return self.fc(out[:, -1, :])


class LSTMDiscriminator(LSTMGenerator):
    """Listing 1, up to its sigmoid."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int):
        super().__init__(input_size, hidden_size, 1, num_layers)


def sigmoid_and_bce(logits: Tensor, target: Tensor) -> Tensor:
    return nn.BCELoss()(torch.sigmoid(logits), target)


Criterion = Callable[[Tensor, Tensor], Tensor]


def plain_loop(
    batches: list[Tensor], state: dict[str, Tensor], criterion: Criterion
) -> list[tuple[float, float]]:
    """The published loop: both losses of every batch."""
    generator = LSTMGenerator(100, 256, 3, 2)
    discriminator = LSTMDiscriminator(3, 256, 2)
    for name, network in (("generator.", generator), ("discriminator.", discriminator)):
        network.load_state_dict(
            {k.removeprefix(name): v.clone() for k, v in state.items() if k.startswith(name)}
        )
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.001)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=0.001)
    torch.manual_seed(3)
    found = []
    for real in batches:
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        optimizer_d.zero_grad()
        fake = generator(torch.randn(len(real), 100))
        loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake), zeros)
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        loss_g = criterion(discriminator(generator(torch.randn(len(real), 100))), ones)
        loss_g.backward()
        optimizer_g.step()
        found.append((loss_d.item(), loss_g.item()))
    return found


def make_model(options: dict[str, Any] | None = None, **changes: Any) -> NeoSaleemGAN:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "hidden_size": 256,
        "n_layers": 2,
        "noise_size": 100,
        "lr_g": 0.001,
        "lr_d": 0.001,
        "betas": [0.9, 0.999],
    } | changes
    return NeoSaleemGAN(
        NeoSaleemConfig(name="neo_saleem", **settings),
        representation=NoteTriples(24),
        **options or {},
    )


class Losses(Callback):
    def __init__(self) -> None:
        self.found: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: Trainer, *arguments: Any) -> None:
        metrics = trainer.callback_metrics
        self.found.append((metrics["train/loss_d"].item(), metrics["train/loss_g"].item()))


class Seed(Callback):
    """Makes the model draw the same noise as the plain loop."""

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, index: int) -> None:
        if index == 0:
            torch.manual_seed(3)


@pytest.fixture(params=["32-true", "64-true"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if request.param == "64-true" else torch.float32)
    yield request.param
    torch.set_default_dtype(before)


def test_the_losses_are_those_of_the_plain_loop(tmp_path: Path, precision: str) -> None:
    # The published sigmoid and BCELoss round differently from BCE of logits, and Adam amplifies the
    # difference; in float64 it stays far below the tolerance.
    criterion = sigmoid_and_bce if precision == "64-true" else nn.BCEWithLogitsLoss()
    torch.manual_seed(1)
    pitch = torch.randint(30, 90, (50 * 64, 1)).to(torch.get_default_dtype())
    notes = torch.cat([pitch, torch.rand(50 * 64, 1) * 2, torch.rand(50 * 64, 1)], 1)
    model = make_model()
    expected = plain_loop(list(notes.split(64)), model.state_dict(), criterion)

    losses = Losses()
    trainer = Trainer(
        accelerator="cpu",
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        log_every_n_steps=1,
        logger=False,
        callbacks=[Seed(), losses],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, loader(notes, 64))
    assert len(losses.found) == 50
    assert torch.allclose(torch.tensor(losses.found), torch.tensor(expected), atol=1e-5, rtol=0)
    # and the discriminator has learned
    assert losses.found[-1][0] < losses.found[0][0] - 0.1


@pytest.mark.parametrize("n_layers", [1, 3])
def test_the_number_of_layers_is_honoured(n_layers: int) -> None:
    model = make_model(n_layers=n_layers)
    assert model.generator.lstm.num_layers == model.discriminator.lstm.num_layers == n_layers
    assert model.discriminator(model.generator(torch.randn(5, 100))).shape == (5,)


def test_a_note_depends_on_its_own_noise_alone() -> None:
    model = make_model()
    noise = torch.randn(4, 100)
    together = model.generator(noise)
    alone = torch.cat([model.generator(noise[i : i + 1]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_samples_are_pieces_and_clipped_values_are_counted() -> None:
    model = make_model()
    with torch.no_grad():
        model.generator.fc.bias.copy_(torch.tensor([200.0, 1.0, 0.0]))
    pieces = model.sample(SampleRequest(n_pieces=2, length=7, seed=0))
    assert [len(p) for p in pieces] == [7, 7]
    assert set(pieces[0].pitch) == {127}
    assert model.n_clipped == 14
    again = model.sample(SampleRequest(n_pieces=2, length=7, seed=0))
    assert [p.notes() for p in again] == [p.notes() for p in pieces]
