"""Settings -> the objects they describe."""

from __future__ import annotations

import pytest

from gan_music.config.representation_settings import (
    NoteEventsConfig,
    NoteQuadruplesConfig,
    NoteTriplesConfig,
    RepresentationConfig,
)
from gan_music.config.validate import compose_run
from gan_music.system.errors import UserError
from gan_music.training.factory import build_representation, check_readable

EVENTS = NoteEventsConfig(name="note_events", velocity=None, n_tracks=None, ends=False)
TRIPLES = NoteTriplesConfig(name="note_triples", use_offsets=False)


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        (
            NoteEventsConfig(name="note_events", velocity=True, n_tracks=1, ends=False),
            {"velocity": True},
        ),
        (NoteTriplesConfig(name="note_triples", use_offsets=True), {"use_offsets": True}),
        (NoteQuadruplesConfig(name="note_quadruples", hertz=False), {"hertz": False}),
    ],
)
def test_a_representation_is_built_from_its_settings(
    settings: RepresentationConfig, state: dict[str, bool]
) -> None:
    representation = build_representation(settings, 12)
    assert representation.name == settings.name
    assert (state | {"grid": 12}).items() <= representation.state().items()


@pytest.mark.parametrize(
    ("overrides", "representation"),
    [
        (
            ["representation.velocity=true"],
            NoteEventsConfig(name="note_events", velocity=True, n_tracks=None, ends=False),
        ),
        (["model=neo_saleem"], TRIPLES),
        (["experiment=paper", "data.root=x"], TRIPLES),
        (["experiment=paper", "data.root=x", "model=lstm_lm"], EVENTS),
        (
            ["experiment=crnn_gan", "data.root=x", "representation.hertz=false"],
            NoteQuadruplesConfig(name="note_quadruples", hertz=False),
        ),
        (["model=crnn_gan", "representation=note_events"], EVENTS),
    ],
)
def test_a_model_chooses_its_representation(
    overrides: list[str], representation: RepresentationConfig
) -> None:
    assert compose_run(*overrides).representation == representation


def test_a_model_refuses_a_representation_that_it_cannot_read() -> None:
    config = compose_run("model=neo_saleem", "representation=note_events")
    with pytest.raises(UserError) as error:
        check_readable(config.model, config.representation)
    assert str(error.value) == (
        "representation=note_events cannot be read by model=neo_saleem: choose "
        "representation=note_triples."
    )
    check_readable(compose_run().model, EVENTS)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+representation.hertz=true", "representation.hertz is another representation's"),
        ("representation.velocity=1", "representation.velocity=1 must be true or false"),
        ("representation.name=rolls", "representation.name=rolls is no representation: choose one"),
    ],
)
def test_wrong_settings_of_a_representation(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose_run(override)
