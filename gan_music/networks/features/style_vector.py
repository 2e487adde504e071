"""The outline of a passage: what it is like as a whole, in a few numbers.

An LSTM that writes note after note finds its key, its register and its pace by chance, late, and
loses them again. Here they are drawn first, as the global noise of a sequence: the generator learns
with the outline of the passage it is shown, and writes to one that is drawn from a mixture fitted
to the outlines of the training windows, in which each piece counts the same.
"""

from __future__ import annotations

from typing import NamedTuple

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
# those before it mean the same of a passage of any length
_N_LOCAL = N_CLASSES + SCALARS.index("distinct_pitches")
_N_TRIED = 512  # draws among which the likest is chosen
N_EXPECTED = 4  # numbers that an outline says of each pitch

# what known outlines are blurred by, in their standard deviations: the generator must not count on
# them to the last digit, since drawn ones are not that exact
BLUR = 0.1
_RARE = 0.01  # added to shares, so that their logarithms are finite
_NARROW = 3.0  # semitones: the least deviation of a register


@torch.no_grad()
def style_vector(space: NoteSpace, events: Tensor) -> Tensor:
    """Ids ``[B, T, C + 2]`` -> ``[B, F]``: shares of the pitch classes (ids modulo 12), then
    ``SCALARS``.

    Pitches are in ids, offsets and durations in logarithms of steps, rates and ``distinct_*`` in
    shares of the notes (of the n-grams there would be). Padding does not count, nor does the first
    offset, which belongs to a note before. What a passage is too short for is 0.
    """
    here = space.present(events)
    pairs = here[:, 1:]  # of a note and the one before it
    ids = events.clamp_min(0)
    pitch, position = ids[..., _PITCH], ids[..., -2]
    classes = F.one_hot(pitch % N_CLASSES, N_CLASSES).float()
    shares = (classes * here[..., None]).sum(1) / here.sum(1, keepdim=True).clamp_min(1)
    height = pitch.float()
    offset = space.offset_bins[ids[..., _OFFSET]][:, 1:]
    duration = space.duration_bins[ids[..., _DURATION]]
    log_offset, log_duration = torch.log1p(offset.float()), torch.log(duration.float())
    interval = pitch.diff(dim=1)
    place = position % space.grid

    def on(part: int) -> Tensor:
        return _mean(place % max(1, space.grid // part) == 0, here)

    # one number for two neighbours, and for two such pairs
    n = 2 * space.sizes[_PITCH]
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
    """How outlines are distributed: a Gaussian mixture of ``K`` components in one key.

    Attributes
    ----------
    location, scale : what outlines are standardised by, ``[F]``; even over the pitch classes.
    weights, means, factors : of the components, of standardised outlines: ``[K]``, ``[K, F]``, and
        ``[K, F, F]``, lower triangles whose squares are the covariances.
    keys : how often each key is, ``[12]``: outlines of the mixture are in the first.
    """

    location: Tensor
    scale: Tensor
    weights: Tensor
    means: Tensor
    factors: Tensor
    keys: Tensor


class StylePrior(nn.Module):
    """Outlines as the global noise of sequences: ``z [B, F]``, in deviations from the mean.

    They are drawn from a Gaussian mixture of ``n_components``, which :meth:`follow` sets, and
    turned to a key that is drawn, too.
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

    def follow(self, mixture: StyleMixture) -> None:
        """Draw from this mixture from now on."""
        for name, value in mixture._asdict().items():
            getattr(self, name).copy_(value)

    def of(self, events: Tensor, *, blur: float) -> Tensor:
        """Those of known events ``[B, T, C + 2]``, with noise of the deviation ``blur``."""
        z = (style_vector(self.space, events) - self.location) / self.scale
        return z + blur * torch.randn_like(z) if blur else z

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """``z [n, F]``."""
        device = self.location.device
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        key = torch.multinomial(self.keys, n, replacement=True, generator=generator)
        noise = torch.randn(n, STYLE_SIZE, generator=generator, device=device)
        z = self.means[which] + (self.factors[which] @ noise[..., None])[..., 0]
        classes = torch.arange(N_CLASSES, device=device)
        turned = z[:, :N_CLASSES].gather(1, (classes - key[:, None]) % N_CLASSES)
        return torch.cat([turned, z[:, N_CLASSES:]], 1)

    def draw_like(self, events: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """``z [B, F]``: for each of the passages ``[B, T, C + 2]``, however short, the likest of
        many draws in key, register, pace and place in the beat.

        Its own outline would say of a short one that it never repeats itself.
        """
        drawn = self.draw(len(events) * _N_TRIED, generator).unflatten(0, (-1, _N_TRIED))
        known = self.of(events, blur=0.0)[:, None]
        away = ((drawn - known)[..., :_N_LOCAL] ** 2).sum(-1)  # [B, tried]
        best = away.argmin(1)[:, None, None].expand(-1, 1, STYLE_SIZE)
        return drawn.gather(1, best)[:, 0]

    def expected(self, z: Tensor) -> Tensor:
        """What outlines say of each pitch, ``[B, 4, P]``: logarithms of its class's share, and of
        its density in the register, a Gaussian, up to a constant; how far below the low pitches it
        lies, and above the high ones, in units of three semitones.
        """
        found = z * self.scale + self.location
        shares = found[:, :N_CLASSES].clamp_min(0)
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-3)
        pitch = torch.arange(self.space.sizes[_PITCH], device=z.device)
        mean, deviation, low, high = found[:, N_CLASSES : N_CLASSES + 4, None].unbind(1)
        away = (pitch - mean) / deviation.clamp_min(_NARROW)
        return torch.stack(
            [
                torch.log(shares + _RARE)[:, pitch % N_CLASSES],
                -0.5 * away**2,
                (low - pitch).clamp_min(0) / _NARROW,
                (pitch - high).clamp_min(0) / _NARROW,
            ],
            1,
        )


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Over the events of a mask ``[B, T]``; 0 where there is none."""
    return (x * mask).sum(1) / mask.sum(1).clamp_min(1).float()


def _deviation(x: Tensor, mask: Tensor) -> Tensor:
    return _mean((x - _mean(x, mask)[:, None]) ** 2, mask).sqrt()


def _quantile(x: Tensor, mask: Tensor, q: float) -> Tensor:
    return x.masked_fill(~mask, torch.nan).nanquantile(q, dim=1).nan_to_num()


def _distinct(ids: Tensor, mask: Tensor) -> Tensor:
    """Different ids (none negative) as a share of all."""
    if not ids.shape[1]:
        return torch.zeros(len(ids), device=ids.device)
    ordered = ids.masked_fill(~mask, -1).sort(1).values
    is_new = F.pad(ordered.diff(dim=1) != 0, (1, 0), value=True) & (ordered >= 0)
    return is_new.sum(1) / mask.sum(1).clamp_min(1).float()
