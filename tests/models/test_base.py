"""What all models share, held against each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gan_music.config.model_settings import NeoSaleemConfig
from gan_music.models.base import MusicModel
from gan_music.models.neo_saleem_gan import NeoSaleemGAN
from gan_music.representations.note_triples import NoteTriples
from tests.models import test_crnn_gan, test_gumbel_gan, test_language_model, test_ngram


def paper() -> NeoSaleemGAN:
    settings = NeoSaleemConfig(
        name="neo_saleem",
        hidden_size=8,
        n_layers=1,
        noise_size=4,
        lr_g=0.001,
        lr_d=0.001,
        betas=[0.9, 0.999],
    )
    return NeoSaleemGAN(settings, codec_state=NoteTriples(24).state())


def markov() -> MusicModel:
    return test_ngram.fitted(test_ngram.make_pieces(4))


@pytest.mark.parametrize(
    ("make", "has_temperature"),
    [
        (markov, True),
        (test_language_model.make_model, True),
        (test_gumbel_gan.make_model, True),
        (test_crnn_gan.make_model, False),
        (paper, False),
    ],
)
def test_whether_temperature_changes_samples(
    make: Callable[[], MusicModel], has_temperature: bool
) -> None:
    model = make()
    cool, warm = (
        [p.notes() for p in model.sample(n_pieces=2, n_notes=40, seed=0, temperature=t)]
        for t in (0.2, 3.0)
    )
    assert model.has_temperature == has_temperature
    assert (cool != warm) == has_temperature


def test_weights_are_counted_by_player() -> None:
    # an LSTM has four gates, each with weights of its input and of its state and two biases
    hidden = 4 * (8 * 8 + 8 + 8)
    generator = hidden + 4 * 8 * 4 + 3 * 8 + 3
    discriminator = hidden + 4 * 8 * 3 + 1 * 8 + 1
    assert paper().n_weights == {
        "generator": generator,
        "all_networks": generator + discriminator,
    }
    # averaged weights are not trained: a model of one player has those of its generator
    likelihood = test_language_model.make_model().n_weights
    assert likelihood["generator"] == likelihood["all_networks"] > 0
    assert markov().n_weights == {"generator": 0, "all_networks": 0}
