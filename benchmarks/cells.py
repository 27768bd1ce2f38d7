"""Whether one feature tells a type of cells from all others: `python benchmarks/cells.py [--file FILE] [CHANGE ...]`.

The cells are scanpy's 700 blood cells of 10 types with 765 genes, as logarithms of counts. `--file` is its
`10x_pbmc68k_reduced.h5ad`; without it that of `sparsight data get pbmc68k` is taken, or the one inside scanpy.

In each of several random halves, with the same share of each type in both, the recipe `cells` is trained on one half,
without labels. There the feature with the largest AUROC is chosen for each type: the probability that its code is
larger in a cell of the type than in one of the others. It is scored on the other half. What it is compared with is
chosen and scored in the same way:

- single genes, and principal components and random directions, as many of both as there are features, in both signs;
- the same features, with labels that were shuffled.

Changes are those of the recipe, as on the command line.
"""

import argparse
import importlib.util
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from sparsight import downloads, recipes, spec
from sparsight.core import Source
from sparsight.job import Recipe, prepare
from sparsight.spec import build

ENOUGH = 0.95
Scores = dict[str, list[float]]
"""The AUROC of each type, in the order of the types."""


def found(asked: Path | None) -> Path:
    """The file of the cells."""
    known = downloads.read("pbmc68k")
    if asked is not None or known.here:
        return asked or known.path()
    scanpy = importlib.util.find_spec("scanpy")
    if scanpy is None or scanpy.origin is None:
        raise SystemExit("give --file, or `sparsight data get pbmc68k`, or install scanpy")
    return Path(scanpy.origin).parent / "datasets" / known.opens


def auroc(values: np.ndarray, of_type: np.ndarray) -> np.ndarray:
    """P(a value of the type is larger) + ½ P(they are equal), of each column of values [n, F]."""
    n = of_type.sum()
    ranks = rankdata(values, axis=0)[of_type].sum(0)
    return (ranks - n * (n + 1) / 2) / (n * (len(values) - n))


def scores(values: np.ndarray, labels: np.ndarray, first: np.ndarray) -> list[float]:
    """The AUROC in the second half of the column that is best in the first, for each type."""
    out = []
    for kind in range(labels.max() + 1):
        best = auroc(values[first], labels[first] == kind).argmax()
        out.append(float(auroc(values[~first][:, [best]], labels[~first] == kind)[0]))
    return out


def halves(labels: np.ndarray, seed: int) -> np.ndarray:
    """Which cells are in the first half, [N], bool."""
    dice, first = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for kind in range(labels.max() + 1):
        members = dice.permutation(np.flatnonzero(labels == kind))
        first[members[: (len(members) + 1) // 2]] = True
    return first


def features(source: Source, first: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, dict[str, float]]:
    """Codes of all cells from a training on the first half, and figures of the second."""
    job = prepare(recipe, source.take(torch.from_numpy(first.nonzero()[0])))
    job.trainer.fit(job.source)
    rows = source.gather(torch.arange(len(source)))
    with torch.no_grad():
        codes = job.sae.eval().transform(rows).dense().numpy()
        x = job.sae.units(rows[~first], None)[0]
        recon = job.sae(x)
    explained = 1 - float((recon - x).square().sum() / (x - x.mean(0)).square().sum())
    return codes, {"explained_variance": explained, "l0": float((codes[~first] != 0).sum(1).mean())}


def directions(rows: np.ndarray, first: np.ndarray, n: int, seed: int) -> dict[str, np.ndarray]:
    """Standardised cells along principal components of the first half, and along random directions, in both signs."""
    mean, std = rows[first].mean(0), rows[first].std(0)
    x = (rows - mean) / np.where(std > 0, std, 1)
    pca = np.linalg.svd(x[first], full_matrices=False)[2][:n]
    random = np.random.default_rng(seed).normal(size=(n, x.shape[1]))
    return {name: np.concatenate([x @ axes.T, -x @ axes.T], 1) for name, axes in (("pca", pca), ("random", random))}


def measured(source: Source, recipe: Recipe, seed: int) -> tuple[Scores, dict[str, float]]:
    """One half: the scores of everything, and figures of the training."""
    labels = source.labels()
    assert labels is not None
    first = halves(labels.numpy(), seed)
    rows = source.gather(torch.arange(len(source))).numpy()
    codes, figures = features(source, first, recipe.model_copy(update={"seed": seed}))
    shuffled = np.random.default_rng(seed).permutation(labels.numpy())
    columns = {"features": codes, "genes": rows, **directions(rows, first, recipe.n_latents, seed)}
    out = {name: scores(values, labels.numpy(), first) for name, values in columns.items()}
    return {**out, "shuffled labels": scores(codes, shuffled, first)}, figures


def summed(done: list[Scores]) -> dict[str, Any]:
    """For each kind of column: medians over halves, and the smallest and the largest."""
    table = {name: np.array([each[name] for each in done]) for name in done[0]}  # [halves, types]
    genes = np.median(table["genes"], 0)
    return {
        name: {
            "types": np.median(values, 0).tolist(),
            "lowest": values.min(0).tolist(),
            "highest": values.max(0).tolist(),
            "enough": int((np.median(values, 0) >= ENOUGH).sum()),
            "enough_in_a_half": sorted((values >= ENOUGH).sum(1).tolist()),
            "above_genes": int((np.median(values, 0) > genes).sum()),
            "mean": statistics.median(values.mean(1).tolist()),
            "mean_above_genes": sorted((values.mean(1) - table["genes"].mean(1)).tolist()),
        }
        for name, values in table.items()
    }


def markdown(found: dict[str, Any], types: tuple[str, ...], sizes: list[int]) -> str:
    names = list(found)
    lines = [f"| type | cells | {' | '.join(names)} |", "|---|---:|" + "---:|" * len(names)]
    for n, kind in enumerate(types):
        of_type = [
            f"{found[name]['types'][n]:.3f} ({found[name]['lowest'][n]:.2f} to {found[name]['highest'][n]:.2f})"
            for name in names
        ]
        lines.append(f"| {kind} | {sizes[n]} | {' | '.join(of_type)} |")
    lines.append("| mean over types | | " + " | ".join(f"{found[name]['mean']:.3f}" for name in names) + " |")
    lines.append("| types with .95 | | " + " | ".join(str(found[name]["enough"]) for name in names) + " |")
    for name, each in found.items():
        halves_of = each["enough_in_a_half"]
        lines.append(
            f"\n{name}: {statistics.median(halves_of):g} types ({halves_of[0]} to {halves_of[-1]}) with .95 in a half; "
            f"above genes in {each['above_genes']} of {len(types)} types, in the mean over types by "
            f"{statistics.median(each['mean_above_genes']):.3f} ({each['mean_above_genes'][0]:.3f} to "
            f"{each['mean_above_genes'][-1]:.3f})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("changes", nargs="*")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--halves", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first half")
    parser.add_argument("--layer", default="raw")
    parser.add_argument("--json", type=Path, help="write all figures here")
    asked = parser.parse_args()
    cells = {"name": "cells", "path": str(found(asked.file)), "layer": asked.layer, "label": "bulk_labels"}
    source: Source = build("source", cells)
    recipe = Recipe.parse(spec.override(recipes.read("cells"), asked.changes))
    done = [measured(source, recipe, seed) for seed in range(asked.seed, asked.seed + asked.halves)]
    result = summed([each for each, _ in done])
    labels = source.labels()
    assert labels is not None and source.schema.classes is not None
    print(markdown(result, source.schema.classes, labels.bincount().tolist()))
    for figure in done[0][1]:
        values = sorted(figures[figure] for _, figures in done)
        print(f"\n{figure}: {statistics.median(values):.3f} ({values[0]:.3f} to {values[-1]:.3f})")
    if asked.json:
        asked.json.write_text(json.dumps({"recipe": recipe.model_dump(), "found": result}, indent=1))


if __name__ == "__main__":
    main()
