"""Many models of one recipe, trained over one pass of the data."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sparsight.core import Observer, Source
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.job import Recipe
from sparsight.sweeps.folder import Sweep
from sparsight.sweeps.search import rounds
from sparsight.sweeps.training import passes

__all__ = ["Sweep", "sweep"]


def sweep(
    recipe: Recipe,
    changes: Sequence[str],
    out: str | Path,
    source: Source | None = None,
    observers: Sequence[Observer] = (),
    device: str = "cpu",
    *,
    search: int | None = None,
) -> Sweep:
    """Train the product of all values: each batch is read and preprocessed once, and every model steps on it.

    Models share a pass where they see the same batches: where they agree in the source, `train.hold_out`,
    `train.batch_size` and the seed of the data. Where seeds are swept, the data have one: see `Recipe.data_seed`. Each
    model has the bits that it has when the recipe in its folder is trained alone.

    A sweep that was killed or interrupted goes on when it is asked for again. A model whose loss becomes infinite or
    NaN stops alone, and `Sweep.failed` says why.

    Args:
        recipe: what all models share.
        changes: `key=value`, or `key=a,b,c`, where `0..3` are integers and `1e-4..1e-1:4` four values in a fixed ratio.
        out: the sweep's folder; each model is a run in it.
        source: the data, in place of the recipe's.
        observers: of every model.
        device: where the models live.
        search: try so many models that Optuna chooses, for much explained variance with few features per sample. A
            range alone, such as `1e-4..1e-1`, is then all that lies between.

    Raises:
        SparsightError: the grid, the recipe, the data or the folder cannot be used, the folder holds another sweep, or
            the models do not fit into memory together.
    """
    if World.current().size > 1:
        raise SparsightError("a sweep trains its models in one process: start it without torchrun")
    asked = Sweep.ask(out, recipe, changes, search)
    new = not Path(out).exists()
    try:
        for points in [asked.points()] if search is None else rounds(asked, search):
            waiting = list(passes(asked, points, source, device))
            for one in waiting:
                one.check()
            asked.begin()
            if not all(one.train(observers) for one in waiting):
                break
    except BaseException:
        if new and not any((asked.path / point.name).exists() for point in asked.points()):
            shutil.rmtree(asked.path, ignore_errors=True)
        raise
    return asked
