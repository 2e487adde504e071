"""The folder of ``--config-dir``: how Hydra searches it, and what its files may do.

Its files take precedence over the package's of the same name. Unless the command has
``trust_code=true``, each is checked as Hydra reads it
(:mod:`gan_music.config.untrusted_files`), and Hydra's own settings are compared with those that the
package alone would give (:mod:`gan_music.config.untrusted_hydra`) before Hydra acts on them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra import initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import OmegaConf

from gan_music.config import untrusted_files
from gan_music.config.invocation import override_key
from gan_music.config.targets import conf_dir
from gan_music.config.untrusted_hydra import check_hydra, check_sweeper
from gan_music.system.errors import UserError

_searched: str | None = None  # the folder, as the URL of a source of configs


class _UsersFolder(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if _searched is not None:
            search_path.prepend("users", _searched, anchor="main")


def config_dir(*, trusts_code: bool) -> Path | None:
    """The folder that the command line names, which Hydra searches from now on.

    Raises
    ------
    UserError
        If it is no folder, or if the command line has an unknown flag, or one that is refused.
    """
    global _searched
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}: see --help.")

    parser.error = refuse  # it would print its usage, and exit
    arguments = parser.parse_args()
    if arguments.config_path is not None:
        raise UserError("--config-path would exclude the package's configs: give --config-dir.")
    if arguments.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun reads a pickle, which can run any code: give the command in the "
            "first line of the run's config.yaml."
        )
    given = arguments.config_dir
    if given is None:
        return None
    if not Path(given).is_dir():
        raise UserError(
            f"--config-dir={given} is no folder: name the one that holds your experiment/, model/ "
            "or data/."
        )
    folder = Path(given).resolve()
    if trusts_code:
        _add_to_path(folder, folder.parent)
    untrusted_files.register()
    _searched = f"{'file' if trusts_code else untrusted_files.SCHEME}://{folder}"
    Plugins.instance().register(_UsersFolder)
    return folder


def judge_hydra(name: str) -> None:
    """Refuse settings of Hydra by which files of the folder could run code.

    Raises
    ------
    UserError
        Naming the key and its value.
    """
    global _searched
    arguments = get_args_parser().parse_args()
    mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
    given = arguments.overrides
    settings = _compose(name, arguments.config_name or name, given, mode)
    # a file may choose an installed launcher or sweeper, and what Hydra takes by default
    free = {"hydra/launcher", "hydra/sweeper", *map(override_key, given)}
    choices = {g: o for g, o in settings["runtime"]["choices"].items() if g.startswith("hydra/")}
    chosen = [f"{g}={o}" for g, o in choices.items() if o and (g in free or o == "default")]
    own = [a for a in given if not a.startswith("hydra/")]
    searched, _searched = _searched, None
    try:
        trusted = _first_composed(name, mode, own, chosen)
    finally:
        _searched = searched
    check_hydra(settings, trusted, given)
    if RunMode.MULTIRUN in (mode, settings["mode"]):
        check_sweeper(settings)


def _first_composed(
    name: str, mode: RunMode, given: list[str], chosen: list[str]
) -> dict[str, Any]:
    """Hydra's settings without the folder, of as many overrides as compose without it."""
    hydras = [a for a in given if a.lstrip("+~").startswith(("hydra", "sweep="))]
    for overrides in ([*given, *chosen], [*hydras, *chosen], chosen):
        try:
            return _compose(name, name, overrides, mode)
        except HydraException:
            continue
    return _compose(name, name, [], mode)


def _compose(
    name: str, config_name: str, overrides: Sequence[str], mode: RunMode
) -> dict[str, Any]:
    with initialize_config_dir(str(conf_dir()), job_name=name, version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        composed = hydra.compose_config(config_name, list(overrides), run_mode=mode)
    values = OmegaConf.to_container(composed.hydra, resolve=False)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _add_to_path(*folders: Path) -> None:
    """Let modules in these folders be imported, in this process and in those that it starts."""
    sys.path[1:1] = map(str, folders)
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, folders), *([others] if others else [])])
