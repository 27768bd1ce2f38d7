"""The training loop."""

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from sparsight.controllers.controller import FROZEN, Controller
from sparsight.core import SAE, Augmentation, Batch, Constraint, Corruption, Facts, Logged, Observer, Source, Term
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.meters.quality import evaluate
from sparsight.objective import Measured, Objective, Outcome
from sparsight.optimise import TrainConfig, learning_rate, make_optimizer
from sparsight.run import Run

DEAD_EVERY = 8
"""Steps between two looks at which features are dead."""
OPEN_ENDED = 10_000
"""Steps that the learning rate's rule expects where there is no last one."""


class NonFiniteLossError(SparsightError):
    """The loss is NaN or infinite; the weights are those of the step before."""


class Trainer:
    """Moves the weights of an SAE down the sum of its terms.

    All randomness is a function of (seed, step), so a trainer that is given its `state_dict` back goes on with the
    same bits.

    Args:
        sae: initialised; it is trained in place.
        terms: by name; see `Objective`.
        config: how.
        facts: what was measured of the training data.
        constraints: what keeps the weights where they must be.
        corruption: noise on the inputs.
        augmentations: changes of the samples.
        seed: of noise.
        data_seed: of order and augmentation; None: the same.
        open_ended: there is no last step: the learning rate is constant, and all schedules are at their end.
    """

    def __init__(
        self,
        sae: SAE,
        terms: Mapping[str, Term],
        config: TrainConfig,
        facts: Facts,
        *,
        constraints: Sequence[Constraint] = (),
        corruption: Corruption | None = None,
        augmentations: Sequence[Augmentation] = (),
        seed: int = 0,
        data_seed: int | None = None,
        open_ended: bool = False,
    ) -> None:
        self.open_ended = open_ended
        self.sae, self.config, self.facts = sae, config, facts
        self.data_seed = seed if data_seed is None else data_seed
        self.constraints = constraints
        self.controller: Controller | None = None
        """Turns a knob until a measure is where it should be."""
        self.world = World.current()
        self.device = sae.b_dec.device
        self.objective = Objective(
            sae,
            terms,
            facts,
            corruption=corruption,
            augmentations=augmentations,
            seed=seed,
            data_seed=self.data_seed,
            micro_batch_size=config.micro_batch_size,
        )
        self.batch_size = facts.batch_size
        self.steps = max(1, math.ceil(config.epochs * facts.n_samples / self.batch_size))
        self.parameters = list(sae.parameters())
        self.lr = learning_rate(config, sae, OPEN_ENDED if open_ended else self.steps)
        self.optimizer = make_optimizer(sae, config, self.lr, facts)
        self.number = self.saved = 0
        self.idle = torch.zeros(sae.n_latents, dtype=torch.long, device=self.device)
        self.dead: Tensor | None = None
        self.best: dict[str, Any] = {"error": math.inf, "waited": 0, "weights": None}
        self.seconds = 0.0
        self.measured: Measured | None = None

    @property
    def progress(self) -> float:
        """How much of the training is done, 0 to 1."""
        return 1.0 if self.open_ended else self.number / self.steps

    def step(self, batch: Batch, *, measure: bool = False) -> None:
        """One optimiser step on this process's share of a batch.

        Args:
            batch: raw samples.
            measure: also find each term's value and share of the gradient, for `logged`. Nothing else changes.

        Raises:
            NonFiniteLossError: before the weights are touched.
        """
        if not self.sae.training:
            self.sae.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._lr() * group["share"]
        first: Outcome | None = None
        if measure:
            weights = {name: term.now(self.progress) for name, term in self.objective.terms.items()}
            self.measured = Measured(self.sae, weights)

        def closure() -> Tensor:
            nonlocal first
            for parameter in self.parameters:
                parameter.grad = None
            log = self.measured if measure and first is None else None
            outcome = self.objective.gradient(batch, self.progress, self.dead, log)
            if first is None:
                self._check(outcome)
                first = outcome
                self.sae.activation.learn()
            self.world.mean_gradients_(self.parameters)
            for constraint in self.constraints:
                constraint.before_step(self.sae)
            if self.config.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
            return outcome.loss

        self.optimizer.step(cast(Any, closure))
        for constraint in self.constraints:
            constraint.after_step(self.sae)
        assert first is not None
        self.objective.averages.update(first.averages)
        self._count(first.fired, batch.size)
        self.number += 1
        if self.controller is not None:
            self.controller.after_step(self.number, None if self.open_ended else self.steps)

    def _lr(self) -> float:
        config, progress = self.config, self.progress
        if self.open_ended:
            return self.lr
        rise = min(1.0, (self.number + 1) / (config.warmup * self.steps)) if config.warmup else 1.0
        return self.lr * rise * (min(1.0, (1 - progress) / config.decay) if config.decay else 1.0)

    def _check(self, outcome: Outcome) -> None:
        # elsewhere than on a CPU looking costs a wait, so there it is done when logging
        look = self.device.type == "cpu" or self.number % self.config.log_every == 0
        if look and not math.isfinite(outcome.loss.item()):
            values = outcome.values
            bad = [name for name, value in values.items() if not torch.isfinite(value)] or list(values)
            raise NonFiniteLossError(
                f"the loss is {outcome.loss.item()} at step {self.number}, by the term {' and '.join(bad)}: "
                "training stopped before that step; a lower train.lr is the first thing to try"
            )

    def _count(self, fired: Tensor, samples: int) -> None:
        if self.world.size > 1:
            fired = self.world.sum_(fired.long()) > 0
        self.idle += samples
        self.idle.masked_fill_(fired, 0)
        if self.number % DEAD_EVERY == 0:
            dead = self._idle_too_long()
            self.dead = dead if dead.any() else None

    def _idle_too_long(self) -> Tensor:
        return self.idle > self.config.dead_after

    @property
    def n_dead(self) -> int:
        """How many features have been idle for more than `dead_after` samples."""
        return int(self._idle_too_long().sum())

    def logged(self, lr: float, held_out: dict[str, float]) -> Logged:
        """The log line of the step that was just measured."""
        measured, power = self.measured, self.facts.power
        assert measured is not None
        if self.world.size > 1:
            measured.mean_(self.world)
        terms = measured.terms()
        return Logged(
            step=self.number,
            steps=self.steps,
            samples=self.number * self.batch_size,
            epoch=self.number * self.batch_size / self.facts.n_samples,
            seconds=self.seconds,
            lr=lr,
            loss=sum(term["loss"] for term in terms.values()),
            terms=terms,
            explained_variance=1 - float(measured.squares) / power if power else math.nan,
            l0=float(measured.l0),
            mean_activity=float(measured.mean_activity),
            dead=self.n_dead,
            held_out=held_out,
        )

    def fit(
        self,
        source: Source,
        run: Run | None = None,
        observers: Sequence[Observer] = (),
        held_out: Source | None = None,
    ) -> str:
        """Train from where the trainer stands to the end.

        Ctrl-C ends it after the step under way, with a checkpoint.

        Returns:
            Why it ended: `finished`, `early stop` or `interrupted`.

        Raises:
            NonFiniteLossError: the loss is no number; the last checkpoint is kept.
        """
        batches = source.batches(self.batch_size, self.data_seed, self.number, self.world)
        with interruptible() as interrupted, closing(batches):
            while not self.ended and not interrupted.is_set():
                self.advance(next(batches), run, observers, held_out)
        return self.close(run, observers)

    @property
    def ended(self) -> bool:
        """Whether there is no step left to do."""
        return self.number >= self.steps or self._early

    def advance(self, batch: Batch, run: Run | None, observers: Sequence[Observer], held_out: Source | None) -> None:
        """One step of `fit`, with the log, evaluation and checkpoint that are due after it."""
        config = self.config
        start = time.perf_counter() - self.seconds
        per_epoch = max(1, math.ceil(self.facts.n_samples / self.batch_size))
        upcoming = self.number + 1
        end = upcoming == self.steps
        look = held_out is not None and (upcoming % (config.evaluate_every or per_epoch) == 0 or end)
        log = upcoming % config.log_every == 0 or look or end
        lr = self._lr()
        self.step(batch, measure=log)
        self.seconds = time.perf_counter() - start
        if log:
            found = evaluate(self.sae, held_out.glance()) if look and held_out is not None else {}
            self._remember(found)
            line = self.logged(lr, found)
            if run is not None and self.world.rank == 0:
                run.append(line)
            for observer in observers:
                observer.on_log(line)
        if self.ended or self.number % (config.checkpoint_every or min(per_epoch, 1_000)) == 0:
            self._save(run, observers)
        self.seconds = time.perf_counter() - start

    def close(self, run: Run | None, observers: Sequence[Observer]) -> str:
        """What `fit` does at its end, or when it is interrupted; it says which of them."""
        reason = "early stop" if self._early else "finished" if self.ended else "interrupted"
        if self.saved != self.number:
            self._save(run, observers)
        if self.best["weights"] is not None and reason != "interrupted":
            self.sae.load_state_dict(self.best["weights"])
        self.sae.eval()
        for observer in observers:
            observer.on_end(reason)
        return reason

    def _save(self, run: Run | None, observers: Sequence[Observer]) -> None:
        if run is not None and self.world.rank == 0:
            run.checkpoint(self.number, self.state_dict())
            for observer in observers:
                observer.on_checkpoint(self.number)
        self.saved = self.number

    @property
    def _early(self) -> bool:
        """Whether held-out samples have not got better for too long."""
        return self.config.patience is not None and self.best["waited"] >= self.config.patience

    def _remember(self, found: Mapping[str, float]) -> None:
        turning = self.controller is not None and self.progress < 1 - FROZEN  # the error falls where codes are many
        if self.config.patience is None or not found or turning:
            return
        if found["error"] < self.best["error"]:
            weights = {name: tensor.clone() for name, tensor in self.sae.state_dict().items()}
            self.best = {"error": found["error"], "waited": 0, "weights": weights}
        else:
            self.best = {**self.best, "waited": self.best["waited"] + 1}

    def state_dict(self) -> dict[str, Any]:
        """All that goes on changing: tensors and plain values, nested."""
        return {
            "number": self.number,
            "seconds": self.seconds,
            "model": self.sae.described(),
            "sae": self.sae.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "idle": self.idle,
            "dead": self.dead,
            "averages": self.objective.averages,
            "best": self.best,
            "controller": None if self.controller is None else self.controller.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state_dict` was taken."""
        self.number, self.seconds = state["number"], state["seconds"]
        self.saved = self.number
        self.sae.load_state_dict(state["sae"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.idle = state["idle"].to(self.device)
        self.dead = None if state["dead"] is None else state["dead"].to(self.device)
        self.objective.averages = {name: average.to(self.device) for name, average in state["averages"].items()}
        self.best = dict(state["best"])
        if self.controller is not None:
            self.controller.load_state_dict(state["controller"])


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C sets an event instead of tearing a step apart; a second one tears."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
