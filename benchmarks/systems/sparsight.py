"""This library, through `Trainer.step`, logging every 100 steps."""

from functools import partial

from tasks import L1, Task
from torch import Tensor

from sparsight.job import Recipe, prepare
from sparsight.spec import build
from systems import Make, System

LOG_EVERY = 100


def make(task: Task, *, defaults: bool) -> System:
    if task.k is None:
        architecture = {"name": "relu_l1", "l1": L1}
    else:
        architecture = {"name": "batch_topk" if task.of_batch else "topk", "k": task.k}
    if not defaults:
        architecture |= {"auxk": 0.0} if task.of_batch else {"auxk": 0.0, "unit_rows": False}
    length = {"dead_after": 10_000_000} if task.epochs is None else {"epochs": task.epochs}
    recipe = Recipe.parse(
        {
            "n_latents": task.n_latents,
            "architecture": architecture,
            "train": {"batch_size": task.batch_size, "lr": task.lr, **length},
        }
    )
    job = prepare(recipe, build("source", "arrays", data=task.data), open_ended=task.epochs is None)
    sae, trainer, batches = job.sae, job.trainer, job.source.batches(task.batch_size, 0)

    def train(steps: int) -> None:
        for _ in range(steps):
            measure = (trainer.number + 1) % LOG_EVERY == 0
            trainer.step(next(batches), measure=measure)
            if measure:
                trainer.logged(trainer.lr, {})

    def rebuild(x: Tensor) -> tuple[Tensor, Tensor]:
        sae.eval()
        return sae.transform(x).dense(), sae.reconstruct(x)

    return System(train, rebuild, lambda: sae.W_dec)


SYSTEMS: dict[str, Make] = {
    "sparsight": partial(make, defaults=False),
    "sparsight, defaults": partial(make, defaults=True),  # and unit rows, and what brings dead features back
}
