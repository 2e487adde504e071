"""Settings of representations, and the registry that ``representation.name`` is looked up in."""

from __future__ import annotations

from typing import NamedTuple

from gan_music.config.fields import settings


@settings
class RepresentationConfig:
    """What music becomes for the networks; explained in ``conf/representation``."""

    name: str


@settings
class NoteEventsConfig(RepresentationConfig):
    """Notes as categories; explained in ``conf/representation/note_events.yaml``."""

    velocity: bool


@settings
class NoteTriplesConfig(RepresentationConfig):
    """Neo & Saleem's real numbers; explained in ``conf/representation/note_triples.yaml``."""

    use_offsets: bool


@settings
class NoteQuadruplesConfig(RepresentationConfig):
    """C-RNN-GAN's real numbers; explained in ``conf/representation/note_quadruples.yaml``."""

    hertz: bool


class RepresentationEntry(NamedTuple):
    """The settings and the class of a ``representation.name``."""

    settings: type[RepresentationConfig]
    # module:class below gan_music.representations; imported when it is built
    made: str


REPRESENTATIONS: dict[str, RepresentationEntry] = {
    "note_events": RepresentationEntry(NoteEventsConfig, "note_events:NoteEvents"),
    "note_triples": RepresentationEntry(NoteTriplesConfig, "note_triples:NoteTriples"),
    "note_quadruples": RepresentationEntry(NoteQuadruplesConfig, "note_quadruples:NoteQuadruples"),
}
