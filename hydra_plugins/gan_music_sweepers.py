"""Sweepers, in the package where Hydra looks for plugins. Every command imports it: light."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


class GanMusicSweeper(Sweeper):
    """The base of the sweepers: the sweep has one folder, known to all jobs before they start.

    Attributes
    ----------
    held : the open file that keeps other sweeps out of the folder.
    """

    held: TextIO

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context, self.config, self.task_function = hydra_context, config, task_function

    def prepare(self, folder: Path) -> Launcher:
        """A launcher for the jobs of a sweep in this folder, which is held."""
        from gan_music.config.invocation import quoted
        from gan_music.runs.sweep import SETTINGS
        from gan_music.system.atomic_files import remove_temporaries

        folder = folder.absolute()
        remove_temporaries(folder, below=False)
        assert self.config is not None
        with open_dict(self.config):
            self.config.hydra.sweep.dir = str(folder)
            # each job is composed of these overrides and its own
            self.config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(folder))}")
        OmegaConf.save(self.config, folder / SETTINGS)
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=self.config,
        )

    def named_folder(self) -> Path | None:
        """The folder that the user gave as ``hydra.sweep.dir``, unless a sweep is at work there."""
        from gan_music.runs.sweep import refuse_busy

        assert self.config is not None
        given = [o for o in self.config.hydra.overrides.hydra if o.startswith("hydra.sweep.dir=")]
        if not given:
            return None
        folder = Path(self.config.hydra.sweep.dir)
        refuse_busy(folder)
        return folder

    def compose(self, overrides: list[str]) -> DictConfig:
        """A job's settings without Hydra's own, which must be those of the sweep."""
        assert self.hydra_context is not None
        assert self.config is not None
        loader = self.hydra_context.config_loader
        config = loader.load_sweep_config(self.config, overrides)
        if not getattr(self.task_function, "trusts_code", False):
            from gan_music.config.untrusted_hydra import check_hydra

            check_hydra(_plain(config.hydra), _plain(self.config.hydra), overrides)
        with open_dict(config):
            config.name = str(config.name)  # it refers to Hydra's settings, which are removed
            del config["hydra"]
        return config

    def leave_report(self, folder: Path) -> None:
        """Write the page that ranks a sweep's jobs, unless ``report=false``."""
        assert self.config is not None
        if not self.config.get("report", False):  # only train has the setting
            return
        # heavy to import
        from gan_music.page.html import write_report_or_warn
        from gan_music.page.record import jobs

        if found := jobs(folder):
            write_report_or_warn(found, folder / "report.html")


class GridSweeper(GanMusicSweeper):
    """Every combination of the given values is a job; ``skip_done=true`` skips those done before.

    ``params`` are further overrides, in the grammar of the command line.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = params or {}

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Run the jobs and rank the results."""
        from gan_music.runs import ranking
        from gan_music.runs import sweep as sweeps

        assert self.hydra_context is not None
        assert self.config is not None
        folder = self.named_folder()
        given = [f"{k}={v}" for k, v in self.params.items()] + arguments
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parsed = parser.parse_overrides(given)
        ranges = [o for o in parsed if o.is_sweep_override() and not o.is_discrete_sweep()]
        sweeps.refuse_ranges([str(o.input_line) for o in ranges])
        (overrides,) = BasicSweeper.split_arguments(parsed, None)
        jobs = sweeps.plan(overrides, self.compose)
        cwd = self.config.hydra.runtime.cwd
        if folder is None and self.config.skip_done:
            folder = sweeps.find_sweep(jobs, cwd, Path("outputs", str(self.config.name)))
        folder = folder or Path(self.config.hydra.sweep.dir)
        batch, n_done = [], 0
        with sweeps.interruptible(folder, self.config.hydra.launcher._target_):
            self.held = sweeps.hold(folder)
            launcher = self.prepare(folder)
            for job, place, done in sweeps.assign_folders(jobs, cwd, folder):
                if done and self.config.skip_done:
                    n_done += 1
                else:
                    batch.append([*job.overrides, f"hydra.sweep.subdir={place.name}"])
            if n_done:
                sweeps.log.info("%d of %d jobs are done already, in %s", n_done, len(jobs), folder)
            returned = launcher.launch(batch, initial_job_idx=0) if batch else []
            ranking.write(folder)
            self.leave_report(folder)
        # return_value would print and raise only the first one
        failed = [r._return_value for r in returned if r.status == JobStatus.FAILED]
        sweeps.raise_failures(failed, len(jobs), folder)
        return returned


class SearchSweeper(GanMusicSweeper):
    """A search by Optuna for the settings with the smallest validation distance.

    ``params`` are overrides with ranges; ``settings`` are those of
    :class:`gan_music.config.schema.SearchConfig`.
    """

    def __init__(self, params: dict[str, str] | None = None, **settings: Any) -> None:
        self.params, self.settings = params or {}, settings

    def sweep(self, arguments: list[str]) -> None:
        """Run trials as jobs until the search is complete, then rank them."""
        from gan_music.config.schema import SearchConfig
        from gan_music.config.validate import checked
        from gan_music.runs import ranking, search
        from gan_music.runs import sweep as sweeps

        assert self.hydra_context is not None
        assert self.config is not None
        search.import_optuna()
        settings = checked(SearchConfig, OmegaConf.create(self.settings), "hydra.sweeper.")
        given = [f"{k}={v}" for k, v in self.params.items()] + arguments
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        space, fixed = search.split_space(parser.parse_overrides(given))
        described = search.describe(self.compose(fixed), space)
        folder = self.named_folder() or Path(self.config.hydra.sweep.dir)
        failures: list[Any] = []
        with sweeps.interruptible(folder, self.config.hydra.launcher._target_):
            self.held = sweeps.hold(folder, shared=True)
            found = search.Search(folder, settings, space, described)
            launcher = self.prepare(folder)
            with found.working():
                while (n := min(settings.n_jobs, found.n_left())) > 0:
                    trials = [found.ask() for _ in range(n)]
                    batch = [[*fixed, *words, *_trial(t.number)] for t, words in trials]
                    for overrides in batch:
                        self.compose(overrides)  # refuses what its files may not do
                    returned = launcher.launch(batch, initial_job_idx=trials[0][0].number)
                    for (trial, _), r in zip(trials, returned, strict=True):
                        failed = r.status == JobStatus.FAILED
                        found.tell(trial, None if failed else r.return_value, failed=failed)
                        failures += [r._return_value] if failed else []
            ranking.write(folder)
            self.leave_report(folder)
            found.print_best()
        sweeps.raise_failures(failures, settings.n_trials, folder)


def _plain(config: DictConfig) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))


def _trial(number: int) -> list[str]:
    return [f"hydra.sweep.subdir={number}", f"hydra.sweeper.trial={number}"]
