"""The charts of a run."""

from typing import Any

import numpy as np

from sparsight.core import SAE, Atlas, Source
from sparsight.run import Run
from sparsight.views import charts, evidence, samples


def every(run: Run, atlas: Atlas, measured: Source) -> dict[str, dict[str, str]]:
    """All charts, title by title, under what they are of: `training`, `population`, `gabors`, `codes`, `evidence`."""
    verified = run.verified
    return {
        "training": training(run),
        "population": population(run, atlas),
        "gabors": gabors(atlas),
        "codes": codes(run.sae(), measured),
        "evidence": {} if verified is None else evidence.figures(verified),
    }


def training(run: Run) -> dict[str, str]:
    """How it was trained, title by title: each term, its share of the gradient, and quality, as SVG."""
    log = run.log()
    if not log:
        return {}
    epochs = np.array([line.epoch for line in log])
    names = list(log[-1].terms)
    losses = {name: (epochs, _logged(log, name, "loss")) for name in names}
    found = {"Loss of each term": charts.lines(losses, x="epoch", y="weight × value", log_y=True)}
    for group in dict.fromkeys(group for line in log for term in line.terms.values() for group in term["share"]):
        shares = {name: np.array([line.terms[name]["share"].get(group, 0.0) for line in log]) for name in names}
        shares = {name: share for name, share in shares.items() if share.any()}
        found[f"Share of the gradient, {group}"] = charts.areas(epochs, shares, x="epoch", y="‖g‖ / Σ ‖g‖")
    explained = {"training batches": (epochs, np.array([line.explained_variance for line in log]))}
    held_out = [line for line in log if "explained_variance" in line.held_out]
    if held_out:
        at = np.array([line.epoch for line in held_out])
        explained["held out"] = (at, np.array([line.held_out["explained_variance"] for line in held_out]))
    found["Explained variance"] = charts.lines(explained, x="epoch", y="explained variance")
    counts = {"L0": np.array([line.l0 for line in log]), "dead": np.array([float(line.dead) for line in log])}
    found["Features per sample, dead features"] = charts.lines(
        {name: (epochs, values) for name, values in counts.items()}, x="epoch", y="features"
    )
    return found


def _logged(log: list[Any], name: str, key: str) -> np.ndarray:
    return np.array([line.terms[name][key] if line.terms[name][key] is not None else np.nan for line in log])


def population(run: Run, atlas: Atlas) -> dict[str, str]:
    """How features are distributed, title by title, as SVG."""
    rate, mean = (np.asarray(atlas[name], dtype=np.float64) for name in ("rate", "mean"))
    found = {}
    live = rate[rate > 0]
    if len(live):
        edges = np.geomspace(min(live.min(), 1e-3), 1.0, 31)
        counts = np.histogram(live, edges)[0]
        silent = int((rate == 0).sum())
        said = f"share of samples in which it fires ({silent} never)"
        found["How often features fire"] = charts.bars(counts, edges, x=said, y="features", log_x=True)
    counts, edges = np.histogram(mean, 30)
    marked = marks(run.recipe)
    found["Mean activity"] = charts.bars(counts, edges, x="mean code over samples", y="features", marks=marked)
    for of in ("encoder", "decoder"):
        column = atlas.columns.get(f"{of}.moran")
        if column is not None:
            counts, edges = np.histogram(column.values[np.isfinite(column.values)], 30, range=(-0.2, 1.0))
            none = {"median of white noise": column.null} if column.null is not None else {}
            found[f"Moran's I, {of}"] = charts.bars(counts, edges, x="Moran's I", y="features", marks=none)
    return found


def marks(recipe: dict[str, Any]) -> dict[str, float]:
    """The mean activities that terms pull towards, as charts mark them."""
    parts = [recipe["architecture"], *recipe["terms"].values()]
    return {f"target {part['target']:g}": part["target"] for part in parts if isinstance(part.get("target"), float)}


def gabors(atlas: Atlas) -> dict[str, str]:
    """Orientation and frequency of the fitted Gabor functions, as SVG; nothing without a geometry."""
    return {
        f"Gabor fits, {of}": charts.polar(
            *(np.asarray(atlas[f"{of}.gabor_{name}"], np.float64) for name in ("orientation", "frequency", "r2"))
        )
        for of in ("encoder", "decoder")
        if f"{of}.gabor_r2" in atlas
    }


def codes(sae: SAE, measured: Source) -> dict[str, str]:
    """Samples by their codes in two dimensions, coloured by class, as SVG."""
    plane = samples.plane(sae, measured)
    method = plane["method"]
    chart = charts.scatter(plane["points"], plane["groups"], measured.schema.classes, x=method, y="")
    return {f"Codes by {method}": chart}
