"""One feature as a record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sparsight import atlas as surveying
from sparsight.core import SAE, Atlas, Evidence, Source
from sparsight.meters.neighbours import NOTHING
from sparsight.views import contexts
from sparsight.views.features import heaviest, labelled, numbers, within
from sparsight.views.words import told

QUANTILES = 5
MANY, FEW, SOME = (16, 12, 4), (8, 6, 2), (4, 2, 1)
"""Examples: with the largest codes, drawn at random, and of each fifth; `SOME` where each has a context."""
FAR, NEAR = 16, 8
"""Tokens of a context to both sides."""
HEAVIEST = 12
"""Inputs that are listed by name."""


def described(sae: SAE, atlas: Atlas, feature: int, *, source: Source | None = None, **more: Any) -> dict[str, Any]:
    """All that is known of a feature; see `several`.

    Raises:
        SparsightError: there is no such feature.
    """
    return several(sae, atlas, [feature], source=source, **more)[0]


def several(
    sae: SAE,
    atlas: Atlas,
    features: Sequence[int],
    *,
    source: Source | None = None,
    evidence: Evidence | None = None,
    marks: dict[str, float] | None = None,
    few: bool = False,
) -> list[dict[str, Any]]:
    """All that is known of some features, as JSON has it.

    - `measures`: by column, its `value`; formula and null are those of the column.
    - `said`: in words, as `views.words.told` has it.
    - `histogram`: `counts` of |codes| in bins between `edges`, only as far as it fired; `marks` are values by name.
    - `examples`: `top`, with the largest codes; `quantiles`, a few from each fifth of the range of its drawn codes from
      the smallest up; `random`, a uniform draw of those in which it fires, as many of them: each `id`, `code`, `label`,
      and `context`, as `views.contexts.within` has it, None where the sample is a whole.
    - `classes`: mean |code| in each, by name. `neighbours`: by relation, [feature, value].
    - `inputs`: the heaviest in its decoder row, by name, where rows are no pictures or outputs are named.
    - `gabor`: the fitted function by side; `evidence`: what `verify` found of it.

    Args:
        sae: the model.
        atlas: the facts about its features.
        features: which.
        source: the samples that the atlas was made from; None: they cannot be had, and examples have no label.
        evidence: what was verified.
        marks: values to mark in the histogram, by name.
        few: fewer examples and less around them, for what must stay small.

    Raises:
        SparsightError: there is no such feature.
    """
    within(features, len(atlas), "feature")
    parts = source is not None and len(source) > 0 and source.context(0, 0) is not None
    counts = (SOME if parts else FEW) if few else MANY
    words = told(atlas, features)
    records = [
        _described(sae, atlas, feature, said, _examples(atlas, source, feature, counts), evidence, marks)
        for feature, said in zip(features, words, strict=True)
    ]
    if source is not None and parts:
        _put_contexts(sae, source, records, NEAR if few else FAR)
    return records


def _described(
    sae: SAE,
    atlas: Atlas,
    feature: int,
    said: dict[str, Any],
    examples: dict[str, list[dict[str, Any]]],
    evidence: Evidence | None,
    marks: dict[str, float] | None,
) -> dict[str, Any]:
    ids = np.array([feature])
    measures = {name: numbers(column.values[ids])[0] for name, column in atlas.numbers().items()}
    found: dict[str, Any] = {
        "feature": feature,
        "measures": measures,
        "said": said,
        "histogram": _histogram(atlas, feature, {**(marks or {}), "mean where it fires": measures["mean_firing"]}),
        "examples": examples,
        "classes": {},
        "neighbours": _neighbours(atlas, feature),
        "inputs": None,
        "gabor": _gabor(atlas, feature),
        "evidence": {} if evidence is None else _verified(evidence, feature),
    }
    classes = sae.schema.classes or atlas.samples.get("classes")
    if "class_mean" in atlas and classes:
        found["classes"] = dict(zip(classes, numbers(atlas["class_mean"][ids])[0], strict=True))
    if sae.schema.shape is None or not sae.schema.alike:
        found["inputs"] = heaviest(sae, ids, HEAVIEST)[0]
    return found


def _put_contexts(sae: SAE, source: Source, records: list[dict[str, Any]], reach: int) -> None:
    """Show the examples in what they are parts of."""
    examples = [
        (record["feature"], example) for record in records for kind in record["examples"].values() for example in kind
    ]
    found = contexts.within(sae, source, [(feature, example["id"]) for feature, example in examples], reach)
    for feature, example in examples:
        example["context"] = found.get((feature, example["id"]))


def _histogram(atlas: Atlas, feature: int, marks: dict[str, float | None]) -> dict[str, Any]:
    counts, edges = np.asarray(atlas["histogram"][feature]), surveying.edges()
    fired = counts.nonzero()[0]
    if not len(fired):
        return {"counts": [], "edges": [], "marks": {}}
    first, last = max(0, int(fired[0]) - 1), min(len(counts), int(fired[-1]) + 2)
    return {
        "counts": counts[first:last].tolist(),
        "edges": numbers(edges[first : last + 1]),
        "marks": {name: value for name, value in marks.items() if value},
    }


def _examples(
    atlas: Atlas, source: Source | None, feature: int, counts: tuple[int, int, int]
) -> dict[str, list[dict[str, Any]]]:
    largest, at_random, of_each = counts
    top, drawn = (_known(atlas, kind, feature) for kind in ("top", "random"))
    spread = np.unique(np.linspace(0, max(0, len(drawn) - 1), at_random).round().astype(int))
    kinds = {
        "top": top[:largest],
        "random": [drawn[n] for n in spread] if drawn else [],
        "quantiles": _fifths(drawn, of_each),
    }
    ids = [i for pairs in kinds.values() for i, _ in pairs]
    names = None if source is None else labelled(source, torch.tensor(ids, dtype=torch.long))
    label = dict(zip(ids, names, strict=True)) if names is not None else {}
    return {
        kind: [{"id": i, "code": float(f"{v:.4g}"), "label": label.get(i), "context": None} for i, v in pairs]
        for kind, pairs in kinds.items()
    }


def _known(atlas: Atlas, kind: str, feature: int) -> list[tuple[int, float]]:
    """Samples and codes, by code, descending."""
    pairs = zip(atlas[f"{kind}_ids"][feature].tolist(), atlas[f"{kind}_values"][feature].tolist(), strict=True)
    return [pair for pair in pairs if pair[0] != NOTHING]


def _fifths(drawn: list[tuple[int, float]], of_each: int) -> list[tuple[int, float]]:
    """Of each fifth of the range of codes the first few, from the smallest codes up."""
    if not drawn:
        return []
    codes = np.array([v for _, v in drawn])
    low, high = codes.min(), codes.max()
    fifth = np.minimum(((codes - low) / max(high - low, 1e-30) * QUANTILES).astype(int), QUANTILES - 1)
    return [drawn[n] for part in range(QUANTILES) for n in (fifth == part).nonzero()[0][:of_each]]


def _neighbours(atlas: Atlas, feature: int) -> dict[str, list[tuple[int, float]]]:
    found = {}
    for name, (ids, values) in {
        "decoder": ("decoder.neighbour_ids", "decoder.neighbour_cosine"),
        "encoder": ("encoder.neighbour_ids", "encoder.neighbour_cosine"),
        "fires with": ("together_ids", "together"),
    }.items():
        if ids in atlas:
            pairs = zip(atlas[ids][feature].tolist(), numbers(np.asarray(atlas[values][feature])), strict=True)
            found[name] = [(i, v) for i, v in pairs if i >= 0 and v is not None]
    return found


def _gabor(atlas: Atlas, feature: int) -> dict[str, dict[str, float]]:
    found = {}
    for of in ("encoder", "decoder"):
        names = [name for name in atlas if name.startswith(f"{of}.gabor_")]
        values = {name.removeprefix(f"{of}.gabor_"): float(atlas[name][feature]) for name in names}
        if values and np.isfinite(values["r2"]):
            found[of] = values
    return found


def _verified(evidence: Evidence, feature: int) -> dict[str, Any]:
    columns = {name: values for name, values in evidence.columns.items() if feature < len(values)}
    return {
        name: bool(values[feature]) if values.dtype == bool else numbers(values[[feature]])[0]
        for name, values in columns.items()
    }
