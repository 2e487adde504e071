from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_music.losses import likelihood
from gan_music.models.event_model import note_space
from gan_music.music.piece import Piece
from gan_music.networks.baselines.ngram_counts import NGramCounts
from gan_music.representations.note_events import NoteEvents
from tests.conftest import make_piece

codec = NoteEvents(24)


def windows(*pieces: Piece, length: int = 32) -> Tensor:
    ids = [torch.from_numpy(codec.encode(p))[:length] for p in pieces]
    for window in ids:
        window[0, 0] = int(codec.first_offsets(window[:1].numpy())[0])
    return torch.stack(ids)


@pytest.fixture
def model() -> NGramCounts:
    model = NGramCounts(note_space(codec))
    model.count(windows(*map(make_piece, range(8))))
    return model


def test_without_counts_it_is_uniform() -> None:
    model = NGramCounts(note_space(codec))
    nll = model.negative_log_likelihood(windows(make_piece(0)))
    assert nll.item() == pytest.approx(sum(map(math.log, codec.sizes)), rel=1e-5)


@pytest.mark.parametrize("velocity", [False, True])
def test_the_likelihood_of_a_sample_is_that_of_its_draws(
    velocity: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole windows and single steps agree."""
    codec = NoteEvents(24, velocity=velocity)
    model = NGramCounts(note_space(codec))
    events = torch.stack([torch.from_numpy(codec.encode(make_piece(i)))[:32] for i in range(6)])
    events[:, 0, 0] = torch.from_numpy(codec.first_offsets(events[:, 0].numpy()))
    model.count(events)
    draw, drawn = torch.multinomial, []

    def watched(p: Tensor, n: int, generator: torch.Generator) -> Tensor:
        chosen = draw(p, n, generator=generator)
        drawn.append(p.gather(1, chosen)[:, 0].log())
        return chosen

    monkeypatch.setattr(torch, "multinomial", watched)
    starts = model.space.beginning(torch.tensor([0, 24, 48]), torch.tensor([3, 3, 3]))
    drawn_events = model.rollout(starts, 20, torch.Generator().manual_seed(0))
    n = len(codec.sizes)
    expected = -torch.stack(drawn).view(20, n, 3).sum(1).mean()
    assert model.negative_log_likelihood(drawn_events).item() == pytest.approx(
        expected.item(), abs=1e-5
    )


def test_padding_does_not_count(model: NGramCounts) -> None:
    whole = windows(make_piece(20), length=20)
    padded = torch.cat([whole, torch.full((1, 9, 5), -1)], 1)
    nll = model.negative_log_likelihood(whole)
    assert model.negative_log_likelihood(padded).item() == pytest.approx(nll.item())
    # the same mean as that of the networks' likelihood
    logits = [torch.zeros(1, 29, n) for n in codec.sizes]
    uniform = NGramCounts(note_space(codec)).negative_log_likelihood(padded)
    assert likelihood.negative_log_likelihood(logits, padded).item() == pytest.approx(
        uniform.item()
    )


def test_counted_music_is_likelier_than_other_music(model: NGramCounts) -> None:
    seen = model.negative_log_likelihood(windows(make_piece(0)))
    alike = model.negative_log_likelihood(windows(make_piece(20)))
    noise = windows(make_piece(20))
    noise[..., 1] = torch.randint(0, 88, noise.shape[:2], generator=torch.Generator())
    other = model.negative_log_likelihood(noise)
    assert seen < alike < other


def test_a_tune_that_its_last_two_notes_determine_is_reproduced() -> None:
    pitches = [60, 64, 62, 64, 65, 64] * 40  # the note after 64 depends on the note before
    tune = Piece.from_arrays(range(0, 24 * 240, 24), [24] * 240, pitches, grid=24)
    model = NGramCounts(note_space(codec))
    model.count(windows(tune, length=240))
    starts = model.space.beginning(torch.tensor([0]), torch.tensor([3]))
    # at a low temperature only the likeliest event is sampled
    events = model.rollout(starts, 60, torch.Generator().manual_seed(1), temperature=0.05)
    piece = codec.decode(events[0].numpy()).piece
    found = "".join(chr(p) for p in piece.pitch)
    assert found in "".join(map(chr, pitches))
    assert set(piece.duration.tolist()) == {24}
    assert (piece.onset[1:] - piece.onset[:-1] == 24).all()


def test_intervals_are_counted_across_keys() -> None:
    """A leap that was counted a tone higher is likely here, too."""
    high = windows(Piece.from_arrays(range(0, 768, 24), [24] * 32, [72, 79] * 16, grid=24))
    low = windows(Piece.from_arrays(range(0, 768, 24), [24] * 32, [70, 77] * 16, grid=24))
    odd = windows(Piece.from_arrays(range(0, 768, 24), [24] * 32, [70, 76] * 16, grid=24))
    model = NGramCounts(note_space(codec))
    model.count(high)
    assert model.negative_log_likelihood(low) < model.negative_log_likelihood(odd) - 1


def test_positions_follow_from_the_offsets(model: NGramCounts) -> None:
    starts = model.space.beginning(
        torch.tensor([0, 12]), torch.tensor([2, 3])
    )  # bars of three and four quarter notes
    events = model.rollout(starts, 30, torch.Generator().manual_seed(0))
    bars = torch.from_numpy(codec.bars)[starts.meter]
    onset = torch.from_numpy(codec.offset_bins)[events[..., 0]].cumsum(1) + starts.position[:, None]
    assert torch.equal(events[..., 3], onset % bars[:, None])
    assert torch.equal(events[..., 4], starts.meter[:, None].expand(2, 30))
