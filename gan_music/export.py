"""``python -m gan_music.export``: a run's checkpoint -> a small one, to share and sample from."""

from __future__ import annotations

from glob import escape
from typing import TYPE_CHECKING

from gan_music.runs.folder import checkpoint_at
from gan_music.system.command_process import command_process
from gan_music.system.errors import UserError

if TYPE_CHECKING:
    from gan_music.config.schema import ExportConfig


@command_process()
def main() -> None:
    """The command."""
    # late: from here on signals are handled
    from gan_music.cli import command
    from gan_music.config.schema import ExportConfig

    command("export", ExportConfig, _export)


def _export(config: ExportConfig) -> None:
    from gan_music.config.invocation import user_path

    if config.checkpoint is None:
        raise UserError("no checkpoint given: name a run's folder, checkpoint=RUN.")
    if config.out is None:
        raise UserError("out has no value: name the file to write, as in out=mine.ckpt.")
    given, out = user_path(config.checkpoint), user_path(config.out)
    assert given is not None
    assert out is not None
    path = checkpoint_at(given, "checkpoint")
    if out.is_dir():
        raise UserError(f"out={config.out} is a folder: name a file, out={config.out}/mine.ckpt.")
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(
            f"out={config.out} is the checkpoint itself and would replace it: name another file."
        )
    from gan_music.checkpoints.checkpoint import load_checkpoint, sampler_part, save_sampler
    from gan_music.system.atomic_files import remove_temporaries
    from gan_music.training.factory import restore_model

    remove_temporaries(out.parent, escape(out.name), below=False)
    checkpoint = load_checkpoint(path)
    model = restore_model(checkpoint, path)
    save_sampler(sampler_part(checkpoint, model.sampled_from, float16=config.float16), out)
    before, after = path.stat().st_size, out.stat().st_size
    print(f"{config.out}: {after / 1e6:.2f} MB of {before / 1e6:.2f} MB")
    print(f"write music with it: python -m gan_music.generate checkpoint={config.out}")


if __name__ == "__main__":
    main()
