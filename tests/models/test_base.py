"""The interface of all models, checked on each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from gan_music.config.model_settings import NeoSaleemConfig
from gan_music.decoding.primer import Primer
from gan_music.decoding.request import SampleRequest
from gan_music.models.base import MusicModel
from gan_music.models.neo_saleem_gan import NeoSaleemGAN
from gan_music.representations.note_triples import NoteTriples
from gan_music.system.errors import UserError
from tests.conftest import make_piece
from tests.models import test_crnn_gan, test_gumbel_gan, test_language_model, test_ngram


def neo_saleem() -> NeoSaleemGAN:
    settings = NeoSaleemConfig(
        name="neo_saleem",
        hidden_size=8,
        n_layers=1,
        noise_size=4,
        lr_g=0.001,
        lr_d=0.001,
        betas=[0.9, 0.999],
    )
    return NeoSaleemGAN(settings, representation=NoteTriples(24))


def ngram() -> MusicModel:
    return test_ngram.fitted(test_ngram.make_pieces(4))


@pytest.mark.parametrize(
    ("make", "has_temperature"),
    [
        (ngram, True),
        (test_language_model.make_model, True),
        (test_gumbel_gan.make_model, True),
        (test_crnn_gan.make_model, False),
        (neo_saleem, False),
    ],
)
def test_whether_temperature_changes_samples(
    make: Callable[[], MusicModel], has_temperature: bool
) -> None:
    model = make()
    cool, warm = (
        [p.notes() for p in model.sample(SampleRequest(2, 40, seed=0, temperature=t))]
        for t in (0.2, 3.0)
    )
    assert model.has_temperature == has_temperature
    assert (cool != warm) == has_temperature


def test_weights_are_counted_by_network() -> None:
    # an LSTM has four gates, each with weights of its input and of its state and two biases
    hidden = 4 * (8 * 8 + 8 + 8)
    generator = hidden + 4 * 8 * 4 + 3 * 8 + 3
    discriminator = hidden + 4 * 8 * 3 + 1 * 8 + 1
    assert neo_saleem().n_weights == {
        "generator": generator,
        "all_networks": generator + discriminator,
    }
    # EMA weights are not trained
    language_model = test_language_model.make_model().n_weights
    assert language_model["generator"] == language_model["all_networks"] > 0
    assert ngram().n_weights == {"generator": 0, "all_networks": 0}


@pytest.mark.parametrize("make", [neo_saleem, test_crnn_gan.make_model])
def test_conditions_that_a_model_does_not_take_are_refused(make: Callable[[], MusicModel]) -> None:
    request = SampleRequest(1, 2, seed=0)
    for key, condition in (
        ("meter", {"meter": (3, 4)}),
        ("continue_from", {"primer": Primer(make_piece(0))}),
        ("valence", {"labels": {"valence": 0.8}}),
    ):
        with pytest.raises(UserError, match=f"does not take {key}: leave {key} out"):
            make().sample(dataclasses.replace(request, **condition))
    with pytest.raises(UserError, match="does not take valence"):
        ngram().sample(dataclasses.replace(request, labels={"valence": 0.8}))
