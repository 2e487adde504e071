"""A critic chooses, among ways to go on, those that sound most like real music."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_music.networks.lstm_decoder import LSTMDecoder
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.step_discriminator import StepDiscriminator

_HEARD = 192  # events of the past that the critic hears beside the new ones
_SURE = 6.0  # its logits are taken at this size at most
_MOST = 3.0  # as is what so many new events add to them


class ParticleFilter(NamedTuple):
    """How a rollout is steered: particles of each sequence, and who judges them.

    Sequential importance resampling (Gordon et al. 1993): every ``span`` events, the particles of a
    sequence are drawn anew, with replacement, each as often as the exponential of what its new
    events added to the critic's logit says, to within one (systematically, Kitagawa 1996: where the
    critic has no preference, none is lost). Where the logit is the logarithm of how much likelier
    real music is than the generator's to have begun so, this is how the generator's distribution
    becomes that of real music.

    Attributes
    ----------
    critic : judges sequences of ids by their steps.
    n_particles : sequences that are written for each one that is kept.
    span : events from one draw to the next.
    """

    critic: StepDiscriminator
    n_particles: int
    span: int

    @torch.no_grad()
    def write(
        self,
        generator: LSTMGenerator,
        rollout: LSTMDecoder,
        heard: Tensor,
        n_events: int,
        rng: torch.Generator,
        forbidden: Tensor | None = None,
    ) -> Tensor:
        """The next events of ``n`` sequences, ids ``[n, n_events, C + 2]``.

        The rollout is of ``n K``, the particles of a sequence in a row; each may have its own
        noise and beginning, so that these are chosen, too. ``heard`` are the events before,
        ``[n K, T, C + 2]``, which may be none; ``forbidden``, ``[V]``, is added to the first
        event's scores.
        """
        past, events = heard.shape[1], heard
        self.critic.eval()
        while (left := past + n_events - events.shape[1]) > 0:
            gumbel = generator.gumbel(len(events), min(self.span, left), rng)
            if forbidden is not None and events.shape[1] == past:
                gumbel[:, 0] += forbidden
            events = torch.cat([events, generator.write(rollout, gumbel)], 1)
            rows = self._drawn(self._evidence(events, rollout.z, gumbel.shape[1]), rng)
            events = events[rows]
            rollout.keep(rows)
        first = torch.arange(0, len(events), self.n_particles, device=events.device)
        one = torch.randint(
            self.n_particles, (len(first),), generator=rng, device=events.device
        )  # not the first: they stand in the order of those that they are copies of
        return events[first + one, past:]

    def _evidence(self, events: Tensor, z: Tensor, n_new: int) -> Tensor:
        """What the last ``n_new`` events add to the critic's logit, ``[n K]``; they were written to
        the noise ``[n K, Z]``.
        """
        events = events[:, -_HEARD - n_new :]
        scores = self.critic(events, self.critic.features(events, z)).clamp(-_SURE, _SURE)
        before = (
            scores[:, -1 - n_new] if scores.shape[1] > n_new else torch.zeros_like(scores[:, 0])
        )
        return (scores[:, -1] - before).clamp(-_MOST, _MOST)

    def _drawn(self, evidence: Tensor, rng: torch.Generator) -> Tensor:
        """Rows ``[n K]``, each drawn among the particles of its own sequence."""
        weights = evidence.view(-1, self.n_particles).softmax(1)
        n, k = weights.shape
        start = torch.rand(n, 1, generator=rng, device=weights.device)
        places = (start + torch.arange(k, device=weights.device)) / k
        rows = torch.searchsorted(weights.cumsum(1), places).clamp_max(k - 1)
        first = torch.arange(n, device=rows.device) * k
        return (rows + first[:, None]).flatten()
