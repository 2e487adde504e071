"""Notes -> notation: MusicXML that a musician can read."""
