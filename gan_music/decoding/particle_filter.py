"""A critic steers sampling: of several continuations it keeps those that sound most real."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gan_music.decoding.event_decoding import EventDecoding
from gan_music.networks.event_generator import Decoder, EventGenerator
from gan_music.networks.step_discriminator import StepDiscriminator, hold

_CONTEXT = 192  # past events that the critic reads before the new ones
_MAX_LOGIT = 6.0  # logits are clamped to this size
_MAX_WEIGHT = 3.0  # and so are the log weights of a resampling


class ParticleFilter(NamedTuple):
    """Sequential importance resampling (Gordon et al. 1993) by a critic's logits.

    Every ``resample_every`` events, the particles of a sequence are resampled in proportion to the
    exponential of the rise of the critic's logit over the new events, systematically (Kitagawa
    1996): where the critic has no preference, no particle is lost. If the logit is the log ratio of
    the real density to the generator's, this samples the real distribution.

    Attributes
    ----------
    critic : scores every event of a sequence.
    n_particles : sequences that are generated for each one that is returned.
    resample_every : events between two resamplings.
    """

    critic: StepDiscriminator
    n_particles: int
    resample_every: int

    @torch.no_grad()
    def generate(
        self,
        generator: EventGenerator,
        decoder: Decoder,
        observed: Tensor,
        n_events: int,
        rng: torch.Generator,
        forbidden: Tensor | None = None,
        *,
        decoding: EventDecoding,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Tensor:
        """The next events of ``n`` sequences, ids ``[n, n_events, C + 2]``.

        The decoder is of ``n K`` sequences, where the ``K`` particles of a sequence are
        neighbours; each may have its own noise and beginning, which are resampled with it.
        ``observed`` are the events so far, ``[n K, T, C + 2]``, perhaps none. ``forbidden [V]`` is
        added to the first event's scores. ``advance`` is called with how many more are done.
        """
        n_observed, events = observed.shape[1], observed
        self.critic.eval()
        while (left := n_observed + n_events - events.shape[1]) > 0:
            gumbel = generator.gumbel(len(events), min(self.resample_every, left), rng)
            if forbidden is not None and events.shape[1] == n_observed:
                gumbel[:, 0] += forbidden
            events = torch.cat([events, decoding.generate(generator, decoder, gumbel)], 1)
            ended = decoder.space.ended(events)
            rows = self._resample(self._log_weights(events, decoder.z, gumbel.shape[1], ended), rng)
            events = events[rows]
            decoder.reorder(rows)
            advance(gumbel.shape[0] // self.n_particles * gumbel.shape[1])
            if decoder.space.has_end and bool((events[..., 1] == decoder.space.end).any(1).all()):
                advance(gumbel.shape[0] // self.n_particles * (left - gumbel.shape[1]))
                break
        first = torch.arange(0, len(events), self.n_particles, device=events.device)
        # a random particle, since resampled ones are sorted
        chosen = torch.randint(self.n_particles, (len(first),), generator=rng, device=events.device)
        return events[first + chosen, n_observed:]

    def _log_weights(self, events: Tensor, z: Tensor, n_new: int, ended: Tensor) -> Tensor:
        """The rise of the critic's logit over the last ``n_new`` events, ``[n K]``, which were
        generated with the noise ``[n K, Z]``; those that follow an end (``ended [n K, T]``) do not
        count.
        """
        events = events[:, -_CONTEXT - n_new :]
        scores = self.critic(events, self.critic.features(events, z))
        scores = hold(scores, ~ended[:, -_CONTEXT - n_new :]).clamp(-_MAX_LOGIT, _MAX_LOGIT)
        before = (
            scores[:, -1 - n_new] if scores.shape[1] > n_new else torch.zeros_like(scores[:, 0])
        )
        return (scores[:, -1] - before).clamp(-_MAX_WEIGHT, _MAX_WEIGHT)

    def _resample(self, log_weights: Tensor, rng: torch.Generator) -> Tensor:
        """Rows ``[n K]``, each among the particles of its own sequence."""
        weights = log_weights.view(-1, self.n_particles).softmax(1)
        n, k = weights.shape
        start = torch.rand(n, 1, generator=rng, device=weights.device)
        places = (start + torch.arange(k, device=weights.device)) / k
        rows = torch.searchsorted(weights.cumsum(1), places).clamp_max(k - 1)
        first = torch.arange(n, device=rows.device) * k
        return (rows + first[:, None]).flatten()
