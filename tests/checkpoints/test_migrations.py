"""Checkpoints of earlier schemas: those that migrate sample what their own version sampled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_music import __version__
from gan_music.checkpoints.checkpoint import PRETRAINED, load_checkpoint, save_sampler
from gan_music.checkpoints.migrations import SCHEMA_VERSION, migrate
from gan_music.checkpoints.torch_file import read_shapes
from gan_music.config.renamed import RENAMED, RENAMED_MODELS, migrated
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import known_fields
from gan_music.decoding.request import SampleRequest
from gan_music.system import version
from gan_music.system.errors import UserError
from gan_music.training.factory import restore_model

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(
    ("schema", "commit"), [(1, "5e532fd"), (2, "002f6fc"), (3, "002f6fc"), (4, "4c953c8")]
)
def test_a_schema_without_migration_names_the_commit_that_reads_it(
    schema: int, commit: str
) -> None:
    words = f"has schema {schema}, and this version reads 7: .* commit {commit} is the last"
    with pytest.raises(UserError, match=words):
        load_checkpoint(FOLDER / f"schema_{schema}.ckpt")


# (onset, duration, pitch) that the commit which wrote the checkpoint samples from it with seed 0
SAMPLED = {
    FOLDER / "schema_5.ckpt": [(0, 1, 0), (1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0)],
    # without lookback, whose setting came later
    FOLDER / "schema_5_c075163.ckpt": [
        *((3, 20, 57), (6, 24, 45), (10, 20, 63), (17, 7, 69), (25, 2, 100), (41, 10, 88)),
        *((47, 24, 77), (61, 2, 52), (81, 7, 99), (101, 8, 56), (106, 6, 57), (108, 8, 42)),
    ],
    # with lookback, without lag alignment
    FOLDER / "schema_5_b5d9792.ckpt": [
        *((8, 32, 57), (11, 24, 45), (21, 1, 63), (28, 24, 69), (36, 2, 80), (52, 10, 88)),
        *((63, 24, 77), (74, 1, 52), (94, 7, 99), (114, 4, 56), (119, 6, 47), (143, 20, 34)),
    ],
    PRETRAINED: [
        *((72, 12, 68), (72, 24, 71), (84, 12, 65), (96, 12, 56), (96, 12, 59), (96, 24, 64)),
        *((96, 24, 73), (108, 12, 54), (108, 12, 57), (120, 24, 56), (120, 12, 59), (120, 24, 64)),
    ],
}


@pytest.mark.parametrize("path", SAMPLED, ids=lambda p: p.stem)
def test_a_checkpoint_of_schema_5_samples_what_its_own_version_sampled(path: Path) -> None:
    assert read_shapes(path)["gan_music"]["schema"] == 5
    model = restore_model(load_checkpoint(path), path)
    (piece,) = model.sample(SampleRequest(n_pieces=1, length=len(SAMPLED[path]), seed=0))
    # it began at the beginning of a bar, and begins with the first note
    first, now = SAMPLED[path][0][0], int(piece.onset[0])
    wanted = [(onset - first + now, *rest) for onset, *rest in SAMPLED[path]]
    assert piece.notes() == wanted


def test_settings_of_schema_5_get_their_new_names() -> None:
    old = {
        "data": {"root": None, "velocity": True},
        "model": {"name": "attention_gan", "n_kept": 512, "recall_span": 8, "misheard": 0.1},
        "samples": {"longest_copy": 16},
        "trainer": {"n_steps_back": 2},
    }
    assert migrated(old) == {
        "data": {"root": None},
        "model": {
            "name": "reinforce_gan",
            "replay_size": 512,
            "lookback_span": 8,
            "input_noise": 0.1,
        },
        "representation": {"name": "note_events", "velocity": True},
        "samples": {"max_copied_notes": 16},
        "trainer": {"max_rollbacks": 2},
    }
    assert old["data"] == {"root": None, "velocity": True}
    assert migrated(migrated(old)) == migrated(old)


@pytest.mark.parametrize(
    ("model", "representation"),
    [
        ({"name": "paper", "use_offsets": True}, {"name": "note_triples", "use_offsets": True}),
        ({"name": "crnn_gan", "hertz": False}, {"name": "note_quadruples", "hertz": False}),
        ({"name": "markov"}, {"name": "note_events", "velocity": False}),
    ],
)
def test_the_representation_is_that_of_the_model(
    model: dict[str, object], representation: dict[str, object]
) -> None:
    settings = migrated({"data": {"velocity": False}, "model": model, "samples": {}, "trainer": {}})
    assert settings["representation"] == representation
    assert settings["model"] == {"name": RENAMED_MODELS.get(str(model["name"]), "crnn_gan")}


def test_every_new_name_is_a_setting_and_no_old_one_is() -> None:
    keys = {k for k, _ in known_fields(TrainConfig) if "." in k}
    assert {new for new in RENAMED.values() if "." in new} <= keys
    assert not {old for old in RENAMED if "." in old} & keys


def test_style_vectors_and_states_of_callbacks_get_their_new_names() -> None:
    content = {
        "epoch": 0,
        "state_dict": {
            "generator.outlines.means": torch.zeros(1),
            "averaged.module.outlines.means": torch.ones(1),
        },
        "gan_music": {
            "schema": 5,
            "codec": {"grid": 24},
            "quotes": torch.arange(3),
            "n_steps_back": 1,
            "config": {"model": {"name": "likelihood"}, "data": {}, "samples": {}, "trainer": {}},
        },
        "optimizer_states": [{}, {"param_groups": [{"player": "g"}]}],
    }
    new = migrate(content)
    assert new["optimizer_states"] == [{}, {"param_groups": [{"network": "g"}]}]
    assert set(new["state_dict"]) == {
        "generator.style_prior.means",
        "averaged.module.style_prior.means",
    }
    ours = new["gan_music"]
    assert (ours["schema"], ours["representation"], ours["n_rollbacks"]) == (7, {"grid": 24}, 1)
    assert ours["copy_filter"].tolist() == [0, 1, 2]
    assert ours["config"]["model"] == {
        "name": "language_model",
        "recurrent_dropout": 0.0,
        "lookback_span": 0,
    }
    assert migrate(new) is new


@pytest.mark.parametrize(
    ("written_by", "words"),
    [("0.1.0+0123456789ab", "written by gan_music 0.1.0[+]0123456789ab"), ("a b", "an earlier")],
)
def test_a_checkpoint_that_does_not_fit_says_what_wrote_it(
    tmp_path: Path, written_by: str, words: str
) -> None:
    content = torch.load(FOLDER / "schema_5.ckpt", weights_only=True)
    content["gan_music"]["version"] = written_by
    content["gan_music"]["config"]["model"]["hidden_size"] += 1
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=words):
        restore_model(load_checkpoint(tmp_path / "a.ckpt"), tmp_path / "a.ckpt")


@pytest.mark.parametrize("broken", [{}, {"model": "paper"}, {"model": {"name": "paper"}}])
def test_settings_that_cannot_be_migrated_are_refused(
    tmp_path: Path, broken: dict[str, object]
) -> None:
    content = torch.load(FOLDER / "schema_5.ckpt", weights_only=True)
    content["gan_music"]["config"] = broken
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="settings that are not this version's"):
        load_checkpoint(tmp_path / "a.ckpt")


def test_a_checkpoint_records_the_version_that_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.ckpt"
    for commit, recorded in (
        ("2e4268f74b4fe5f54d854e967b590ae97a884f5a-dirty", f"{__version__}+2e4268f74b4f.dirty"),
        ("2e4268f74b4fe5f54d854e967b590ae97a884f5a", f"{__version__}+2e4268f74b4f"),
        (None, __version__),
    ):
        monkeypatch.setattr(version, "commit", lambda commit=commit: commit)
        version.full_version.cache_clear()
        save_sampler(load_checkpoint(PRETRAINED), path)
        ours = read_shapes(path)["gan_music"]
        assert (ours["version"], ours["schema"]) == (recorded, SCHEMA_VERSION)
    version.full_version.cache_clear()
    content = torch.load(path, weights_only=True)
    content["gan_music"] |= {"schema": 9, "version": "2.3.1"}
    torch.save(content, path)
    with pytest.raises(UserError, match=r"has schema 9, .* use the version .* gan_music 2\.3\.1"):
        load_checkpoint(path)
