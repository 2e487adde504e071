"""Where windows lie."""

from __future__ import annotations

import numpy as np
import torch

from gan_music.representations.windows import Windows, WindowSpec

SIZES = np.array([7, 2, 4])
BEGINS = np.array([0, 7, 9])


def rows(windows: Windows, shift: int = 0) -> tuple[list[list[int]], list[list[bool]]]:
    every = torch.arange(windows.n_windows)
    where, mask, _ = windows.rows(every, torch.full_like(every, shift))
    return where.tolist(), mask.tolist()


def test_every_stride_and_the_end_of_each_piece() -> None:
    windows = Windows(BEGINS, SIZES, WindowSpec(4, 2))
    assert rows(windows)[0] == [[0, 1, 2, 3], [2, 3, 4, 5], [3, 4, 5, 6], [9, 10, 11, 12]]
    assert windows.rows(torch.arange(4), torch.zeros(4))[2].tolist() == [0, 0, 0, 2]
    assert (windows.n_short, windows.has_padding) == (1, False)


def test_a_short_piece_is_padded() -> None:
    windows = Windows(BEGINS, SIZES, WindowSpec(4, 4, pad_short=True))
    where, mask = rows(windows)
    assert where == [[0, 1, 2, 3], [3, 4, 5, 6], [7, 8, 8, 8], [9, 10, 11, 12]]
    assert mask == [[True] * 4, [True] * 4, [True, True, False, False], [True] * 4]
    assert windows.has_padding


def test_if_all_pieces_are_short_the_longest_is_not_padded() -> None:
    windows = Windows(BEGINS, SIZES, WindowSpec(65536, 100, pad_short=True))
    where, mask = rows(windows)
    assert where == [[0, 1, 2, 3, 4, 5, 6], [7, *[8] * 6], [9, 10, 11, *[12] * 4]]
    assert mask == [[True] * 7, [True] * 2 + [False] * 5, [True] * 4 + [False] * 3]
    assert (windows.spec.length, windows.n_short) == (7, 2)
    assert rows(windows, shift=50) == (where, mask)
    alike = Windows(BEGINS[:1], SIZES[:1], WindowSpec(8, 4, pad_short=True))
    assert not alike.has_padding
    assert Windows(BEGINS, SIZES, WindowSpec(65536, 100)).n_windows == 0
    assert Windows(BEGINS[:0], SIZES[:0], WindowSpec(8, 4, pad_short=True)).n_windows == 0


def test_a_shift_stays_within_the_piece() -> None:
    windows = Windows(BEGINS, SIZES, WindowSpec(4, 4, pad_short=True))
    expected = {
        1: [[1, 2, 3, 4], [3, 4, 5, 6], [7, 8, 8, 8], [9, 10, 11, 12]],
        -2: [[0, 1, 2, 3], [1, 2, 3, 4], [7, 8, 8, 8], [9, 10, 11, 12]],
    }
    for shift, where in expected.items():
        assert rows(windows, shift)[0] == where


def test_single_rows_have_no_time_axis() -> None:
    windows = Windows(BEGINS, SIZES, WindowSpec(1, 1), single=True)
    found = windows.rows(torch.tensor([12, 0, 8]), torch.zeros(3, dtype=torch.int64))
    assert [x.tolist() for x in found] == [[12, 0, 8], [True, True, True], [2, 0, 1]]
