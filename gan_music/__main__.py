"""``gan-music COMMAND ...`` and ``python -m gan_music COMMAND ...`` run a command, or list all."""

from __future__ import annotations

import difflib
import runpy
import sys

from gan_music.system.command_process import command_process

COMMANDS = {
    "train": "train a model on symbolic music, measure it and write samples",
    "generate": "write music with a trained model: MIDI, scores, sound, pictures",
    "evaluate": "measure generated music against real music",
    "extract": "read music into the cache, and report what was read",
    "report": "write the page of a run, or of several",
    "export": "write what sampling needs of a checkpoint into a small one",
}


def main() -> None:
    """Run a command as ``python -m gan_music.COMMAND`` does, or list the commands."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        del sys.argv[1]
        # Lightning starts its further processes by the name of the module that is __main__
        runpy.run_module(f"gan_music.{name}", run_name="__main__", alter_sys=True)
    else:
        _help(name)


@command_process()
def _help(name: str) -> None:
    if name in ("-h", "--help", "help"):
        print(
            "gan-music COMMAND [KEY=VALUE ...] or python -m gan_music COMMAND ..., where COMMAND is"
        )
        print("\n".join(f"  {command:9} {what}" for command, what in COMMANDS.items()))
        print("--help after a command shows its settings, --version tells the version.")
    elif name == "--version":
        from gan_music.system.version import full_version

        print(f"gan_music {full_version()}")
    else:
        similar = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
        hint = f"did you mean {similar[0]}?" if similar else f"choose one of {', '.join(COMMANDS)}."
        print(f"error: {name} is no command: {hint}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
