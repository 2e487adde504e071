"""Writes scores: MusicXML that a musician can read."""
