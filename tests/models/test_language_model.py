from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from gan_music.config.model_settings import LanguageModelConfig
from gan_music.config.targets import trusting_code
from gan_music.data.batch import Batch
from gan_music.decoding.request import SampleRequest
from gan_music.losses import likelihood
from gan_music.models.language_model import LanguageModel
from gan_music.networks.features.history import add_input_noise
from gan_music.networks.features.style_vector import N_CLASSES, style_vector
from gan_music.networks.note_space import NoteSpace
from gan_music.representations.note_events import NoteEvents
from gan_music.system.errors import UserError
from tests.models.training import as_batch, loader, make_trainer, random_events


def make_model(**changes: Any) -> LanguageModel:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "hidden_size": 8,
        "n_layers": 1,
        "embedding_size": 4,
        "dropout": 0.0,
        "input_noise": 0.3,
        "n_intervals": 2,
        "n_style_components": 0,
        "lookback_span": 5,
        "active_notes_span": 6,
        "recurrent_dropout": 0.0,
        "attention_span": 3,
        "lr": 0.01,
        "betas": [0.9, 0.99],
        "weight_decay": 0.1,
        "warmup_batches": 2,
        "clip_norm": 1.0,
        "ema_decay": 0.5,
    } | changes
    return LanguageModel(
        LanguageModelConfig(name="language_model", **settings), representation=NoteEvents(24)
    )


def no_generator(space: NoteSpace, *, noise_size: int) -> torch.nn.Module:
    return torch.nn.Identity()


def test_another_generator_is_named_by_its_settings(tmp_path: Path) -> None:
    target = "tests.decoding.test_sample.RowGenerator"
    with pytest.raises(UserError, match=f"model.generator._target_={target} is code from outside"):
        make_model(generator={"_target_": target})
    with trusting_code(), pytest.raises(UserError, match="no_generator makes no EventGenerator"):
        make_model(generator={"_target_": f"{__name__}.no_generator"})
    with trusting_code():
        model = make_model(generator={"_target_": target})
    before = model.generator.weight.item()
    make_trainer(tmp_path, 1).fit(model, loader(random_events(model, 8), 4))
    assert model.generator.weight.item() != before
    (piece,) = model.sample(SampleRequest(n_pieces=1, length=3, seed=0))
    assert [pitch for _, _, pitch in piece.notes()] == [61, 61, 61]


def test_training_equals_a_plain_loop(tmp_path: Path) -> None:
    model, plain = make_model(), make_model()
    data = random_events(model, 12)
    torch.manual_seed(2)
    make_trainer(tmp_path, 2).fit(model, loader(data, 4))

    torch.manual_seed(2)
    optimizer = plain.configure_optimizers()
    # the smaller of a warm-up over two batches and a cosine decay over six
    rates = [0.005, 0.0093301, 0.0075, 0.005, 0.0025, 0.00066987]
    for number, rate in enumerate(rates):
        batch = data[number % 3 * 4 : number % 3 * 4 + 4]
        for group in optimizer.param_groups:
            group["lr"] = rate
        z = torch.randn(4, 1)
        inputs = add_input_noise(plain.generator.space, batch, 0.3)
        nll = likelihood.negative_log_likelihood(
            plain.generator.logits(batch, z, inputs=inputs), batch
        )
        optimizer.zero_grad()
        nll.backward()
        torch.nn.utils.clip_grad_norm_(plain.generator.parameters(), 1.0)
        optimizer.step()
    for a, b in zip(model.generator.parameters(), plain.generator.parameters(), strict=True):
        # the steps are 0.01 in all; where a gradient is almost 0, Adam amplifies rounding errors
        assert torch.allclose(a, b, atol=3e-5)


def test_it_learns_what_repeats(tmp_path: Path) -> None:
    model = make_model(lr=0.03, weight_decay=0.0, input_noise=0.0)
    data = random_events(model, 4).repeat(20, 1, 1)
    make_trainer(tmp_path, 8).fit(model, loader(data, 8))
    nll = float(model.trainer.callback_metrics["train/nll"])
    uniform = sum(torch.tensor(model.representation.sizes).log()).item()  # type: ignore[union-attr]
    assert nll < 0.75 * uniform


@pytest.mark.parametrize("attention_span", [0, 3])
def test_samples(attention_span: int) -> None:
    model = make_model(attention_span=attention_span)
    state = torch.get_rng_state()
    a = model.sample(SampleRequest(n_pieces=3, length=12, seed=5, meter=(3, 4)))
    assert torch.equal(torch.get_rng_state(), state)
    b = model.sample(SampleRequest(n_pieces=3, length=12, seed=5, meter=(3, 4)))
    assert [p.notes() for p in a] == [p.notes() for p in b]
    assert [p.meters[:, 1:].tolist() for p in a] == [[[3, 4]]] * 3


class Windows(LightningDataModule):
    """What a model asks of the data module of a run."""

    def __init__(self, data: torch.Tensor) -> None:
        super().__init__()
        self.data = data

    has_padding = False

    def unaugmented_batches(self) -> Iterator[Batch]:
        pieces = torch.arange(len(self.data)).split(5)
        for x, piece in zip(self.data.split(5), pieces, strict=True):
            yield as_batch(x)._replace(piece=piece)

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(self.data, 5)


def test_the_style_prior_is_that_of_the_training_windows(tmp_path: Path) -> None:
    model = make_model(n_style_components=1)
    data = random_events(model, 40)
    data[..., 1] = 50 + data[..., 1] % 3
    make_trainer(tmp_path, 1).fit(model, datamodule=Windows(data))
    for generator in (model.generator, model.sampler):
        style_prior = generator.style_prior
        assert style_prior is not None
        found = style_prior.sample(2000) * style_prior.scale + style_prior.location
        of_data = style_vector(generator.space, data)
        register = slice(N_CLASSES, N_CLASSES + 2)
        assert torch.allclose(found.mean(0)[register], of_data.mean(0)[register], atol=0.02)
        assert torch.allclose(found.std(0)[register], of_data.std(0)[register], rtol=0.2)


def test_a_resumed_run_keeps_its_style_prior(tmp_path: Path) -> None:
    model = make_model(n_style_components=2)
    trainer = make_trainer(tmp_path, 1)
    trainer.fit(model, datamodule=Windows(random_events(model, 20)))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    resumed = make_model(n_style_components=2)
    other = Windows(random_events(model, 20) % 7)
    make_trainer(tmp_path, 2).fit(resumed, datamodule=other, ckpt_path=tmp_path / "model.ckpt")
    assert model.generator.style_prior is not None
    assert resumed.generator.style_prior is not None
    assert torch.equal(resumed.generator.style_prior.means, model.generator.style_prior.means)


def test_a_style_prior_needs_a_data_module(tmp_path: Path) -> None:
    model = make_model(n_style_components=2)
    with pytest.raises(ValueError, match="n_style_components above 0 needs a data module"):
        make_trainer(tmp_path, 1).fit(model, loader(random_events(model, 4), 4))
