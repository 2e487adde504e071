"""Outlines of training windows -> the mixture that new ones are drawn from."""

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

# added to variances, in variances of all outlines: a component has few of its own
_SMOOTHING = 0.005


def fit_style_prior(style_prior: Tensor, pieces: Tensor, *, n_components: int) -> StyleMixture:
    """The mixture of outlines ``[N, F]``, turned to one key each by its best-fitting profile.

    ``pieces [N]`` are the numbers of the pieces that they are of. Each piece counts the same,
    however long it is: what is drawn begins a piece, not a window somewhere.

    With fewer outlines than components, the last ones weigh nothing.
    """
    found = style_prior.double().cpu().numpy()
    # of all windows, as training shows them
    location, scale = found.mean(0), np.maximum(found.std(0), 1e-3)
    # even over the pitch classes: what is standardised can be transposed
    location[:N_CLASSES] = location[:N_CLASSES].mean()
    scale[:N_CLASSES] = scale[:N_CLASSES].mean()
    chosen = _as_many_of_each(pieces.cpu().numpy())
    found = found[chosen]
    data = (found - location) / scale
    key = best_keys(found[:, :N_CLASSES])
    turned = (np.arange(N_CLASSES) + key[:, None]) % N_CLASSES
    data[:, :N_CLASSES] = np.take_along_axis(data[:, :N_CLASSES], turned, 1)

    n = min(n_components, len(np.unique(chosen)))
    model = GaussianMixture(n, reg_covar=_SMOOTHING, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rough fit is enough
        model.fit(np.repeat(data, 2, 0) if len(data) == 1 else data)
    counts = np.bincount(key, minlength=N_CLASSES) + 1.0  # no key is impossible
    size = data.shape[1]
    means, factors = np.zeros((n_components, size)), np.tile(np.eye(size), (n_components, 1, 1))
    means[:n], factors[:n] = model.means_, np.linalg.cholesky(model.covariances_)
    return StyleMixture(
        *(
            torch.from_numpy(x).float()
            for x in (
                location,
                scale,
                np.pad(model.weights_, (0, n_components - n)),
                means,
                factors,
                counts / counts.sum(),
            )
        )
    )


def _as_many_of_each(pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows ``[M]``, about as many as there are, evenly spread over each piece: of a short one some
    come more than once.
    """
    _, counts = np.unique(pieces, return_counts=True)
    rows, ends = np.argsort(pieces, kind="stable"), np.cumsum(counts)
    each = max(1, round(len(pieces) / len(counts)))
    places = np.linspace(ends - counts, ends - 1, each).round().astype(np.int64)
    return rows[places.T.ravel()]


def best_keys(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Shares of the pitch classes ``[N, 12]`` -> the tonic, of a major or a minor key, that they
    fit best, ``[N]``.
    """
    return np.argmax(key_fits(shares), -1) % N_CLASSES
