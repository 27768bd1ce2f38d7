"""What is made small: the sum of the terms over a batch, with its gradient."""

import functools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from sparsight.core import (
    SAE,
    Augmentation,
    Batch,
    Corruption,
    Facts,
    Gradients,
    SampleTerm,
    StatisticTerm,
    Step,
    Term,
)
from sparsight.distributed import World
from sparsight.spec import describe


@dataclass(frozen=True)
class Outcome:
    """What one pass over this process's share of a batch found."""

    loss: Tensor
    values: dict[str, Tensor]
    """Of every term that acts, without its weight; over micro-batches, the mean."""
    fired: Tensor  # [F], bool
    averages: dict[str, Tensor]
    """Moving averages of statistics, with this batch in them."""


class Measured:
    """What a log line says of a batch, added up part by part.

    Args:
        sae: whose gradients are shared out.
        weights: of every term, by name, those that are silent included.
    """

    def __init__(self, sae: SAE, weights: Mapping[str, float]) -> None:
        self.weights = weights
        self.groups = sae.groups()
        self.parameters = [p for group in self.groups.values() for p in group]
        zero = self.parameters[0].new_zeros((), dtype=torch.float64)
        self.values = {name: zero.clone() for name in weights}
        self.gradients = {name: [torch.zeros_like(p) for p in self.parameters] for name in weights}
        self.l0, self.mean_activity, self.squares = zero.clone(), zero.clone(), zero.clone()

    def add(self, step: Step, values: Mapping[str, Tensor], share: float) -> None:
        """A part of the batch; values have their graphs.

        Args:
            step: of the part.
            values: of the terms that act.
            share: of the batch that the part is.
        """
        for name, value in values.items():
            self.values[name] += share * value.detach().double()
            weighted = self.weights[name] * share * value
            if weighted.requires_grad:
                found = torch.autograd.grad(weighted, self.parameters, retain_graph=True, allow_unused=True)
                for total, gradient in zip(self.gradients[name], found, strict=True):
                    if gradient is not None:
                        total += gradient
        self.l0 += share * step.mean(step.codes.l0().double())
        self.mean_activity += share * step.mean_codes().detach().double().mean()
        self.squares += share * step.mean((step.recon - step.target).detach().square().sum(1).double())

    def mean_(self, world: World) -> None:
        """Average over processes."""
        for number in (self.l0, self.mean_activity, self.squares, *self.values.values()):
            world.mean_(number)
        for gradients in self.gradients.values():
            for gradient in gradients:
                world.mean_(gradient)

    def terms(self) -> dict[str, dict[str, Any]]:
        """As `Logged.terms` has them."""
        names = [group for group, parameters in self.groups.items() for _ in parameters]
        sizes: dict[str, dict[str, float]] = {}
        for name, gradients in self.gradients.items():
            squares = dict.fromkeys(names, 0.0)
            for group, gradient in zip(names, gradients, strict=True):
                squares[group] += float(gradient.double().square().sum())
            sizes[name] = {group: math.sqrt(square) for group, square in squares.items()}
        sums = {group: sum(size[group] for size in sizes.values()) for group in names}
        return {
            name: {
                "value": float(self.values[name]),
                "weight": weight,
                "loss": weight * float(self.values[name]),
                "share": {group: sizes[name][group] / sums[group] if sums[group] else 0.0 for group in sums},
            }
            for name, weight in self.weights.items()
        }


@final
class Objective:
    """The sum of the terms of an SAE over a batch, and its gradient, with noise keyed by (seed, step).

    Args:
        sae: whose.
        terms: by name; those that have nothing to act on are left out, and `notes` says so.
        facts: what was measured of the training data.
        corruption: noise on the inputs.
        augmentations: changes of the samples.
        seed: of noise.
        data_seed: of augmentation.
        micro_batch_size: samples in a pass; None: all.
    """

    def __init__(
        self,
        sae: SAE,
        terms: Mapping[str, Term],
        facts: Facts,
        *,
        corruption: Corruption | None,
        augmentations: Sequence[Augmentation],
        seed: int,
        data_seed: int,
        micro_batch_size: int | None,
    ) -> None:
        self.sae, self.facts, self.corruption, self.seed, self.data_seed = sae, facts, corruption, seed, data_seed
        self.micro_batch_size = micro_batch_size
        self.world = World.current()
        self.notes: list[str] = []
        self.terms = {name: term for name, term in terms.items() if self._keep(term.check(sae, facts))}
        self.augmentations = [a for a in augmentations if self._keep(self._unfit(a))]
        self.needs = frozenset().union(*(term.needs for term in self.terms.values()))
        self.averages: dict[str, Tensor] = {}

    def _unfit(self, augmentation: Augmentation) -> str | None:
        if self.facts.schema.n_targets is not None:
            return f"{describe(augmentation)['name']} is left out: it would change the inputs, and not their targets"
        return augmentation.check(self.facts.schema)

    def _keep(self, note: str | None) -> bool:
        if note is not None and note not in self.notes:
            self.notes.append(note)
        return note is None

    def gradient(self, batch: Batch, progress: float, dead: Tensor | None, measured: Measured | None = None) -> Outcome:
        """Add the gradient to that of the parameters.

        Args:
            batch: this process's share, raw.
            progress: how much of the training is done.
            dead: which features are, [F]; None: none.
            measured: is told of every part.
        """
        size = self.micro_batch_size or len(batch)
        whole = size >= len(batch)
        parts = [batch] if whole else [batch.part(slice(i, i + size)) for i in range(0, len(batch), size)]
        acting = {name: term for name, term in self.terms.items() if not term.silent(dead)}
        closed = self.sae.closed_form and all(term.closed_form for term in acting.values())
        averages: dict[str, Tensor] = {}
        outcomes: list[Outcome] = []
        self.sae.activation.cut = self._cut(parts)
        try:
            means = {} if whole else self._means(acting, parts, progress, dead)
            for part in parts:
                share = 1.0 if whole else len(part) / len(batch)
                weights = {name: term.now(progress) * share for name, term in acting.items()}
                if closed:
                    step, values = self._pull_back(part, acting, weights, progress, dead)
                else:
                    step = self._forward(part, progress, dead)
                    values = self._values(acting, step, means, averages)
                loss = added(values, weights)
                outcomes.append(Outcome(loss.detach(), values, step.codes.fires(), averages))
                if measured is not None:
                    if closed:  # the share of each term in the gradient is autograd's to find
                        step = self._forward(part, progress, dead)
                        values = self._values(acting, step, means, {})
                    measured.add(step, values, share)
                if not closed:
                    loss.backward()
        finally:
            self.sae.activation.cut = None
        if whole:
            return outcomes[0]
        return Outcome(
            loss=torch.stack([outcome.loss for outcome in outcomes]).sum(),
            values={
                name: torch.stack([outcome.values[name].detach() for outcome in outcomes]).mean() for name in acting
            },
            fired=torch.stack([outcome.fired for outcome in outcomes]).any(0),
            averages=averages,
        )

    def mean(self, parts: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """The value of every term without noise, over samples that come part by part, in float64.

        Args:
            parts: inputs and targets in the units of the model, [n, D] and [n, D_out].
        """
        sums: dict[str, Tensor] = {}
        n_samples = 0
        with torch.no_grad():
            for x, target in parts:
                step = self.sae.run(x, target, needs=self.needs)
                n_samples += len(x)
                for name, term in self.terms.items():
                    if isinstance(term, SampleTerm):
                        sums[name] = sums.get(name, 0) + term.per_sample(step, self.sae).double().sum()
                    else:
                        assert isinstance(term, StatisticTerm)
                        statistic = term.statistic(step, self.sae)
                        if statistic is not None:
                            sums[name] = sums.get(name, 0) + statistic.double() * len(x)
            means = {name: total / n_samples for name, total in sums.items()}
            return {
                name: float(term.value(means.get(name), self.sae) if isinstance(term, StatisticTerm) else means[name])
                for name, term in self.terms.items()
            }

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

    def _forward(self, batch: Batch, progress: float, dead: Tensor | None) -> Step:
        x, target = self._seen(batch)
        weight = batch.weight
        weight = None if weight is None else weight.to(target)
        self.sae.activation.advance(progress, batch, self.seed)
        return self.sae.run(x, target, needs=self.needs, dead=dead, weight=weight, progress=progress)

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
        return (repr(parts), self.data_seed, self.sae.b_dec.device, self.sae.b_dec.dtype)

    @torch.no_grad()
    def _pull_back(
        self,
        batch: Batch,
        terms: Mapping[str, Term],
        weights: Mapping[str, float],
        progress: float,
        dead: Tensor | None,
    ) -> tuple[Step, dict[str, Tensor]]:
        """The forward pass and the value of every term, and the gradient of their weighted sum by closed forms."""
        step = self._forward(batch, progress, dead)
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
        memory = term.memory(self.facts.batch_size)
        if own is None or (self.world.size == 1 and name not in means and not memory):
            return own
        mean = means[name] if name in means else self.world.mean_(own.detach().clone())
        if memory and mean.numel():
            mean = averages[name] = torch.lerp(mean, self.averages.get(name, mean), memory)
        return mean + (own - own.detach())

    @torch.no_grad()
    def _means(
        self, acting: Mapping[str, Term], parts: Sequence[Batch], progress: float, dead: Tensor | None
    ) -> dict[str, Tensor]:
        """Each statistic over all micro-batches and processes: a first pass, without gradients."""
        terms = {name: term for name, term in acting.items() if isinstance(term, StatisticTerm)}
        total = sum(len(part) for part in parts)
        means: dict[str, Tensor] = {}
        if not any(term.needs - {"weights"} for term in terms.values()):
            return means
        for part in parts:
            step = self._forward(part, progress, dead)
            for name, term in terms.items():
                own = term.statistic(step, self.sae)
                if own is not None:
                    means[name] = means.get(name, 0) + own * (len(part) / total)
        return {name: self.world.mean_(mean) for name, mean in means.items()}


def added(values: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Σ weight · value."""
    (name, value), *rest = values.items()
    total = weights[name] * value
    for name, value in rest:
        total = torch.add(total, value, alpha=weights[name])
    return total
