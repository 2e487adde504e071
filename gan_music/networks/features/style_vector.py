"""The style vector of a passage: its key, register, pace and repetitiveness in a few statistics.

An LSTM that generates note after note settles on a key, a register and a pace by chance, late, and
loses them again. Here they are sampled first, as the global noise ``z`` of a sequence: in training
``z`` is the style vector of the window, in sampling it comes from a Gaussian mixture that is fitted
to the style vectors of the training windows, where each piece has the same weight.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.note_space import NoteSpace

_OFFSET, _PITCH, _DURATION = 0, 1, 2  # columns of an event

N_CLASSES = 12
# after the shares of the pitch classes
SCALARS = (
    "pitch_mean",
    "pitch_deviation",
    "pitch_low",
    "pitch_high",
    "offset_mean",
    "offset_deviation",
    "duration_mean",
    "duration_deviation",
    "chord_rate",
    "overlap_rate",
    "beat_rate",
    "half_beat_rate",
    "quarter_beat_rate",
    "triplet_rate",
    "repeated_pitch_rate",
    "step_rate",
    "interval_mean",
    "offset_change_rate",
    "distinct_pitches",
    "distinct_offsets",
    "distinct_pitch_2grams",
    "distinct_pitch_4grams",
    "distinct_interval_2grams",
    "distinct_rhythms",
)
STYLE_SIZE = N_CLASSES + len(SCALARS)  # F
# entries before the first of these do not depend on the length of the passage
_N_LOCAL = N_CLASSES + SCALARS.index("distinct_pitches")
_N_CANDIDATES = 512  # samples of which the nearest is taken
N_PITCH_PRIORS = 4  # scores of each pitch

# Standard deviation of the noise on known style vectors in training, in standard deviations of
# each entry: the generator must not rely on digits that sampled vectors do not have.
POSTERIOR_NOISE = 0.1
_EPSILON = 0.01  # added to shares, so that their logarithms are finite
_MIN_DEVIATION = 3.0  # semitones, of a register


@torch.no_grad()
def style_vector(space: NoteSpace, events: Tensor) -> Tensor:
    """Ids ``[B, T, C + 2]`` -> ``[B, F]``: shares of the pitch classes (ids modulo 12), then
    ``SCALARS``.

    Pitches are in ids, offsets and durations in logarithms of steps, rates and ``distinct_*`` in
    shares of the notes (of the possible n-grams). Padding does not count, nor does the first
    offset, which belongs to an earlier note. Entries are 0 where the passage is too short.
    """
    ids = events.clamp_min(0)
    here = space.present(events) & (ids[..., _PITCH] < space.n_pitches)
    pairs = here[:, 1:] & here[:, :-1]  # a note and the one before it
    pitch, position = ids[..., _PITCH].clamp_max(space.n_pitches - 1), ids[..., -2]
    classes = F.one_hot(pitch % N_CLASSES, N_CLASSES).float()
    shares = (classes * here[..., None]).sum(1) / here.sum(1, keepdim=True).clamp_min(1)
    height = pitch.float()
    offset = space.offset_bins[ids[..., _OFFSET]][:, 1:]
    duration = space.duration_bins[ids[..., _DURATION]]
    log_offset, log_duration = torch.log1p(offset.float()), torch.log(duration.clamp_min(1).float())
    interval = pitch.diff(dim=1)
    place = position % space.grid

    def on(part: int) -> Tensor:
        return _mean(place % max(1, space.grid // part) == 0, here)

    # one id for two neighbours, and for two such pairs
    n = 2 * space.n_pitches
    pitch_pairs = pitch[:, 1:] * n + pitch[:, :-1]
    fours = pitch_pairs[:, 2:] * n**2 + pitch_pairs[:, :-2]
    turns = (interval[:, 1:] + n) * 2 * n + interval[:, :-1] + n
    rhythm = (offset[:, 1:] * (1 << 20) + offset[:, :-1]) * 1024 + ids[:, 2:, _DURATION]
    scalars = [
        _mean(height, here),
        _deviation(height, here),
        _quantile(height, here, 0.02),
        _quantile(height, here, 0.98),
        _mean(log_offset, pairs),
        _deviation(log_offset, pairs),
        _mean(log_duration, here),
        _deviation(log_duration, here),
        _mean(offset == 0, pairs),
        _mean(duration[:, :-1] > offset, pairs),
        on(1),
        on(2),
        on(4),
        on(3) - on(1),
        _mean(interval == 0, pairs),
        _mean(interval.abs() <= 2, pairs),
        _mean(interval.abs(), pairs),
        _mean(offset.diff(dim=1) != 0, pairs[:, 1:]),
        _distinct(pitch, here),
        _distinct(offset, pairs),
        _distinct(pitch_pairs, pairs),
        _distinct(fours, pairs[:, 2:]),
        _distinct(turns, pairs[:, 1:]),
        _distinct(rhythm, pairs[:, 1:]),
    ]
    return torch.cat([shares, torch.stack(scalars, 1)], 1)


class StyleMixture(NamedTuple):
    """The prior of style vectors: a Gaussian mixture of ``K`` components, and a random key.

    Attributes
    ----------
    location, scale : mean and standard deviation that standardise style vectors, ``[F]``; equal for
        all pitch classes.
    weights, means, factors : of the components, over standardised vectors: ``[K]``, ``[K, F]``, and
        lower Cholesky factors of the covariances, ``[K, F, F]``.
    keys : probability of each key, ``[12]``; the components are in the first.
    """

    location: Tensor
    scale: Tensor
    weights: Tensor
    means: Tensor
    factors: Tensor
    keys: Tensor


class StylePrior(nn.Module):
    """Standardised style vectors as global noise, ``z [B, F]``: a vector from a mixture of
    ``n_components`` (:meth:`set_mixture`), transposed to a random key.
    """

    location: Tensor
    scale: Tensor
    weights: Tensor
    means: Tensor
    factors: Tensor
    keys: Tensor

    def __init__(self, space: NoteSpace, *, n_components: int) -> None:
        super().__init__()
        self.space = space
        standard = StyleMixture(
            location=torch.zeros(STYLE_SIZE),
            scale=torch.ones(STYLE_SIZE),
            weights=torch.full((n_components,), 1 / n_components),
            means=torch.zeros(n_components, STYLE_SIZE),
            factors=torch.eye(STYLE_SIZE).repeat(n_components, 1, 1),
            keys=torch.full((N_CLASSES,), 1 / N_CLASSES),
        )
        for name, value in standard._asdict().items():
            self.register_buffer(name, value)

    def set_mixture(self, mixture: StyleMixture) -> None:
        """Sample from this mixture from now on."""
        for name, value in mixture._asdict().items():
            getattr(self, name).copy_(value)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        for name, p in (("weights", self.weights), ("keys", self.keys)):
            if not (p >= 0).all() or not 0.5 < float(p.sum()) < 2:
                raise ValueError(f"{prefix}{name} are no probabilities")

    def encode(self, events: Tensor, *, noise: float) -> Tensor:
        """``z`` of known events ``[B, T, C + 2]``, plus Gaussian noise of this deviation."""
        z = (style_vector(self.space, events) - self.location) / self.scale
        return z + noise * torch.randn_like(z) if noise else z

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """``z [n, F]``."""
        device = self.location.device
        component = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        key = torch.multinomial(self.keys, n, replacement=True, generator=rng)
        noise = torch.randn(n, STYLE_SIZE, generator=rng, device=device)
        z = self.means[component] + (self.factors[component] @ noise[..., None])[..., 0]
        classes = torch.arange(N_CLASSES, device=device)
        transposed = z[:, :N_CLASSES].gather(1, (classes - key[:, None]) % N_CLASSES)
        return torch.cat([transposed, z[:, N_CLASSES:]], 1)

    def sample_like(self, events: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """``z [B, F]`` for continuations of passages ``[B, T, C + 2]``: of many samples for each,
        the nearest in key, register, pace and metrical position.

        The style vector of a short passage itself would say that it never repeats anything.
        """
        samples = self.sample(len(events) * _N_CANDIDATES, rng).unflatten(0, (-1, _N_CANDIDATES))
        known = self.encode(events, noise=0.0)[:, None]
        distance = ((samples - known)[..., :_N_LOCAL] ** 2).sum(-1)  # [B, candidates]
        best = distance.argmin(1)[:, None, None].expand(-1, 1, STYLE_SIZE)
        return samples.gather(1, best)[:, 0]

    def pitch_prior(self, z: Tensor) -> Tensor:
        """Scores of each pitch, ``[B, N_PITCH_PRIORS, P]``: the log share of its class; the log
        density of a Gaussian register, up to a constant; how far it lies below the low quantile,
        and above the high one, in units of three semitones.
        """
        found = z * self.scale + self.location
        shares = found[:, :N_CLASSES].clamp_min(0)
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-3)
        pitch = torch.arange(self.space.n_pitches, device=z.device)
        mean, deviation, low, high = found[:, N_CLASSES : N_CLASSES + 4, None].unbind(1)
        standardised = (pitch - mean) / deviation.clamp_min(_MIN_DEVIATION)
        return torch.stack(
            [
                torch.log(shares + _EPSILON)[:, pitch % N_CLASSES],
                -0.5 * standardised**2,
                (low - pitch).clamp_min(0) / _MIN_DEVIATION,
                (pitch - high).clamp_min(0) / _MIN_DEVIATION,
            ],
            1,
        )


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the events of a mask ``[B, T]``; 0 where it is empty."""
    return (x * mask).sum(1) / mask.sum(1).clamp_min(1).float()


def _deviation(x: Tensor, mask: Tensor) -> Tensor:
    return _mean((x - _mean(x, mask)[:, None]) ** 2, mask).sqrt()


def _quantile(x: Tensor, mask: Tensor, q: float) -> Tensor:
    return x.masked_fill(~mask, torch.nan).nanquantile(q, dim=1).nan_to_num()


def _distinct(ids: Tensor, mask: Tensor) -> Tensor:
    """Distinct ids (none negative) as a share of all."""
    if not ids.shape[1]:
        return torch.zeros(len(ids), device=ids.device)
    ordered = ids.masked_fill(~mask, -1).sort(1).values
    is_new = F.pad(ordered.diff(dim=1) != 0, (1, 0), value=True) & (ordered >= 0)
    return is_new.sum(1) / mask.sum(1).clamp_min(1).float()
