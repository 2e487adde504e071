from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_music.runs.provenance import environment, warn_of_differences, write_environment
from tests.conftest import make_piece


def test_other_data_and_versions_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = [make_piece(seed) for seed in range(3)]
    made = environment(pieces)
    write_environment(made, tmp_path)
    warn_of_differences(environment([make_piece(seed) for seed in range(3)]), tmp_path)
    assert not caplog.messages
    warn_of_differences(environment(pieces[1:]), tmp_path)
    assert f"the data are not those of {tmp_path}: it had 3 pieces with 360 notes" in caplog.text
    caplog.clear()
    # one note differs, their number does not
    warn_of_differences(environment([make_piece(7), *pieces[1:]]), tmp_path)
    assert "and these are 3 with 360" in caplog.text
    caplog.clear()
    here = made["cpu"]
    assert here
    made["versions"]["torch"], made["cpu"] = "1.0", "abacus"
    write_environment(made, tmp_path)
    warn_of_differences(environment(pieces), tmp_path)
    (message,) = caplog.messages
    assert f"torch 1.0 (here {torch.__version__})" in message
    assert f"cpu abacus (here {here})" in message
