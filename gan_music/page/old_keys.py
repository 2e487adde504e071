"""Renamed keys of ``metrics.json``, so that a report can show runs of earlier versions."""

from __future__ import annotations

import re
from typing import Any

# pattern of the earlier key -> present key
_RENAMED = {
    # groups
    "likeness": "mgeval",
    "judge": "c2st",
    "quality": "prdc",
    # figures
    r"(oa|kl)_(.+)_transitions": r"\1_\2_transition_matrix",
    r"(oa|kl)_mean_interval": r"\1_average_pitch_interval",
    "accuracy_long": "accuracy_long_window",
    "inter_onset_entropy": "inter_onset_interval_entropy",
    "tonal_distance_of_hands": "tonal_distance_low_high",
    "tonal_distance_of_steps": "harmonic_change",
    "chord_move_likelihood": "chord_bigram_log_likelihood",
    "spread_ratio": "pairwise_distance_ratio",
    r"repetition_after_(\d+)_bars": r"bar_self_similarity_lag_\1",
    r"comeback_of_(\d+)grams_in_(\w+)": r"repeated_\1gram_rate_in_\2",
    "nearest_training_window": "nearest_training_distance",
    # of the run
    "n_copies_thrown_away": "n_copies_rejected",
    "all_players": "all_networks",
}


def renamed(content: Any) -> Any:
    """The content of a ``metrics.json`` with present keys."""
    if isinstance(content, list):
        return [renamed(value) for value in content]
    if not isinstance(content, dict):
        return content
    return {_present(key): renamed(value) for key, value in content.items()}


def _present(key: str) -> str:
    for pattern, replacement in _RENAMED.items():
        match = re.fullmatch(pattern, key)
        if match:
            return match.expand(replacement)
    return key
