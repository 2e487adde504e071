from __future__ import annotations

from gan_music.system.printable import printable


def test_what_cannot_be_printed_is_escaped() -> None:
    assert printable("a\x1b[31m\n\t\u200b\ud800 é 😀") == "a\\x1b[31m\\n\\t\\u200b\\ud800 é 😀"
