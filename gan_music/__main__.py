"""``python -m gan_music``: the commands, a line each."""

_COMMANDS = """\
python -m gan_music.COMMAND [KEY=VALUE ...], where COMMAND is one of
  train     train a model on symbolic music, measure it and write samples
  generate  write music with a trained model: MIDI, scores, sound, pictures
  evaluate  measure generated music against real music
  extract   read music into the cache, and report what was read
  report    write the page of a run, or of several
  export    write what sampling needs of a checkpoint into a small one
--help after a command shows its settings."""

if __name__ == "__main__":
    print(_COMMANDS)
