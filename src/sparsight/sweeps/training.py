"""Many models over one pass of the data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from sparsight.core import Observer, Source
from sparsight.devices import free_memory
from sparsight.errors import SparsightError
from sparsight.job import Job, Recipe, begin, finish, make_sae, prepare, read_data, refuse_other_data, restore
from sparsight.run import Run
from sparsight.spec import build
from sparsight.sweeps.folder import Sweep
from sparsight.sweeps.grid import Point
from sparsight.trainer import NonFiniteLossError, interruptible

COPIES = 4
"""Of a model's parameters while it is trained: the weights, their gradients, and Adam's two moments."""


@dataclass(frozen=True)
class Member:
    """One model of a pass."""

    point: Point
    job: Job
    run: Run


class Pass:
    """The models that see the same batches: they agree in the data, in what is held out, in order and batch size."""

    def __init__(self, sweep: Sweep, points: Mapping[Point, Recipe], source: Source | None, device: str) -> None:
        self.sweep, self.points, self.device = sweep, points, device
        first = next(iter(points.values()))
        # built once for all models; without a source `read_data` says what is missing
        self.source = build("source", first.source) if source is None and first.source is not None else source
        self.training, _ = read_data(first, self.source)

    @property
    def left(self) -> dict[Point, Recipe]:
        """Those that have not ended."""
        return {point: recipe for point, recipe in self.points.items() if not self.sweep.done(point)}

    def check(self) -> None:
        """Refuse models that cannot be made, or that do not fit into memory together.

        Raises:
            SparsightError: nothing was written.
        """
        left, parameters = self.left, 0
        for recipe in left.values():
            sae, _ = make_sae(recipe, self.training.schema)
            parameters += sum(p.numel() for p in sae.parameters())
        need, free = COPIES * 4 * parameters, free_memory(self.device)
        if free is not None and need > free:
            raise SparsightError(
                f"the {len(left):,} models of one pass take {need / 1e9:,.1f} GB while they are trained "
                f"({COPIES} × {parameters:,} parameters × 4 bytes) and {free / 1e9:,.1f} GB are free: "
                "sweep fewer values at once"
            )

    def train(self, observers: Sequence[Observer]) -> bool:
        """Train the models to their ends; those that are behind catch up first. False: it was interrupted.

        Raises:
            SparsightError: another process trains one of them, or the data are not the same.
        """
        with ExitStack() as held:
            return self._train(self._members(held), observers)

    def _train(self, members: list[Member], observers: Sequence[Observer]) -> bool:
        lead = members[0].job
        stream = lead.source.batches(
            lead.trainer.batch_size, lead.trainer.data_seed, min(member.job.trainer.number for member in members)
        )
        del lead
        with interruptible() as interrupted, closing(stream):
            while members and not interrupted.is_set():
                batch = next(stream)
                batch = batch if batch.kept is not None else replace(batch, kept={})
                for member in list(members):
                    trainer = member.job.trainer
                    try:
                        if trainer.number == batch.step and not trainer.ended:
                            trainer.advance(batch, member.run, observers, member.job.held_out)
                    except NonFiniteLossError as error:
                        self.sweep.fail(member.point.name, str(error))
                        members.remove(member)
                        continue
                    if trainer.ended:
                        finish(member.job, member.run, trainer.close(member.run, observers))
                        members.remove(member)
        for member in members:
            member.job.trainer.close(member.run, observers)
        return not members

    def _members(self, held: ExitStack) -> list[Member]:
        """All models where their last checkpoints left them, with what they read and measure alike done once.

        `held` closes the locks of their runs.
        """
        likes: dict[str, Job] = {}
        jobs: dict[Point, Job] = {}
        for point, recipe in self.left.items():
            of = json.dumps(recipe.preprocess)
            like = likes.get(of, next(iter(likes.values()), None))
            jobs[point] = prepare(recipe, self.source, device=self.device, like=like)
            likes.setdefault(of, jobs[point])
        sha256 = self.training.fingerprint()
        for point, run in ((point, self.sweep.run(point)) for point in self.points):
            if run is not None:
                refuse_other_data(run, sha256)
                if point in jobs:
                    held.enter_context(run.held())
        members = []
        for point, job in jobs.items():
            run = self.sweep.run(point)
            if run is None:
                run = begin(job, self.sweep.path / point.name, self.device, sha256)
                held.enter_context(run.held())
            else:
                restore(job, run)
            members.append(Member(point, job, run))
        return members


def passes(sweep: Sweep, points: Sequence[Point], source: Source | None, device: str) -> Iterator[Pass]:
    """The models by what they see, where some of them have not ended.

    Raises:
        SparsightError: a recipe is none, or the data cannot be read.
    """
    groups: dict[str, dict[Point, Recipe]] = {}
    for point in points:
        recipe = sweep.grid.recipe(point.changes)
        sees = json.dumps([recipe.source, recipe.train.hold_out, recipe.of_data, recipe.train.batch_size])
        groups.setdefault(sees, {})[point] = recipe
    for group in groups.values():
        if not all(map(sweep.done, group)):
            yield Pass(sweep, group, source, device)
