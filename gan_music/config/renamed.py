"""Settings that were renamed: what each key is called now.

Checkpoints are migrated by this table, and a command that is given an old key names the new one.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

# dotted keys, old -> new
RENAMED = {
    "model.misheard": "model.input_noise",
    "model.n_outlines": "model.n_style_components",
    "model.recall_span": "model.lookback_span",
    "model.sounding_span": "model.active_notes_span",
    "model.lead_batches": "model.critic_pretrain_batches",
    "model.lead_uses": "model.critic_pretrain_reuse",
    "model.n_fakes": "model.rollout_batch",
    "model.n_uses": "model.rollout_reuse",
    "model.n_kept": "model.replay_size",
    "model.n_met": "model.replay_batch",
    "model.d_hears_outline": "model.conditional_critic",
    "model.choice_span": "model.resample_every",
    "model.use_offsets": "representation.use_offsets",
    "model.hertz": "representation.hertz",
    "data.velocity": "representation.velocity",
    "trainer.n_steps_back": "trainer.max_rollbacks",
    "trainer.capture_rollout": "trainer.cuda_graph",
    "samples.longest_copy": "samples.max_copied_notes",
    "heard_notes": "primer_notes",
    "longest_copy": "max_copied_notes",
}
# model.name, old -> new
RENAMED_MODELS = {
    "sequence_gan": "gumbel_gan",
    "attention_gan": "reinforce_gan",
    "likelihood": "language_model",
    "paper": "neo_saleem",
    "markov": "ngram",
}
_REPRESENTATIONS = {"neo_saleem": "note_triples", "crnn_gan": "note_quadruples"}
_SETTINGS = {"note_events": "velocity", "note_triples": "use_offsets", "note_quadruples": "hertz"}


def migrated(settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings, nested, under today's names; settings that have them stay as they are."""
    if "representation" in settings:
        return settings
    settings = deepcopy(settings)
    model = settings["model"]
    model["name"] = RENAMED_MODELS.get(model["name"], model["name"])
    name = _REPRESENTATIONS.get(model["name"], "note_events")
    settings["representation"] = {"name": name}
    for old, new in RENAMED.items():
        *group, key = old.split(".")
        values = settings.get(group[0], {}) if group else {}
        if key in values:
            target, _, renamed = new.partition(".")
            value = values.pop(key)
            if target != "representation" or renamed == _SETTINGS[name]:
                settings[target][renamed] = value
    return settings
