from __future__ import annotations

import pytest
import torch

from gan_music.models.event_model import note_space
from gan_music.networks.features.feature_set import FeatureSet, SequenceFeatures
from gan_music.networks.features.lookback import N_SCORES, LookbackSequence
from gan_music.networks.layers.chained_heads import ChainedHeads
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

space = note_space(NoteEvents(24))


@pytest.mark.parametrize("category", [0, 1, 2])
@pytest.mark.parametrize("n_intervals", [0, 4])
def test_the_last_outputs_of_a_head_weigh_the_lookback(category: int, n_intervals: int) -> None:
    features = FeatureSet(space, n_intervals=n_intervals, lookback_span=9, active_notes_span=0)
    events = torch.zeros(1, 1, 5, dtype=torch.int64)
    known = features.sequence(events)
    scores = torch.zeros(1, 1, N_SCORES, space.sizes[category])
    scores[..., -2, 4], scores[..., -1, 6] = 1.0, 10.0
    lookback = LookbackSequence([scores] * 3, torch.zeros(1, 1, 0))
    known = SequenceFeatures(features, known.history, [known.values[0], lookback])
    outputs = torch.zeros(1, 1, sum(features.head_sizes[category]))
    outputs[..., -2:] = torch.tensor([3.0, 0.5])
    found = known.logits(category, outputs)[0, 0]
    assert {i: x for i, x in enumerate(found.tolist()) if x} == {4: 3.0, 6: 5.0}


def test_every_weight_has_a_gradient() -> None:
    torch.manual_seed(0)
    features = FeatureSet(space, n_intervals=4, lookback_span=0, active_notes_span=0)
    heads = ChainedHeads(features, hidden_size=8, embedding_size=4)
    events = torch.randint(0, 20, (2, 6, 5))
    events[..., -1] = meter_id(4, 4)
    for logits in heads(torch.randn(2, 6, 8), events, features.sequence(events)):
        logits.log_softmax(-1)[..., 0].sum().backward(retain_graph=True)
    for name, parameter in heads.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
