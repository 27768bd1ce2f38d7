"""The training loop."""

import functools
import math
import signal
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from sparsight.controllers.controller import FROZEN, Controller
from sparsight.core import (
    SAE,
    Augmentation,
    Batch,
    Constraint,
    Corruption,
    Facts,
    Gradients,
    Logged,
    Observer,
    SampleTerm,
    Source,
    StatisticTerm,
    Step,
    Term,
)
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.meters.quality import evaluate
from sparsight.optimise import TrainConfig, learning_rate, make_optimizer
from sparsight.run import Run
from sparsight.spec import describe

DEAD_EVERY = 8
"""Steps between two looks at which features are dead."""
OPEN_ENDED = 10_000
"""Steps that the learning rate's rule expects where there is no last one."""


class NonFiniteLossError(SparsightError):
    """The loss is NaN or infinite; the weights are those of the step before."""


def added(values: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Σ weight · value."""
    (name, value), *rest = values.items()
    total = weights[name] * value
    for name, value in rest:
        total = torch.add(total, value, alpha=weights[name])
    return total


class Trainer:
    """Moves the weights of an SAE down the sum of its terms.

    All randomness is a function of (seed, step), so a trainer that is given its `state_dict` back goes on with the
    same bits.

    Args:
        sae: initialised; it is trained in place.
        terms: by name; those that have nothing to act on are left out, and `notes` says so.
        config: how.
        facts: what was measured of the training data.
        constraints: what keeps the weights where they must be.
        corruption: noise on the inputs.
        augmentations: changes of the samples.
        seed: of noise.
        data_seed: of order and augmentation; None: the same.
        controller: turns a knob until a measure is where it should be.
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
        controller: Controller | None = None,
        open_ended: bool = False,
    ) -> None:
        self.open_ended = open_ended
        self.sae, self.config, self.facts, self.seed = sae, config, facts, seed
        self.data_seed = seed if data_seed is None else data_seed
        self.constraints, self.corruption, self.controller = constraints, corruption, controller
        self.world = World.current()
        self.device = sae.b_dec.device
        self.notes: list[str] = []
        self.terms = {name: term for name, term in terms.items() if self._keep(term.check(sae, facts))}
        self.augmentations = [a for a in augmentations if self._keep(self._unfit(a))]
        self.needs = frozenset().union(*(term.needs for term in self.terms.values()))
        self.batch_size = facts.batch_size
        self.steps = max(1, math.ceil(config.epochs * facts.n_samples / self.batch_size))
        self.parameters = list(sae.parameters())
        self.lr = learning_rate(config, sae, OPEN_ENDED if open_ended else self.steps)
        self.optimizer = make_optimizer(sae, config, self.lr)
        self.number = self.saved = 0
        self.idle = torch.zeros(sae.n_latents, dtype=torch.long, device=self.device)
        self.dead: Tensor | None = None
        self.averages: dict[str, Tensor] = {}
        self.best: dict[str, Any] = {"error": math.inf, "waited": 0, "weights": None}
        self.seconds = 0.0
        self.last: dict[str, Any] = {}

    def _unfit(self, augmentation: Augmentation) -> str | None:
        if self.facts.schema.n_targets is not None:
            return f"{describe(augmentation)['name']} is left out: it would change the inputs, and not their targets"
        return augmentation.check(self.facts.schema)

    def _keep(self, note: str | None) -> bool:
        if note is not None and note not in self.notes:
            self.notes.append(note)
        return note is None

    @property
    def progress(self) -> float:
        """How much of the training is done, 0 to 1."""
        return 1.0 if self.open_ended else self.number / self.steps

    def step(self, batch: Batch, *, measure: bool = False) -> None:
        """One optimiser step on this process's share of a batch.

        Args:
            batch: raw samples.
            measure: also find each term's value and share of the gradient, in `last`. Nothing else changes.

        Raises:
            NonFiniteLossError: before the weights are touched.
        """
        if not self.sae.training:
            self.sae.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._lr()
        size = self.config.micro_batch_size or len(batch)
        whole = size >= len(batch)
        parts = [batch] if whole else [batch.part(slice(i, i + size)) for i in range(0, len(batch), size)]
        acting = {name: term for name, term in self.terms.items() if not term.silent(self.dead)}
        closed = self.sae.closed_form and all(term.closed_form for term in acting.values())
        fired: list[Tensor] = []
        averages: dict[str, Tensor] = {}
        first = True

        def closure() -> Tensor:
            nonlocal first
            for parameter in self.parameters:
                parameter.grad = None
            self.sae.activation.cut = self._cut(parts)
            means = self._means(acting, parts) if len(parts) > 1 else {}
            losses: list[Tensor] = []
            for part in parts:
                share = len(part) / len(batch)
                weights = {name: term.now(self.progress) * share for name, term in acting.items()}
                if closed:
                    step, values = self._pull_back(part, acting, weights)
                else:
                    step = self._forward(part)
                    values = self._values(acting, step, means, averages if first else {})
                loss = added(values, weights)
                if first:
                    self._check(loss, values)
                    fired.append(step.codes.fires())
                    if measure:
                        if closed:  # the share of each term in the gradient is autograd's to find
                            step = self._forward(part)
                            values = self._values(acting, step, means, {})
                        self._measure(step, values, share, part is parts[0])
                if not closed:
                    loss.backward()
                losses.append(loss.detach())
            if first:
                self.sae.activation.learn()
            self.world.mean_gradients_(self.parameters)
            for constraint in self.constraints:
                constraint.before_step(self.sae)
            if self.config.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
            first = False
            return losses[0] if whole else torch.stack(losses).sum()  # L-BFGS alone asks for its number

        try:
            self.optimizer.step(cast(Any, closure))
        finally:
            self.sae.activation.cut = None
        for constraint in self.constraints:
            constraint.after_step(self.sae)
        self.averages.update(averages)
        self._count(fired, batch.size)
        self.number += 1
        if self.controller is not None:
            self.controller.after_step(self.number, None if self.open_ended else self.steps)

    def _zero(self) -> Tensor:
        return torch.zeros((), device=self.device)

    def _lr(self) -> float:
        config, progress = self.config, self.progress
        if self.open_ended:
            return self.lr
        rise = min(1.0, (self.number + 1) / (config.warmup * self.steps)) if config.warmup else 1.0
        return self.lr * rise * (min(1.0, (1 - progress) / config.decay) if config.decay else 1.0)

    @torch.no_grad()
    def _cut(self, parts: Sequence[Batch]) -> Any:
        """Which codes are kept where that depends on the whole batch, and no forward pass sees it: a first pass."""
        activation = self.sae.activation
        if not activation.joint or (len(parts) == 1 and self.world.size == 1):
            return None
        return activation.common_cut(
            lambda: (self.sae.pre(self._seen(part)[0]) for part in parts), parts[0].size, self.world
        )

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the encoder sees, and what must be rebuilt, [B, D]."""
        x, target = batch.once(self._made_by, lambda: self._units(batch))
        return x if self.corruption is None else self.corruption(x, batch, self.seed), target

    def _forward(self, batch: Batch) -> Step:
        x, target = self._seen(batch)
        weight = batch.weight
        weight = None if weight is None else weight.to(target)
        self.sae.activation.advance(self.progress, batch, self.seed)
        return self.sae.run(x, target, needs=self.needs, dead=self.dead, weight=weight, progress=self.progress)

    def _units(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Inputs and targets: augmented, and in the units of the model."""
        inputs = batch.inputs.to(self.sae.b_dec)
        for augmentation in self.augmentations:
            inputs = augmentation(inputs, batch, self.facts.schema, self.data_seed)
        return self.sae.units(inputs, batch.targets)

    @functools.cached_property
    def _made_by(self) -> Hashable:
        """All that decides what `_units` makes of a batch."""
        parts = [describe(part) for part in (*self.augmentations, *self.sae.preprocess)]
        return (repr(parts), self.data_seed, self.device, self.sae.b_dec.dtype)

    @torch.no_grad()
    def _pull_back(
        self, batch: Batch, terms: Mapping[str, Term], weights: Mapping[str, float]
    ) -> tuple[Step, dict[str, Tensor]]:
        """The forward pass and the value of every term, and the gradient of their weighted sum by closed forms."""
        step = self._forward(batch)
        total = Gradients()
        values = {name: term.pull_back(step, self.sae, weights[name], total) for name, term in terms.items()}
        self.sae.pull_back(step, total)
        return step, values

    def _values(
        self, terms: Mapping[str, Term], step: Step, means: Mapping[str, Tensor], averages: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The value of every term, with the gradient of this share of the batch."""
        values = {}
        for name, term in terms.items():
            if isinstance(term, StatisticTerm):
                values[name] = term.value(self._whole(name, term, step, means, averages), self.sae)
            else:
                assert isinstance(term, SampleTerm)
                values[name] = step.mean(term.per_sample(step, self.sae))
        return values

    def _whole(
        self, name: str, term: StatisticTerm, step: Step, means: Mapping[str, Tensor], averages: dict[str, Tensor]
    ) -> Tensor | None:
        """A statistic with the value of the whole batch, or of its moving average, and the gradient of this share."""
        own = term.statistic(step, self.sae)
        memory = term.memory(self.batch_size)
        if own is None or (self.world.size == 1 and name not in means and not memory):
            return own
        mean = means[name] if name in means else self.world.mean_(own.detach().clone())
        if memory and mean.numel():
            mean = averages[name] = torch.lerp(mean, self.averages.get(name, mean), memory)
        return mean + (own - own.detach())

    @torch.no_grad()
    def _means(self, acting: Mapping[str, Term], parts: Sequence[Batch]) -> dict[str, Tensor]:
        """Each statistic over all micro-batches and processes: a first pass, without gradients."""
        terms = {name: term for name, term in acting.items() if isinstance(term, StatisticTerm)}
        total = sum(len(part) for part in parts)
        means: dict[str, Tensor] = {}
        if not any(term.needs - {"weights"} for term in terms.values()):
            return means
        for part in parts:
            step = self._forward(part)
            for name, term in terms.items():
                own = term.statistic(step, self.sae)
                if own is not None:
                    means[name] = means.get(name, 0) + own * (len(part) / total)
        return {name: self.world.mean_(mean) for name, mean in means.items()}

    def _check(self, loss: Tensor, values: Mapping[str, Tensor]) -> None:
        # elsewhere than on a CPU looking costs a wait, so there it is done when logging
        if (self.device.type == "cpu" or self.number % self.config.log_every == 0) and not math.isfinite(loss.item()):
            bad = [name for name, value in values.items() if not torch.isfinite(value)] or list(values)
            raise NonFiniteLossError(
                f"the loss is {loss.item()} at step {self.number}, by the term {' and '.join(bad)}: "
                "training stopped before that step; a lower train.lr is the first thing to try"
            )

    def _measure(self, step: Step, values: Mapping[str, Tensor], share: float, fresh: bool) -> None:
        """Add up what a log line says of this batch, part by part."""
        groups = self.sae.groups()
        parameters = [p for group in groups.values() for p in group]
        if fresh:
            self.last = {"l0": 0.0, "mean_activity": 0.0, "squares": 0.0}
            self.last["values"] = {name: self._zero() for name in self.terms}
            self.last["gradients"] = {name: [torch.zeros_like(p) for p in parameters] for name in self.terms}
        for name, value in values.items():
            self.last["values"][name] += share * value.detach().double()
            weighted = self.terms[name].now(self.progress) * share * value
            if weighted.requires_grad:
                found = torch.autograd.grad(weighted, parameters, retain_graph=True, allow_unused=True)
                for total, gradient in zip(self.last["gradients"][name], found, strict=True):
                    if gradient is not None:
                        total += gradient
        self.last["l0"] += share * step.mean(step.codes.l0().double())
        self.last["mean_activity"] += share * step.mean_codes().detach().double().mean()
        self.last["squares"] += share * step.mean((step.recon - step.target).detach().square().sum(1).double())

    def _count(self, fired: Sequence[Tensor], samples: int) -> None:
        anywhere = fired[0] if len(fired) == 1 else torch.stack(list(fired)).any(0)
        if self.world.size > 1:
            anywhere = self.world.sum_(anywhere.long()) > 0
        self.idle += samples
        self.idle.masked_fill_(anywhere, 0)
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
        if self.world.size > 1:
            for key in ("l0", "mean_activity", "squares"):
                self.world.mean_(self.last[key])
            for name, gradients in self.last["gradients"].items():
                self.world.mean_(self.last["values"][name])
                for gradient in gradients:
                    self.world.mean_(gradient)
        names = [group for group, parameters in self.sae.groups().items() for _ in parameters]
        sizes: dict[str, dict[str, float]] = {}
        for name, gradients in self.last["gradients"].items():
            squares = dict.fromkeys(names, 0.0)
            for group, gradient in zip(names, gradients, strict=True):
                squares[group] += float(gradient.double().square().sum())
            sizes[name] = {group: math.sqrt(square) for group, square in squares.items()}
        sums = {group: sum(size[group] for size in sizes.values()) for group in names}
        before = 1.0 if self.open_ended else (self.number - 1) / self.steps
        terms = {
            name: {
                "value": float(self.last["values"][name]),
                "weight": term.now(before),
                "loss": term.now(before) * float(self.last["values"][name]),
                "share": {group: sizes[name][group] / sums[group] if sums[group] else 0.0 for group in sums},
            }
            for name, term in self.terms.items()
        }
        power = self.facts.power
        return Logged(
            step=self.number,
            steps=self.steps,
            samples=self.number * self.batch_size,
            epoch=self.number * self.batch_size / self.facts.n_samples,
            seconds=self.seconds,
            lr=lr,
            loss=sum(term["loss"] for term in terms.values()),
            terms=terms,
            explained_variance=1 - float(self.last["squares"]) / power if power else math.nan,
            l0=float(self.last["l0"]),
            mean_activity=float(self.last["mean_activity"]),
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
        with interruptible() as interrupted:
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
            found = evaluate(self.sae, held_out) if look and held_out is not None else {}
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
            "sae": self.sae.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "idle": self.idle,
            "dead": self.dead,
            "averages": self.averages,
            "best": self.best,
            "controller": None if self.controller is None else self.controller.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state_dict` was taken."""
        self.number, self.seconds = state["number"], state["seconds"]
        self.saved = self.number
        self.sae.load_state_dict(state["sae"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.idle, self.dead = state["idle"], state["dead"]
        self.averages, self.best = dict(state["averages"]), dict(state["best"])
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
