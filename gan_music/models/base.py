"""The interface of every model (training hooks, checkpoints, sampling), and the base of GANs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from numpy.typing import NDArray
from torch import Tensor, nn

from gan_music.checkpoints.migrations import SCHEMA_VERSION
from gan_music.data.batch import Batch
from gan_music.decoding.copy_filter import CopyFilter
from gan_music.decoding.event_decoding import EventDecoding
from gan_music.decoding.request import SampleRequest
from gan_music.losses.adversarial import BCE, AdversarialLoss, Critic
from gan_music.models.nan_guard import NaNGuard, NonFiniteError, describe, not_finite
from gan_music.models.random_state import random_state, restore_random_state
from gan_music.music.bars import from_its_opening
from gan_music.music.piece import Piece
from gan_music.optim.optimizers import OptimizerBuilder
from gan_music.optim.schedules import Schedule
from gan_music.representations.base import Representation
from gan_music.system.errors import UserError
from gan_music.system.version import full_version


class MusicModel(LightningModule):
    """A model of music that can be trained and sampled from.

    Parameters
    ----------
    settings : the model's own settings, validated; a subclass names their class.
    representation : encodes the batches and decodes samples; its state is saved in checkpoints.
    config : settings of the whole run as plain values, saved in checkpoints.
    clip_norm : the largest gradient norm of a network, which larger ones are scaled down to; None
        clips nothing.
    copy_filter : n-grams of the training pieces, by which samples that copy are rejected; saved in
        checkpoints.
    max_rollbacks : rollbacks of :class:`~gan_music.models.nan_guard.NaNGuard`.
    decoding : how a model of events decodes.
    optimizer : builds the optimizer of each network; None: the model's own.
    schedule : of all learning rates, over the whole run; None: the model's own.
    """

    # of the values beside ``_target_``, for a model from outside the package
    Settings: ClassVar[type | None] = None
    # names of the representations that it can be trained on
    reads: ClassVar[tuple[str, ...]] = ("note_events",)
    # prefixes of the weights that ``sample`` reads; an exported checkpoint has no others
    sampled_from: ClassVar[tuple[str, ...]] = ("",)
    # what samples depend on; a request for a meter, a primer or a label is refused otherwise
    has_temperature: ClassVar[bool] = True
    has_meter: ClassVar[bool] = True
    has_primer: ClassVar[bool] = True
    takes_labels: ClassVar[tuple[str, ...]] = ()
    # whether it is trained with an adversarial loss of ``conf/loss``
    takes_loss: ClassVar[bool] = False

    def __init__(
        self,
        settings: Any,
        *,
        representation: Representation,
        config: dict[str, Any] | None = None,
        clip_norm: float | None = None,
        copy_filter: CopyFilter | None = None,
        max_rollbacks: int = 0,
        decoding: EventDecoding | None = None,
        optimizer: OptimizerBuilder | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.representation = representation
        self.config = config or {}
        self.clip_norm = clip_norm
        self.copy_filter = copy_filter
        self.guard = NaNGuard(max_rollbacks)
        self.decoding = decoding or EventDecoding()
        self.optimizer_builder, self.schedule = optimizer, schedule
        self.n_clipped = 0  # values of the last samples that no MIDI file can hold
        self._loss_terms: dict[str, dict[str, Tensor]] = {}  # by network, on this batch
        self._restored_rng: dict[str, Any] | None = None

    @property
    def label(self) -> str:
        """What it is called in messages: its settings' name, or that of its class."""
        return str(getattr(self.settings, "name", type(self).__name__))

    def sample(self, request: SampleRequest) -> list[Piece]:
        """Sample pieces, all at once; see :meth:`batches`."""
        return [piece for batch in self.batches(request) for piece in batch]

    def batches(self, request: SampleRequest) -> Iterator[list[Piece]]:
        """Sample pieces, as they are done; the global random state is left as it was.

        They start where their music begins (:func:`gan_music.music.bars.opening`).

        Raises
        ------
        UserError
            If the request has a meter, a primer or labels that this model does not take.
        """
        asked = {"meter": request.meter, "continue_from": request.primer, **request.labels}
        taken = {"meter": self.has_meter, "continue_from": self.has_primer}
        taken |= dict.fromkeys(self.takes_labels, True)
        for key, value in asked.items():
            if value is not None and not taken.get(key, False):
                raise UserError(
                    f"model={self.label} does not take {key}: leave {key} out, or "
                    "name a checkpoint of another model."
                )
        return ([from_its_opening(p) for p in batch] for batch in self._batches(request))

    @abstractmethod
    def _sample(self, request: SampleRequest) -> list[Piece]:
        """Sample pieces as :meth:`sample` does; the request is one that the model takes."""

    def _batches(self, request: SampleRequest) -> Iterator[list[Piece]]:
        """The same as :meth:`batches` does; all pieces at once, unless a model can do better."""
        pieces = self._sample(request)
        request.advance(request.n_pieces * request.length)
        yield pieces

    def decode(self, encoded: Iterable[NDArray[Any]], request: SampleRequest) -> list[Piece]:
        """Pieces of encoded arrays, one for each; counts clipped values in ``n_clipped``."""
        decoded = [
            self.representation.decode(x, tempo=request.tempo, name=f"sample {number}")
            for number, x in enumerate(encoded, 1)
        ]
        self.n_clipped = sum(d.n_clipped for d in decoded)
        return [d.piece for d in decoded]

    @property
    def n_weights(self) -> dict[str, int]:
        """The number of trainable weights, of the ``generator`` and of ``all_networks``.

        EMA weights and n-gram counts are not trainable.
        """
        trained = {name: p.numel() for name, p in self.named_parameters() if p.requires_grad}
        generator = [n for name, n in trained.items() if name.startswith("generator.")]
        return {"generator": sum(generator), "all_networks": sum(trained.values())}

    @property
    def keeps_last(self) -> bool:
        """Whether the last checkpoint is the best one, whatever validation measures.

        So it is with a learning rate that decays to the end of the run: in its last epochs the
        distance of a few validation pieces changes by chance more than by training.
        """
        return False

    @property
    def phase(self) -> str:
        """The phase of training in this epoch, where it has a name."""
        return ""

    @property
    def log_due(self) -> bool:
        """Whether the trainer keeps this batch's logs: every n-th batch's, and an epoch's last."""
        batch_number = self.trainer.fit_loop.total_batch_idx + 1
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set later on
        return self.trainer.is_last_batch or batch_number % every == 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log figures of held-out windows as ``val/<name>``; by default none."""

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if not optimizer.param_groups:  # the trainer's stand-in where there is no optimizer
            return
        # here, since gradients are unscaled and the trainer clips none under manual optimization
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        else:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        network = optimizer.param_groups[0]["network"]
        if not norm.isfinite():
            self._reject_gradient(network)
        elif self.clip_norm is not None or self.log_due:
            lr = torch.full((), optimizer.param_groups[0]["lr"], device=self.device)
            self.log_train(**{f"grad_norm_{network}": norm, f"lr_{network}": lr})

    def _reject_gradient(self, network: str) -> None:
        terms = self._loss_terms.get(network, {})
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        # float16 searches for the largest loss scale: the scaler skips this step and lowers the
        # scale; below 1, scaling is not the cause
        if scaler is None or scaler.get_scale() < 1 or not_finite(terms):
            self.guard.reject(describe(network, terms), self, self.trainer)

    def backward_loss(self, optimizer: LightningOptimizer, **terms: Tensor) -> None:
        """Backpropagate the sum of a network's loss terms; error messages use their names."""
        network = optimizer.param_groups[0]["network"]
        self._loss_terms[network] = {name: term.detach() for name, term in terms.items()}
        optimizer.zero_grad()
        self.manual_backward(sum(terms.values(), torch.zeros((), device=self.device)))

    def build_optimizer(
        self, network: nn.Module, name: str, *, lr: float, default: OptimizerBuilder
    ) -> torch.optim.Optimizer:
        """The optimizer of a network, ``g`` or ``d``: the chosen one, or else the model's own."""
        return (self.optimizer_builder or default)(network, name, lr=lr)

    def set_lr(self, optimizer: LightningOptimizer, lr: float, *factors: float) -> None:
        """Set a learning rate times the factor of the chosen schedule, or else times ``factors``,
        those of the model's own schedule; rollbacks scale the product.
        """
        if self.schedule is not None:
            total = int(self.trainer.num_training_batches) * (self.trainer.max_epochs or 1)
            factors = (self.schedule(self.trainer.fit_loop.total_batch_idx, total),)
        for factor in (*factors, self.guard.lr_factor):
            lr *= factor
        for group in optimizer.param_groups:
            group["lr"] = lr

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        weights = {k: v for k, v in checkpoint["state_dict"].items() if v.is_floating_point()}
        if wrong := not_finite(weights):
            raise NonFiniteError(
                f"epoch {self.current_epoch + 1}: {wrong[0]} is not finite, so no checkpoint is "
                "written of it: start a new run with a lower learning rate."
            )
        checkpoint["gan_music"] = {
            "schema": SCHEMA_VERSION,
            "version": full_version(),
            "n_rollbacks": self.guard.n_rollbacks,
            "config": self.config,
            "representation": self.representation.state(),
            "rng": random_state(),
        }
        if self.copy_filter is not None:
            checkpoint["gan_music"]["copy_filter"] = self.copy_filter.as_tensor()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._restored_rng = checkpoint["gan_music"]["rng"]
        self.guard.n_rollbacks = checkpoint["gan_music"]["n_rollbacks"]

    def on_train_epoch_start(self) -> None:
        if self.global_rank:
            self._seed_rank(self.current_epoch)
        self.guard.save(self, self.trainer)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # as late as possible, so that draws while the run was set up have no effect
        if self._restored_rng is None:
            return
        if not self.global_rank:
            restore_random_state(self._restored_rng)
        elif batch_idx:
            self._seed_rank(self.current_epoch, batch_idx)
        self._restored_rng = None

    def _seed_rank(self, *numbers: int) -> None:
        """Seed a process of rank above 0 by the epoch, and by the batch if it resumes within one.

        So each process has its own noise, and a checkpoint needs the random state of rank 0 alone.
        """
        seeds = np.random.SeedSequence((self.config.get("seed", 0), *numbers, self.global_rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))

    def mean_over_ranks(self, value: Tensor) -> Tensor:
        """The mean of a scalar over the processes of this run."""
        return self.trainer.strategy.reduce(value, reduce_op="mean")

    def log_train(self, **values: Tensor) -> None:
        """Log scalars of this batch as ``train/<name>``."""
        self.log_dict({f"train/{name}": v.detach().float() for name, v in values.items()})


class MusicGAN(MusicModel):
    """A generator (``g``) and a discriminator (``d``), updated in turn by manual optimization.

    Parameters
    ----------
    loss : the adversarial loss; None: BCE.
    """

    sampled_from: ClassVar[tuple[str, ...]] = ("generator.",)

    takes_loss: ClassVar[bool] = True

    def __init__(
        self, *arguments: Any, loss: AdversarialLoss | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.automatic_optimization = False
        self.adversarial_loss = loss or BCE()

    @property
    def is_warm_start(self) -> bool:
        """Whether this epoch is one of likelihood pre-training, where settings have any."""
        return self.current_epoch < getattr(self.settings, "warm_start_epochs", 0)

    @property
    def phase(self) -> str:
        return "warm start" if self.is_warm_start else ""

    def both_optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        """The generator's and the discriminator's, as the trainer wraps them."""
        opt_g, opt_d = self.optimizers()  # type: ignore[attr-defined]  # a list, as there are two
        return opt_g, opt_d

    def discriminator_terms(
        self,
        score_real: Tensor,
        score_fake: Tensor,
        *,
        critic: Critic,
        inputs: Callable[[], tuple[Tensor, Tensor]],
        smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """The terms of a discriminator's loss, of its logits.

        A loss with a penalty asks for the real and fake ``inputs`` of ``critic``, both
        ``[B, ...]``.
        """
        loss = self.adversarial_loss
        terms = {"loss_d": loss.discriminator(score_real, score_fake, smoothing=smoothing)}
        if loss.gradient_penalty:
            terms["penalty_d"] = loss.penalty(critic, *inputs())
        return terms

    def log_discriminator(self, terms: dict[str, Tensor], real: Tensor, fake: Tensor) -> None:
        """Log a discriminator's loss terms, and what its loss tells of real and fake logits."""
        self.log_train(**terms, **self.adversarial_loss.logs(real.detach(), fake.detach()))

    def log_validation_score(self, logits: Tensor) -> None:
        """Log the mean of the discriminator's logits of held-out examples, ``[B, ...]``."""
        loss = self.adversarial_loss
        self.log(f"val/{loss.scale}_real", loss.mean(logits), batch_size=len(logits))
