"""Style vectors of training windows -> the Gaussian mixture that is their prior."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from gan_music.metrics.piece.tonality import key_fits
from gan_music.networks.features.style_vector import N_CLASSES, StyleMixture

# added to variances, as a share of those of all style vectors: a component has few of its own
_REGULARISATION = 0.005


def fit_style_prior(vectors: Tensor, pieces: Tensor, *, n_components: int) -> StyleMixture:
    """A Gaussian mixture of style vectors ``[N, F]``, each transposed to one key (the tonic of its
    best-fitting key profile).

    ``pieces [N]`` are the indices of the pieces that the windows are from. Each piece has the same
    weight, however long it is: a sample begins a piece, and is not a window from within. With fewer
    vectors than components, the weights of the last components are 0.
    """
    found = vectors.double().cpu().numpy()
    # over all windows, as training shows them
    location, scale = found.mean(0), np.maximum(found.std(0), 1e-3)
    # equal for all pitch classes, so that standardised vectors can be transposed
    location[:N_CLASSES] = location[:N_CLASSES].mean()
    scale[:N_CLASSES] = scale[:N_CLASSES].mean()
    rows = _balanced_rows(pieces.cpu().numpy())
    found = found[rows]
    data = (found - location) / scale
    key = best_keys(found[:, :N_CLASSES])
    transposed = (np.arange(N_CLASSES) + key[:, None]) % N_CLASSES
    data[:, :N_CLASSES] = np.take_along_axis(data[:, :N_CLASSES], transposed, 1)

    n = min(n_components, len(np.unique(rows)))
    model = GaussianMixture(n, reg_covar=_REGULARISATION, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rough fit is enough
        model.fit(np.repeat(data, 2, 0) if len(data) == 1 else data)
    counts = np.bincount(key, minlength=N_CLASSES) + 1.0  # add-one smoothing
    size = data.shape[1]
    weights = np.pad(model.weights_, (0, n_components - n))
    means, factors = np.zeros((n_components, size)), np.tile(np.eye(size), (n_components, 1, 1))
    means[:n], factors[:n] = model.means_, np.linalg.cholesky(model.covariances_)
    parts = (location, scale, weights, means, factors, counts / counts.sum())
    return StyleMixture(*(torch.from_numpy(x).float() for x in parts))


def _balanced_rows(pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row indices, about ``[N]``: equally many of each piece, evenly spaced; rows of short pieces
    repeat.
    """
    _, counts = np.unique(pieces, return_counts=True)
    rows, ends = np.argsort(pieces, kind="stable"), np.cumsum(counts)
    each = max(1, round(len(pieces) / len(counts)))
    places = np.linspace(ends - counts, ends - 1, each).round().astype(np.int64)
    return rows[places.T.ravel()]


def best_keys(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Shares of the pitch classes ``[N, 12]`` -> the tonic of the best-fitting major or minor key,
    ``[N]``.
    """
    return np.argmax(key_fits(shares), -1) % N_CLASSES
