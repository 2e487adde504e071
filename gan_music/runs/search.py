"""A search for settings by Optuna: its study, its trials, and the values that a job reports.

hydra-optuna-sweeper is not used: its version 1.3.0 needs optuna < 3, whose storage fails under
SQLAlchemy 2, so that no search could be continued or shared. Here Hydra composes and launches the
jobs, with its own grammar of overrides, and Optuna suggests values and receives the results
(ask and tell). The storage is Optuna's journal, a file that several processes may append to, on
network file systems too.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from gan_music.config.schema import SearchConfig, TrainConfig
from gan_music.config.validate import checked, flatten, unknown_key
from gan_music.runs.status import has_effect, settings_of
from gan_music.runs.sweep import refuse_several_devices
from gan_music.system.errors import UserError
from gan_music.system.locks import lock

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

_STUDY = "search"
_MAX_CHOICES = 10_000
_MISSING = object()


def import_optuna() -> Any:
    """Optuna, an optional dependency.

    Raises
    ------
    UserError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("sweep=tpe needs Optuna: pip install 'gan_music[sweep]'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def split_space(overrides: Sequence[Override]) -> tuple[dict[str, Override], list[str]]:
    """(the search space by key, the fixed overrides); a later override replaces an earlier one.

    Raises
    ------
    UserError
        If the space is empty, or a range cannot be searched.
    """
    last = {o.get_key_element(): o for o in overrides}
    space = {key: o for key, o in last.items() if o.is_sweep_override()}
    if not space:
        raise UserError(
            "a search needs a range: give one, such as model.hidden_size=range(64,257,64)."
        )
    for key, override in space.items():
        _check(key, override)
    return space, [str(o.input_line) for key, o in last.items() if key not in space]


def describe(config: DictConfig, space: dict[str, Override]) -> dict[str, Any]:
    """What identifies a search: its space, and all fixed settings."""
    refuse_several_devices(config.trainer)
    for key in space:
        if OmegaConf.select(config, key, default=_MISSING) is _MISSING:
            raise unknown_key(TrainConfig, key)
    settings = settings_of(checked(TrainConfig, config))
    fixed = {k: v for k, v in flatten(settings).items() if k not in space}
    return {"space": {k: str(o.input_line) for k, o in space.items()}} | fixed


def _check(key: str, override: Override) -> None:
    sweep = override.value()
    line = override.input_line
    if isinstance(sweep, IntervalSweep):
        low, high = sweep.start, sweep.end
        if low is None or high is None or not low < high:
            raise UserError(f"{line}: an interval's end must lie above its start.")
        if "log" in sweep.tags and low <= 0:
            raise UserError(f"{line}: an interval on a logarithmic scale must start above 0.")
    elif not isinstance(sweep, ChoiceSweep | RangeSweep):
        raise UserError(f"{line} cannot be searched: give interval, range or choice for {key}.")
    elif not 0 < len(list(override.sweep_string_iterator())) <= _MAX_CHOICES:
        raise UserError(f"{line} must have from 1 to {_MAX_CHOICES} values.")


def suggest(trial: optuna.Trial, key: str, override: Override) -> str:
    """A value for this trial, as the text of an override.

    If both ends of an interval are integers, so is the value: ``interval(1,8)``,
    ``int(interval(1,8))`` and ``range(1,9)`` have the same values.
    """
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None
        assert sweep.end is not None
        logarithmic = "log" in sweep.tags
        if isinstance(sweep.start, int) and isinstance(sweep.end, int):
            return str(trial.suggest_int(key, sweep.start, sweep.end, log=logarithmic))
        return repr(trial.suggest_float(key, sweep.start, sweep.end, log=logarithmic))
    values = list(override.sweep_string_iterator())
    if isinstance(sweep, RangeSweep) and not sweep.shuffle:
        # by index, so that the sampler knows the order of the values
        return values[trial.suggest_int(key, 0, len(values) - 1)]
    return str(trial.suggest_categorical(key, values))


class Search:
    """A study in a sweep's folder, which several processes may share.

    Parameters
    ----------
    described : the search's space and all other settings (:func:`describe`), which must be equal
        for an existing search to be continued.
    """

    def __init__(
        self,
        folder: Path,
        settings: SearchConfig,
        space: dict[str, Override],
        described: dict[str, Any],
    ) -> None:
        self.optuna = import_optuna()
        self.folder, self.settings, self.space = folder, settings, space
        self.storage = journal(folder)
        self.study = self.optuna.create_study(
            storage=self.storage, study_name=_STUDY, load_if_exists=True, direction="minimize"
        )
        before = self.study.user_attrs.get("described", described)
        before = {k: v for k, v in before.items() if has_effect(k)}  # an older version's had more
        if before != described:
            old, new = flatten(before), flatten(described)  # the space is nested
            key = next(k for k in {**old, **new} if old.get(k) != new.get(k))
            raise UserError(
                f"{folder} holds a search where {key} was {old.get(key)}, not {new.get(key)}: name "
                "another hydra.sweep.dir."
            )
        self.study.set_user_attr("described", described)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Repeat the trials of processes that died, and mark this one as alive by a locked file."""
        self._owner = f".searching.{uuid.uuid4().hex}"
        mark = self.folder / self._owner
        with mark.open("w") as file:
            lock(file.fileno())
            try:
                self._retry_dead()
                yield
            finally:
                mark.unlink(missing_ok=True)

    def n_left(self) -> int:
        """How many trials have not begun. One whose process died is repeated and does not count."""
        trials = self.study.get_trials(deepcopy=False)
        waiting = self.optuna.trial.TrialState.WAITING
        again = {t.user_attrs.get("instead_of") for t in trials}
        begun = [t for t in trials if t.state != waiting and t.number not in again]
        return self.settings.n_trials - len(begun)

    def ask(self) -> tuple[optuna.Trial, list[str]]:
        """A new trial, and its overrides."""
        trial = self.study.ask()
        trial.set_user_attr("owner", self._owner)
        # by the trial's number, whichever process draws it, now or later
        seed = (1_000_003 * self.settings.seed + trial.number) % 2**32
        self.study.sampler = self.optuna.samplers.TPESampler(
            n_startup_trials=self.settings.n_startup_trials, multivariate=False, seed=seed
        )
        overrides = [f"{key}={suggest(trial, key, o)}" for key, o in self.space.items()]
        trial.set_user_attr("overrides", overrides)
        return trial, overrides

    def tell(self, trial: optuna.Trial, value: float | None, *, failed: bool) -> None:
        """Record how a trial ended: failed, with a value, or pruned (no value, or NaN)."""
        states = self.optuna.trial.TrialState
        if failed:
            self.study.tell(trial, state=states.FAIL)
        elif value is None or value != value:
            self.study.tell(trial, state=states.PRUNED)
        else:
            self.study.tell(trial, value)

    def print_best(self) -> None:
        """Print the best trial so far."""
        done = self.optuna.trial.TrialState.COMPLETE
        if self.study.get_trials(deepcopy=False, states=(done,)):
            best = self.study.best_trial
            words = " ".join(best.user_attrs["overrides"])
            print(f"best: trial {best.number}, {best.value:.3f} from validation music: {words}")

    def _retry_dead(self) -> None:
        states = self.optuna.trial.TrialState
        for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            if not _has_died(self.folder / trial.user_attrs.get("owner", ".searching.nobody")):
                continue
            try:
                self.study.tell(trial.number, state=states.FAIL)
            except (ValueError, RuntimeError):  # another process has just done so
                continue
            self.study.enqueue_trial(trial.params, user_attrs={"instead_of": trial.number})
            log.info("trial %d was cut off: it is repeated", trial.number)


def journal(folder: Path) -> optuna.storages.JournalStorage:
    """The storage file of a search in this folder."""
    optuna = import_optuna()
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "search.journal"))
    return optuna.storages.JournalStorage(backend)


def reporter() -> Callable[[float, int], bool] | None:
    """For a job that is a trial: a function (value, epoch) -> whether to prune it; else None.

    Optuna's median rule: a trial is pruned if it is worse than the median of all trials so far at
    the same epoch, but not in the first ``n_warmup_epochs``, nor before ``n_startup_trials`` have
    ended.
    """
    hydra = HydraConfig.get()
    settings = hydra.sweeper
    number = settings.get("trial")
    if number is None:
        return None
    optuna = import_optuna()
    pruner: Any = optuna.pruners.NopPruner()
    if settings.prune:
        pruner = optuna.pruners.MedianPruner(settings.n_startup_trials, settings.n_warmup_epochs)
    study = optuna.load_study(
        study_name=_STUDY, storage=journal(Path(hydra.sweep.dir)), pruner=pruner
    )
    (ours,) = (t for t in study.get_trials(deepcopy=False) if t.number == number)
    trial = optuna.Trial(study, ours._trial_id)

    def report(value: float, epoch: int) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return report


def _has_died(mark: Path) -> bool:
    """Whether the process that locked this file has ended."""
    if not mark.exists():
        return True
    try:
        with mark.open("a") as file:
            has_died = lock(file.fileno()) is True
    except OSError:
        return False
    if has_died:
        mark.unlink(missing_ok=True)
    return has_died
