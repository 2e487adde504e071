from __future__ import annotations

import pytest
import torch

from gan_music.networks.baselines.crnn import CRNNDiscriminator, CRNNGenerator


@pytest.fixture
def generator() -> CRNNGenerator:
    torch.manual_seed(0)
    return CRNNGenerator(noise_size=4, hidden_size=9, n_layers=2)


def test_the_generator_reads_its_own_last_tone(generator: CRNNGenerator) -> None:
    noise = generator.noise(3, 7)
    tones = generator(noise)
    assert tones.shape == (3, 7, 4)
    # teacher forcing with its own tones gives the same tones
    assert torch.allclose(generator.predict(tones, noise), tones, atol=1e-6)
    # a change of a tone changes the next steps
    changed = tones.clone()
    changed[:, 2] += 1
    moved = (generator.predict(changed, noise) - tones).abs().amax((0, 2)) > 1e-6
    assert moved.tolist() == [False, False, False, True, True, True, True]


def test_the_noise_is_uniform_in_0_to_1(generator: CRNNGenerator) -> None:
    noise = generator.noise(100, 100, torch.Generator().manual_seed(0))
    assert noise.shape == (100, 100, 4)
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.mean().item() == pytest.approx(0.5, abs=0.01)
    assert noise.std().item() == pytest.approx(12**-0.5, abs=0.01)


def test_the_discriminator_scores_every_step_with_both_directions() -> None:
    torch.manual_seed(0)
    discriminator = CRNNDiscriminator(hidden_size=6, n_layers=2)
    tones = torch.randn(2, 5, 4)
    scores, features = discriminator(tones)
    assert scores.shape == (2, 5)
    assert features.shape == (2, 5, 12)
    for step in (0, 4):
        changed = tones.clone()
        changed[:, step] += 1
        assert ((discriminator(changed)[0] - scores).abs() > 1e-7).all()
