"""Settings of the representations, and the registry of ``representation.name``."""

from __future__ import annotations

from typing import Annotated

from gan_music.config.fields import Entry, between, settings


@settings
class RepresentationConfig:
    """What music becomes for the networks; explained in ``conf/representation``."""

    name: str


@settings
class NoteEventsConfig(RepresentationConfig):
    """Categories; explained in ``conf/representation/note_events.yaml``."""

    velocity: bool | None
    n_tracks: Annotated[int, between(1, 8)] | None
    ends: bool


@settings
class VoicesConfig(RepresentationConfig):
    """Chains of notes and rests; explained in ``conf/representation/voices.yaml``."""

    max_voices: Annotated[int, between(1, 8)]


@settings
class NoteTriplesConfig(RepresentationConfig):
    """Neo & Saleem's; explained in ``conf/representation/note_triples.yaml``."""

    use_offsets: bool


@settings
class NoteQuadruplesConfig(RepresentationConfig):
    """C-RNN-GAN's; explained in ``conf/representation/note_quadruples.yaml``."""

    hertz: bool


REPRESENTATIONS: dict[str, Entry] = {
    "note_events": Entry(NoteEventsConfig, "representations.note_events:NoteEvents"),
    "voices": Entry(VoicesConfig, "representations.voices:Voices"),
    "note_triples": Entry(NoteTriplesConfig, "representations.note_triples:NoteTriples"),
    "note_quadruples": Entry(
        NoteQuadruplesConfig, "representations.note_quadruples:NoteQuadruples"
    ),
}
