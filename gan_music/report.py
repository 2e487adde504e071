"""``python -m gan_music.report RUN...``: folders of runs, or of a sweep, as one HTML file.

The arguments are plain paths, so that globbing and completion work; Hydra is not needed.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from glob import escape
from pathlib import Path
from typing import NoReturn

from gan_music.system import signals
from gan_music.system.command_process import command_process
from gan_music.system.errors import UserError
from gan_music.system.version import full_version

_HELP = """\
Write figures, curves, piano rolls, sounds and settings of a run to one self-contained HTML file.

  python -m gan_music.report RUN            a run, finished or not -> RUN/report.html
  python -m gan_music.report RUN RUN ...    several runs side by side -> report.html
  python -m gan_music.report SWEEP          the ranked runs of a sweep -> SWEEP/report.html
"""


@command_process()
def main() -> None:
    """The command."""
    debug = "--debug" in sys.argv
    try:
        print(f"report: {_report(_arguments(sys.argv[1:]))}")
    except Exception as error:
        signals.raise_received()  # it may follow from the signal
        if debug:
            traceback.print_exception(error)
        else:
            from gan_music.config.explain import explain

            text = explain(error, type(None)).replace("debug=true", "--debug")
            print(f"error: {text}", file=sys.stderr)
        sys.exit(1)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m gan_music.report",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folders", metavar="RUN", nargs="*", type=_path, help="a run, or a sweep")
    parser.add_argument("--out", metavar="FILE", type=_path, help="the HTML file")
    version = f"gan_music {full_version()}" if "--version" in words else ""  # asks git
    parser.add_argument("--version", action="version", version=version, help="show the version")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}: see --help.")

    parser.error = refuse  # type: ignore[method-assign]  # argparse would print its usage and exit
    return parser.parse_args(words)


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # which the shell does not do between quotes


def _report(arguments: argparse.Namespace) -> Path:
    given: list[Path] = arguments.folders
    if not given:
        raise UserError(
            "no run is given: use python -m gan_music.report RUN, with a folder below outputs/."
        )
    from gan_music.page.record import is_run, jobs, read_run

    folders: list[Path] = []
    for folder in given:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: give a run's, below outputs/.")
        found = [folder] if is_run(folder) else jobs(folder)
        if not found:
            raise UserError(
                f"{folder} is not a run's folder, and contains none: give one with a "
                "config.yaml, or a sweep's."
            )
        folders += found
    out: Path = arguments.out or (given[0] if len(given) == 1 else Path()) / "report.html"
    if out.is_dir():
        raise UserError(f"--out={out} is a folder: give a file, {out / 'report.html'}.")
    from gan_music.page.html import write_report
    from gan_music.system.atomic_files import remove_temporaries

    unique = list({f.resolve(): f for f in folders}.values())
    runs = [read_run(folder) for folder in unique]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        remove_temporaries(out.parent, escape(out.name), below=False)
        write_report(runs, out)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written ({error.strerror}): give another file, --out=FILE."
        ) from error
    return out


if __name__ == "__main__":
    main()
