"""A run that claims are tested of: its data, its model, and trainings like its own."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsight import sweeps
from sparsight.comparison import some
from sparsight.core import SAE, Logged, Schema, Source, Watcher, generator
from sparsight.errors import SparsightError
from sparsight.job import Recipe, resume, train
from sparsight.run import Run, read_json
from sparsight.sources._rows import Rows

HELD = 2**28
"""Values of the training samples up to which data are made like them; more do not fit beside each other."""
MEASURED = 5_000
"""Samples that figures rest on, at most."""
FEW = 20
"""Log lines of a training; each costs a look at the gradient of every term."""
VERSION = 1
"""Of null data and of what is planted: another one has trainings of its own."""
_WEIGHTED = 31


class StoppedError(SparsightError):
    """Somebody interrupted it; what was done is kept."""


class Given(Rows):
    """Rows in memory, with the schema of other data."""

    def __init__(self, x: Tensor, schema: Schema, weight: Tensor | None = None) -> None:
        self._hold(x, schema, weight=weight)


@dataclass
class Case:
    """All that a check needs. What is read or trained is read or trained once."""

    run: Run
    training: Source
    measured: Source
    """Held-out samples; the training samples where none were held out."""
    watchers: Sequence[Watcher] = ()
    total: int = 0
    done: float = 0.0
    _models: dict[str, list[SAE]] = field(default_factory=dict)

    @cached_property
    def sae(self) -> SAE:
        """The run's model."""
        return self.run.sae()

    @cached_property
    def recipe(self) -> Recipe:
        """The run's recipe, made to be trained on all of `training` for as many steps as the run was."""
        known, summary = self.run.recipe, self.run.summary
        assert summary is not None
        steps, n = summary["steps"], len(self.training)
        size = known["train"]["batch_size"]
        each = n if size == "all" else min(size, n)
        changed = {
            "epochs": (steps - 0.5) * each / n,  # rounded up to whole steps
            "hold_out": 0.0,
            "patience": None,
            "evaluate_every": None,
            "log_every": max(1, steps // FEW),
            "checkpoint_every": max(1, steps // 4),
        }
        of_data = known["seed"] if known["data_seed"] is None else known["data_seed"]
        return Recipe.parse({**known, "source": None, "data_seed": of_data, "train": {**known["train"], **changed}})

    @cached_property
    def place(self) -> Path:
        """Where its trainings are kept: other data, or another way to train, have another place."""
        of = json.dumps([VERSION, self.recipe.model_dump(), self.run.manifest["data"]["sha256"]])
        return self.run.path / "verify" / sha256(of.encode()).hexdigest()[:8]

    @property
    def held_out(self) -> bool:
        """Whether figures are measured on samples that were not trained on."""
        return self.measured is not self.training

    @cached_property
    def rows(self) -> Tensor:
        """The training samples, [n, D]; where they have weights, drawn by these."""
        x = _whole(self.training)
        weights = self.training.weights()
        if weights is None:
            return x
        return x[torch.multinomial(weights, len(x), True, generator=generator(0, _WEIGHTED))]

    @cached_property
    def test(self) -> Source:
        """Up to 5,000 of the samples that figures are measured on."""
        return some(self.measured, MEASURED)

    @property
    def like_rows(self) -> str | None:
        """Why no data can be made like these; None where they can."""
        if self.training.schema.n_targets is not None:
            return "samples have targets of their own, and no data are made like both"
        if len(self.training) * self.training.schema.n_inputs > HELD:
            return f"{len(self.training):,} samples are too many to make others like them in memory"
        return None

    @property
    def untrainable(self) -> str | None:
        """Why the recipe cannot be trained again from another start; None where it can."""
        if self.run.recipe["architecture"]["name"] == "stack":
            return "a stack starts at the weights of its runs, whatever the seed: verify the runs that it is made of"
        return None

    def real(self) -> Source:
        """The training samples, without a test part, so that no training stops to be measured."""
        if self.training.schema.n_targets is not None or self.like_rows is not None:
            return self.training
        return Given(_whole(self.training), self.training.schema, self.training.weights())

    def models(self, name: str, make: Callable[[], Source], n: int, **changes: Any) -> list[SAE]:
        """`n` trainings of the recipe that differ in the seed, over one pass of some data; those that failed left out.

        They are kept in the run's folder, and go on where they were stopped.

        Args:
            name: of the group, and of its folder.
            make: the data, made where they are needed.
            n: how many.
            changes: of the recipe's keys.

        Raises:
            StoppedError: it was interrupted.
        """
        if name not in self._models:
            runs = self._trained(name, make, n, changes)
            for run in runs:
                shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
            self._models[name] = [run.sae() for run in runs]
        return self._models[name]

    def waiting(self, name: str, n: int) -> int:
        """How many trainings of a group are still to be done."""
        place = self.place / name
        failed = sum(len(read_json(found)) for found in place.glob("failed.json"))
        return n - failed - len(list(place.glob("**/summary.json")))

    def _trained(self, name: str, make: Callable[[], Source], n: int, changes: dict[str, Any]) -> list[Run]:
        recipe = Recipe.parse({**self.recipe.model_dump(), **changes})
        place, waiting = self.place / name, self.waiting(name, n)
        if waiting <= 0:
            return [Run.open(found.parent) for found in sorted(place.glob("**/summary.json"))]
        bar = _Bar(self, name, waiting)
        device = self.run.manifest["device"]
        first = recipe.seed + 1
        if n > 1:
            seeds = ",".join(str(first + i) for i in range(n))
            found = sweeps.sweep(recipe, [f"seed={seeds}"], place, make(), [bar], device)
            runs, left = found.runs(), len(found.points()) - len(found.runs()) - len(found.failed())
        else:
            one = recipe.model_copy(update={"seed": first})
            run = resume(place, make(), [bar]) if place.is_dir() else train(one, place, make(), [bar], device)
            runs, left = [run], int(run.summary is None)
        if left:
            raise StoppedError(
                f"it was stopped with {left} trainings of {name} to go: `sparsight verify {self.run.path}` goes on"
            )
        self.done += waiting
        return runs

    def say(self, said: str, part: float = 0.0) -> None:
        """Tell the watchers what is under way."""
        for watcher in self.watchers:
            watcher.on_progress(self.done + part, self.total, said)


class _Bar:
    """Tells the watchers of trainings over one pass."""

    def __init__(self, case: Case, name: str, n: int) -> None:
        self.case, self.name, self.n = case, name, n

    def on_log(self, logged: Logged) -> None:
        self.case.say(f"training {self.name}", self.n * logged.step / logged.steps)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...


def _whole(source: Source) -> Tensor:
    return torch.cat([batch.inputs for batch in source.chunks()])
