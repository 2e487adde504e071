"""What every model here shares: checkpoints that are enough by themselves, samples, logging.

A GAN adds its two players.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from numpy.typing import NDArray
from torch import Tensor, nn

from gan_music.checkpoints.migrations import SCHEMA_VERSION
from gan_music.decoding.copy_filter import CopyFilter
from gan_music.decoding.primer import Primer
from gan_music.models.nan_guard import NaNGuard, NonFiniteError, describe, not_finite
from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.system.errors import UserError
from gan_music.system.version import full_version


def random_state() -> dict[str, Any]:
    """The random states of torch, its GPUs, numpy and Python, as a checkpoint may hold them."""
    kind, keys, *rest = cast(tuple[str, NDArray[np.uint32], int, int, float], np.random.get_state())
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
        "python": random.getstate(),
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Set them; those of GPUs where there are as many, and what an older checkpoint has."""
    torch.set_rng_state(state["cpu"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
    if "numpy" in state:
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    if "python" in state:
        version, numbers, gauss = state["python"]
        random.setstate((version, tuple(numbers), gauss))


class MusicModel(LightningModule):
    """Whatever can be trained on music and sampled from.

    Parameters
    ----------
    settings : the model's own, checked; a subclass says which.
    codec_state : what the codec's ``state`` gave; kept in checkpoints.
    config : the whole run's settings as plain values; kept in checkpoints, not read here.
    clip_norm : an optimizer's gradient is scaled down to this norm; None leaves it.
    """

    # the names of the weights that ``sample`` reads begin so, in one of these ways; a checkpoint to
    # share has these alone
    sampled_from: ClassVar[tuple[str, ...]] = ("",)
    reads: ClassVar[tuple[str, ...]] = ("note_events",)  # names of representations

    def __init__(
        self,
        settings: Any,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.config = config or {}
        self.codec_state = codec_state
        self.clip_norm = clip_norm
        self.guard = NaNGuard()
        self._terms: dict[str, dict[str, Tensor]] = {}  # of each player's loss, on this batch
        self.copy_filter: CopyFilter | None = None  # what must not be copied, if a run says so
        self.n_clipped = 0  # values of the last sample that had to be clipped to be music
        self._restored_rng: dict[str, Any] | None = None

    @abstractmethod
    def sample(
        self,
        *,
        n_pieces: int,
        n_notes: int,
        seed: int,
        temperature: float = 1.0,
        tempo: float = DEFAULT_TEMPO,
        meter: tuple[int, int] | None = None,
    ) -> list[Piece]:
        """``n_pieces`` pieces of ``n_notes`` notes from noise alone.

        They begin in ``meter`` (numerator, denominator), or as the training pieces do.

        The same seed gives the same pieces on the same machine, and the global random state stays
        as it was.
        """

    def go_on(
        self,
        primer: Primer,
        *,
        n_pieces: int,
        n_notes: int,
        seed: int,
        temperature: float = 1.0,
        tempo: float = DEFAULT_TEMPO,
    ) -> list[Piece]:
        """``n_pieces`` pieces that go on from a primer for ``n_notes`` notes, in its meter.

        The first of them begins later than the primer's last, whose chord is complete.

        Raises
        ------
        UserError
            If the model writes from noise alone, as it does unless a subclass says otherwise.
        """
        raise UserError(
            f"model.name={self.settings.name} writes from noise alone and cannot go on from music: "
            "leave continue_from out, or name a checkpoint of another model."
        )

    @property
    def has_temperature(self) -> bool:
        """Whether ``temperature`` changes what ``sample`` writes."""
        return True

    @property
    def n_weights(self) -> dict[str, int]:
        """Trainable weights: of the ``generator``, which alone writes music; of ``all_networks``.

        Averages of weights are not trained, and counts of a model without a network are no weights.
        """
        trained = {name: p.numel() for name, p in self.named_parameters() if p.requires_grad}
        ours = [n for name, n in trained.items() if name.startswith("generator.")]
        return {"generator": sum(ours), "all_networks": sum(trained.values())}

    @property
    def best_at_last(self) -> bool:
        """Whether the last checkpoint is the one to keep, whatever validation says.

        So it is where the learning rate falls to the run's end. The distance of a few validation
        pieces moves more by chance than such a run does in its last epochs.
        """
        return False

    @property
    def phase(self) -> str:
        """What this epoch is, where it is not simply adversarial."""
        return ""

    @property
    def log_due(self) -> bool:
        """Whether what is logged on this batch will be seen: the trainer keeps every n-th, and an
        epoch's last.
        """
        number = self.trainer.fit_loop.total_batch_idx + 1
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set later on
        return self.trainer.is_last_batch or number % every == 0

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if not optimizer.param_groups:  # the trainer's stand-in where there is no optimizer
            return
        # here gradients are unscaled already; the trainer cannot clip under manual optimization
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        else:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        player = optimizer.param_groups[0]["player"]
        if not norm.isfinite():
            self._refuse_gradient(player)
        elif self.clip_norm is not None or self.log_due:
            rate = torch.full((), optimizer.param_groups[0]["lr"], device=self.device)
            self.log_train(**{f"grad_norm_{player}": norm, f"lr_{player}": rate})

    def _refuse_gradient(self, player: str) -> None:
        terms = self._terms.get(player, {})
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        # half precision looks for the largest scale that does: it leaves this step out, and goes on
        # with a smaller one, down to where scaling is not to blame
        if scaler is None or scaler.get_scale() < 1 or not_finite(terms):
            self.guard.refuse(self, describe(player, terms))

    def backward_loss(self, optimizer: LightningOptimizer, **terms: Tensor) -> None:
        """Take the gradients of a player's loss, the sum of these terms, for its optimizer's step.

        What a term is called here is what it is called if it goes wrong.
        """
        player = optimizer.param_groups[0]["player"]
        self._terms[player] = {name: term.detach() for name, term in terms.items()}
        optimizer.zero_grad()
        self.manual_backward(sum(terms.values(), torch.zeros((), device=self.device)))

    def set_lr(self, optimizer: LightningOptimizer, rate: float) -> None:
        """Set the learning rate that a schedule has come to; steps back have made it smaller."""
        for group in optimizer.param_groups:
            group["lr"] = rate * self.guard.rate

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        weights = {k: v for k, v in checkpoint["state_dict"].items() if v.is_floating_point()}
        if wrong := not_finite(weights):
            raise NonFiniteError(
                f"epoch {self.current_epoch + 1}: {wrong[0]} is not finite, so no checkpoint is "
                "written of it: start anew with a lower learning rate."
            )
        checkpoint["gan_music"] = {
            "schema": SCHEMA_VERSION,
            "version": full_version(),
            "max_rollbacks": self.guard.n_taken,
            "config": self.config,
            "codec": self.codec_state,
            "rng": random_state(),
        }
        if self.copy_filter is not None:
            checkpoint["gan_music"]["quotes"] = self.copy_filter.as_tensor()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._restored_rng = checkpoint["gan_music"]["rng"]
        self.guard.n_taken = checkpoint["gan_music"].get("max_rollbacks", 0)

    def on_train_epoch_start(self) -> None:
        if self.global_rank:
            self._draw_by(self.current_epoch)
        self.guard.keep(self)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch.x

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # as late as can be: whatever was drawn while the run was set up does not count
        if self._restored_rng is None:
            return
        if not self.global_rank:
            restore_random_state(self._restored_rng)
        elif batch_idx:
            self._draw_by(self.current_epoch, batch_idx)
        self._restored_rng = None

    def _draw_by(self, *numbers: int) -> None:
        """Seed a process that is not the first by the epoch, and by the batch where it goes on.

        So each has noise of its own, and resuming needs no state but the first one's.
        """
        seeds = np.random.SeedSequence((self.config.get("seed", 0), *numbers, self.global_rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))

    def over_processes(self, value: Tensor) -> Tensor:
        """The mean of a scalar over the processes of this run: the same in each."""
        return self.trainer.strategy.reduce(value, reduce_op="mean")

    def log_train(self, **values: Tensor) -> None:
        """Log scalars of this batch as ``train/<name>``."""
        self.log_dict({f"train/{name}": v.detach().float() for name, v in values.items()})


class MusicGAN(MusicModel):
    """Two players, ``g`` and ``d``, updated by hand in turn."""

    sampled_from: ClassVar[tuple[str, ...]] = ("generator.",)

    def __init__(
        self,
        settings: Any,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(settings, codec_state=codec_state, config=config, clip_norm=clip_norm)
        self.automatic_optimization = False

    @property
    def warm(self) -> bool:
        """Whether this is the warm start, where settings have one."""
        return self.current_epoch < getattr(self.settings, "warm_start_epochs", 0)

    @property
    def phase(self) -> str:
        return "warm start" if self.warm else ""

    def both_optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        """The generator's and the discriminator's, as the trainer wraps them."""
        opt_g, opt_d = self.optimizers()  # type: ignore[attr-defined]  # a list, as there are two
        return opt_g, opt_d


def adam(network: nn.Module, player: str, *, lr: float, betas: Sequence[float]) -> torch.optim.Adam:
    """Adam over a player's weights, in one group that carries the player's name."""
    return torch.optim.Adam(
        [{"params": network.parameters(), "player": player}], lr=lr, betas=(betas[0], betas[1])
    )
