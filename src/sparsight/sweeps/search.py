"""A search by Optuna: `pip install 'sparsight[sweep]'`."""

from collections.abc import Iterator
from typing import Any

from sparsight.errors import SparsightError
from sparsight.sweeps.folder import Sweep
from sparsight.sweeps.grid import Axis, Point, written

ROUND = 4
"""Trials that share a pass. More would need fewer passes, and learn less from each other."""
GUESSES = 100
"""How often a trial that was there already is drawn again, before all are taken to have been tried."""


def rounds(sweep: Sweep, n: int) -> Iterator[list[Point]]:
    """The trials of each round, until there are n; those before must have been trained when the next are asked for.

    Raises:
        SparsightError: Optuna is missing.
    """
    optuna = _optuna()
    tried = sweep.points()
    while True:
        if any(not sweep.done(point) for point in tried):
            yield tried
        if len(tried) >= n:
            return
        fresh = _propose(optuna, sweep, min(ROUND, n - len(tried)))
        if not fresh:
            return
        sweep.tried(fresh)
        tried = sweep.points()


def _propose(optuna: Any, sweep: Sweep, n: int) -> list[dict[str, Any]]:
    """Up to n trials that were not there before: a function of the seed and of all that came out so far."""
    axes, trials = sweep.grid.axes, sweep.trials()
    space = {axis.key: _distribution(optuna, axis) for axis in axes}
    sampler = optuna.samplers.TPESampler(seed=sweep.grid.seed + len(trials))
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for trial in trials:
        found = _found(sweep, sweep.grid.point(trial["values"]))
        state = optuna.trial.TrialState.FAIL if found is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(state=state, values=found, params=trial["parameters"], distributions=space)
        )
    known = {tuple(trial["values"]) for trial in trials}
    fresh: list[dict[str, Any]] = []
    for _ in range(GUESSES):
        parameters = study.ask(space).params
        values = tuple(drawn if isinstance(drawn := parameters[axis.key], str) else written(drawn) for axis in axes)
        if values not in known:
            known.add(values)
            fresh.append({"values": values, "parameters": parameters})
        if len(fresh) == n:
            break
    return fresh


def _found(sweep: Sweep, point: Point) -> tuple[float, float] | None:
    """Explained variance and L0 of a trial; None: it has none."""
    run = sweep.run(point)
    summary = None if run is None else run.summary
    if summary is None or summary["quality"]["explained_variance"] is None:
        return None
    return summary["quality"]["explained_variance"], summary["quality"]["l0"]


def _distribution(optuna: Any, axis: Axis) -> Any:
    """Integers in steps of one, other positive numbers by their logarithm, values that are written out as they are."""
    if axis.span is None:
        return optuna.distributions.CategoricalDistribution(axis.values)
    low, high = axis.span
    if isinstance(low, int) and isinstance(high, int):
        return optuna.distributions.IntDistribution(low, high)
    return optuna.distributions.FloatDistribution(low, high, log=low > 0)


def _optuna() -> Any:
    try:
        import optuna  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SparsightError("a search needs Optuna: pip install 'sparsight[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
