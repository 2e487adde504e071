from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_music.models.style_prior import best_keys, fit_style_prior
from gan_music.networks.features.style_vector import N_CLASSES, STYLE_SIZE

C_MAJOR = np.array([6, 0, 3, 0, 4, 3, 0, 5, 0, 3, 0, 2]) / 26
A_MINOR = np.array([5, 0, 3, 0, 5, 2, 0, 1, 2, 6, 0, 2]) / 26


def passages(n: int, seed: int = 0) -> torch.Tensor:
    """Outlines of two kinds, in all keys: major and high, minor and low."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        shares = np.roll((C_MAJOR, np.roll(A_MINOR, 3))[i % 2], i % 12)
        scalars = rng.normal(0, 0.1, STYLE_SIZE - N_CLASSES)
        scalars[0] += 50 - 20 * (i % 2)
        rows.append(np.concatenate([shares, scalars]))
    return torch.from_numpy(np.stack(rows))


def test_the_key_of_a_scale_with_its_tonic() -> None:
    turned = [np.roll(C_MAJOR, k) for k in range(12)] + [np.roll(A_MINOR, k) for k in range(12)]
    keys = best_keys(np.stack(turned))
    assert keys.tolist() == [*range(12), *((9 + k) % 12 for k in range(12))]


def test_a_mixture_finds_the_kinds_whatever_their_key() -> None:
    mixture = fit_style_prior(passages(240), torch.arange(240), n_components=2)
    assert mixture.weights.tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    means = mixture.means * mixture.scale + mixture.location
    high, low = sorted(means.tolist(), key=lambda m: -m[N_CLASSES])
    assert high[N_CLASSES] == pytest.approx(50, abs=0.5)
    assert low[N_CLASSES] == pytest.approx(30, abs=0.5)
    assert high[:N_CLASSES] == pytest.approx(C_MAJOR.tolist(), abs=0.01)
    assert low[:N_CLASSES] == pytest.approx(np.roll(A_MINOR, 3).tolist(), abs=0.01)
    assert mixture.keys.sum().item() == pytest.approx(1.0)
    assert mixture.keys.min() > 0.05


def test_a_long_piece_counts_as_much_as_a_short_one() -> None:
    # all of the high kind are one piece, and of the low kind one each
    pieces = torch.arange(240) * (torch.arange(240) % 2)
    mixture = fit_style_prior(passages(240), pieces, n_components=2)
    mean = mixture.weights @ mixture.means * mixture.scale + mixture.location
    assert mean[N_CLASSES].item() == pytest.approx((50 + 120 * 30) / 121, abs=0.05)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_outlines_than_components(n: int) -> None:
    mixture = fit_style_prior(passages(n), torch.arange(n), n_components=8)
    assert mixture.means.shape == (8, STYLE_SIZE)
    assert mixture.weights[n:].sum() == 0
    assert all(x.isfinite().all() for x in mixture)
