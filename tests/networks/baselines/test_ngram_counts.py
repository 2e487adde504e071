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
def chain() -> NGramCounts:
    chain = NGramCounts(note_space(codec))
    chain.count(windows(*map(make_piece, range(8))))
    return chain


def test_nothing_counted_is_uniform() -> None:
    chain = NGramCounts(note_space(codec))
    nll = chain.negative_log_likelihood(windows(make_piece(0)))
    assert nll.item() == pytest.approx(sum(map(math.log, codec.sizes)), rel=1e-5)


@pytest.mark.parametrize("velocity", [False, True])
def test_the_likelihood_of_a_draw_is_what_it_was_drawn_with(
    velocity: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two ways of asking agree: all events of a window at once, and one after another."""
    codec = NoteEvents(24, velocity=velocity)
    chain = NGramCounts(note_space(codec))
    events = torch.stack([torch.from_numpy(codec.encode(make_piece(i)))[:32] for i in range(6)])
    events[:, 0, 0] = torch.from_numpy(codec.first_offsets(events[:, 0].numpy()))
    chain.count(events)
    draw, drawn = torch.multinomial, []

    def watched(p: Tensor, n: int, generator: torch.Generator) -> Tensor:
        chosen = draw(p, n, generator=generator)
        drawn.append(p.gather(1, chosen)[:, 0].log())
        return chosen

    monkeypatch.setattr(torch, "multinomial", watched)
    starts = (torch.tensor([0, 24, 48]), torch.tensor([3, 3, 3]))
    drawn_events = chain.rollout(starts, 20, torch.Generator().manual_seed(0))
    n = len(codec.sizes)
    expected = -torch.stack(drawn).view(20, n, 3).sum(1).mean()
    assert chain.negative_log_likelihood(drawn_events).item() == pytest.approx(
        expected.item(), abs=1e-5
    )


def test_padding_does_not_count(chain: NGramCounts) -> None:
    whole = windows(make_piece(20), length=20)
    padded = torch.cat([whole, torch.full((1, 9, 5), -1)], 1)
    nll = chain.negative_log_likelihood(whole)
    assert chain.negative_log_likelihood(padded).item() == pytest.approx(nll.item())
    # the same mean as the networks' likelihood takes
    logits = [torch.zeros(1, 29, n) for n in codec.sizes]
    uniform = NGramCounts(note_space(codec)).negative_log_likelihood(padded)
    assert likelihood.negative_log_likelihood(logits, padded).item() == pytest.approx(
        uniform.item()
    )


def test_what_was_counted_is_likelier_than_what_was_not(chain: NGramCounts) -> None:
    seen = chain.negative_log_likelihood(windows(make_piece(0)))
    alike = chain.negative_log_likelihood(windows(make_piece(20)))
    noise = windows(make_piece(20))
    noise[..., 1] = torch.randint(0, 88, noise.shape[:2], generator=torch.Generator())
    other = chain.negative_log_likelihood(noise)
    assert seen < alike < other


def test_a_tune_whose_last_two_notes_say_what_follows_comes_back() -> None:
    pitches = [60, 64, 62, 64, 65, 64] * 40  # what follows 64 depends on the note before
    tune = Piece.from_arrays(range(0, 24 * 240, 24), [24] * 240, pitches, grid=24)
    chain = NGramCounts(note_space(codec))
    chain.count(windows(tune, length=240))
    starts = (torch.tensor([0]), torch.tensor([3]))
    # cold, so that only what is likeliest is drawn
    events = chain.rollout(starts, 60, torch.Generator().manual_seed(1), temperature=0.05)
    piece = codec.decode(events[0].numpy()).piece
    found = "".join(chr(p) for p in piece.pitch)
    assert found in "".join(map(chr, pitches))
    assert set(piece.duration.tolist()) == {24}
    assert (piece.onset[1:] - piece.onset[:-1] == 24).all()


def test_pitches_move_as_they_did_in_another_key() -> None:
    """A leap that was only seen a tone higher is expected here too."""
    high = windows(Piece.from_arrays(range(0, 768, 24), [24] * 32, [72, 79] * 16, grid=24))
    low = windows(Piece.from_arrays(range(0, 768, 24), [24] * 32, [70, 77] * 16, grid=24))
    odd = windows(Piece.from_arrays(range(0, 768, 24), [24] * 32, [70, 76] * 16, grid=24))
    chain = NGramCounts(note_space(codec))
    chain.count(high)
    assert chain.negative_log_likelihood(low) < chain.negative_log_likelihood(odd) - 1


def test_positions_follow_from_the_offsets(chain: NGramCounts) -> None:
    starts = (torch.tensor([0, 12]), torch.tensor([2, 3]))  # bars of three and four crotchets
    events = chain.rollout(starts, 30, torch.Generator().manual_seed(0))
    bars = torch.from_numpy(codec.bars)[starts[1]]
    onset = torch.from_numpy(codec.offset_bins)[events[..., 0]].cumsum(1) + starts[0][:, None]
    assert torch.equal(events[..., 3], onset % bars[:, None])
    assert torch.equal(events[..., 4], starts[1][:, None].expand(2, 30))
