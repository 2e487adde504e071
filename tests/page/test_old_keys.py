from __future__ import annotations

from gan_music.page.old_keys import renamed


def test_earlier_keys_are_renamed_and_present_ones_kept() -> None:
    earlier = {
        "n_copies_thrown_away": 3,
        "cost": {"n_weights": {"generator": 1, "all_players": 2}},
        "figures": {
            "likeness": {"oa_mean": {"best": "higher"}, "kl_note_length_transitions": {}},
            "judge": {"accuracy": {}, "accuracy_long": {}},
            "structure": {"repetition_after_16_bars": {}, "comeback_of_4grams_in_piece": {}},
        },
        "notes": ["likeness"],
    }
    present = {
        "n_copies_rejected": 3,
        "cost": {"n_weights": {"generator": 1, "all_networks": 2}},
        "figures": {
            "mgeval": {"oa_mean": {"best": "higher"}, "kl_note_length_transition_matrix": {}},
            "c2st": {"accuracy": {}, "accuracy_long_window": {}},
            "structure": {"bar_self_similarity_lag_16": {}, "repeated_4gram_rate_in_piece": {}},
        },
        "notes": ["likeness"],
    }
    assert renamed(earlier) == present
    assert renamed(present) == present
    assert renamed(None) is None
