"""The programs that time things run to their end, on as little as can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import run_python

FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = ("data.window=8", "data.batch_size=2", "model.hidden_size=8", "model.attention_span=4")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("sampling.py", "2", "10", "20"), ["2 pieces", "lstm_lm", "attention_lm"]),
        (("gan_step.py", "1", *TINY), ["cpu, ", "windows a second", "step / floor"]),
        (
            (
                *("gan_step.py", "2", "experiment=flagship", *TINY),
                *("model.rollout_batch=2", "model.d_hidden_size=8", "model.lookback_span=4"),
            ),
            ["cpu, ", "windows a second", "step / floor"],
        ),
        (("scale.py", "30"), ["30 pieces", "windows of 64 cut", "in 1,000,000 notes"]),
    ],
    ids=["sampling", "gan_step", "gan_step of the flagship", "scale"],
)
def test_a_benchmark_runs(words: tuple[str, ...], printed: list[str], tmp_path: Path) -> None:
    program, *arguments = words
    done = run_python(str(FOLDER / program), *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in printed:
        assert text in done.stdout
    assert "nan" not in done.stdout
