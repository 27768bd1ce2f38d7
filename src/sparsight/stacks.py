"""One autoencoder of several runs, each trained on the codes of the one before."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sparsight.core import Observer, Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.spec import override


def stack(
    runs: Iterable[str | Path | Run],
    out: str | Path,
    *,
    changes: Iterable[str] = (),
    source: Source | None = None,
    observers: Sequence[Observer] = (),
    device: str = "cpu",
) -> Run:
    """Make one autoencoder of trained runs, and train the whole on the samples (Hinton & Salakhutdinov 2006).

    Its encoder is the chain of their encoders, its decoder the chain back, and it starts at their weights; see the
    architecture `stack`. What comes out is a run like any other.

    Args:
        runs: the first trained on samples, each other on the codes of the one before, the source `codes`.
        out: the folder of the new run.
        changes: of the recipe that `stacked` makes, such as `train.epochs=10`.
        source: the samples, where the first run had them in memory.
        observers: as `train` has them.
        device: where the model lives.

    Raises:
        SparsightError: the runs cannot be stacked, or what `train` refuses.
    """
    return train(Recipe.parse(override(stacked(runs), changes)), out, source, observers, device)


def stacked(runs: Iterable[str | Path | Run]) -> dict[str, Any]:
    """The recipe of a stack of runs: data, preprocessing, noise, error, seeds and training are those of the first.

    Raises:
        SparsightError: fewer than two runs; one that is none, or has not ended; or one that was not trained on the
            codes of the one before.
    """
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    if len(opened) < 2:
        raise SparsightError(
            f"a stack has two runs or more, and {len(opened)} is given: name the runs from the samples up"
        )
    layers: dict[str, dict[str, Any]] = {}
    for n, run in enumerate(opened, 1):
        known = run.sae().described()
        layer = {key: known[key] for key in ("architecture", "n_latents")}
        if n > 1:
            layer |= {key: known[key] for key in ("preprocess", "output")}
        layers[str(n)] = {**layer, "terms": run.recipe["terms"]}
    for below, run in pairwise(opened):
        _check(below, run)
    first = opened[0].recipe
    taken = ("source", "preprocess", "output", "error", "corruption", "augmentations", "train", "seed", "data_seed")
    return {
        "name": "stack",
        "n_latents": layers[str(len(opened))]["n_latents"],
        "architecture": {"name": "stack", "layers": layers},
        "initialisation": {"name": "layerwise", "runs": [str(run.path) for run in opened]},
        **{key: first[key] for key in taken},
    }


def _check(below: Run, run: Run) -> None:
    """Refuse a run that was not trained on the codes of the one below it; data in memory are taken on trust."""
    source, width, features = run.recipe["source"], run.sae().n_inputs, below.sae().n_latents
    trained = source is None or (source["name"] == "codes" and Path(source["run"]).resolve() == below.path.resolve())
    if not trained:
        raise SparsightError(
            f"{str(run.path)!r} was not trained on the codes of {str(below.path)!r}: "
            f"`sparsight train {below.path}` does that, and its run can be stacked"
        )
    if width != features:
        raise SparsightError(
            f"{str(run.path)!r} has {width} inputs and {str(below.path)!r} {features} features: these do not chain"
        )
