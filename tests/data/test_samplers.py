"""The order of an epoch."""

from __future__ import annotations

from gan_music.data.samplers import WindowSampler


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list:
        sampler = WindowSampler(50, seed=seed, transpose=3)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 1) == order(0, 1)
    assert len({str(order(s, e)) for s in (0, 1) for e in (0, 1)}) == 4
    assert sorted(item.window for item in order(0, 0)) == list(range(50))
    assert {item.transposition for item in order(0, 0)} == {-3, -2, -1, 0, 1, 2, 3}
    assert {item.scale for item in WindowSampler(50, seed=0, n_scales=3)} == {0, 1, 2}
    assert {item.shift for item in WindowSampler(50, seed=0, jitter=2)} == {-2, -1, 0, 1, 2}
    assert {item.shift for item in order(0, 0)} == {0}
