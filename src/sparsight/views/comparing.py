"""Runs beside each other, feature by feature: which feature of one is which of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsight.core import SAE, Atlas
from sparsight.errors import SparsightError
from sparsight.meters.recovery import partners, random_like
from sparsight.views import charts
from sparsight.views.about import FIGURES, figures_known, said
from sparsight.views.features import numbers

USUAL = ("rate", "mean_firing", "decoder.moran", "purity")
"""The columns that are shown where nobody asks for others."""
BINS = 40
BETTER = {"explained_variance": "high", "l0": "low", "silent": "low", "probe_error": "low", "found": "high"}
"""Which end of a figure people want; of the others neither is better."""


@dataclass(frozen=True)
class Match:
    """The partner of each feature of a first model among those of another."""

    partner: np.ndarray
    """Its id, −1 where it has none, [F]."""
    cosine: np.ndarray
    """Of the decoder rows of both in the units of the data, NaN where it has none, [F]."""
    alone: np.ndarray
    """The features of the other that are nobody's partner, ascending."""
    null: float
    """The mean cosine to the partners among as many random directions."""


def matched(first: SAE, other: SAE) -> Match:
    """Features that are each other's partners by the cosine of their decoder rows; see `meters.recovery.pairs`.

    Raises:
        SparsightError: the models rebuild samples of different widths.
    """
    rows, others = first.filters()["decoder"], other.filters()["decoder"]
    if rows.shape[1] != others.shape[1]:
        raise SparsightError(
            f"one run rebuilds samples of {rows.shape[1]:,} numbers and the other of {others.shape[1]:,}: "
            "features of different data have no partners"
        )
    partner, cosine = (found.numpy() for found in partners(rows, others))
    chance, null = partners(rows, random_like(others))
    return Match(
        partner=partner,
        cosine=np.where(partner < 0, np.nan, cosine),
        alone=np.setdiff1d(np.arange(len(others)), partner),
        null=float(null[chance >= 0].mean()),
    )


def order(matches: Sequence[Match], sort: str, down: bool) -> np.ndarray:
    """The features of the first model by `id` or by the mean `cosine` to their partners, [F]; last those with none.

    Raises:
        SparsightError: they cannot be sorted by that.
    """
    if sort not in ("id", "cosine"):
        raise SparsightError(f"pairs are sorted by id or by cosine, and not by {sort!r}")
    ids = np.arange(len(matches[0].partner))
    if sort == "id":
        return ids[::-1] if down else ids
    cosine = mean_cosine(matches)
    return np.lexsort((ids, -cosine if down else cosine))  # NaN comes last either way


def mean_cosine(matches: Sequence[Match]) -> np.ndarray:
    """The mean over the others in which a feature has a partner, NaN where it has none in any, [F]."""
    cosines = np.stack([match.cosine for match in matches])  # [others, F]
    there = np.isfinite(cosines)
    return np.where(there.any(0), np.where(there, cosines, 0).sum(0) / np.maximum(there.sum(0), 1), np.nan)


def overall(matches: Sequence[Match], atlases: Sequence[Atlas]) -> dict[str, Any]:
    """What can be said of all pairs, as a record that JSON can hold.

    - `of`: the features of the first model, and how many of them are `alone`: without a partner anywhere;
    - `others`: for each the mean `cosine` over pairs, its `null`, how many are `paired`, and how many are `alone`;
    - `known`: the measures that every run has, each with its formula, `about`, and its `null`; `usual`: the names of
      those that are shown where nobody asks for others.

    Args:
        matches: of the first model with each other one.
        atlases: of the first and of each other; none: some run has none.
    """
    known = measures(atlases)
    return {
        "of": len(matches[0].partner),
        "alone": int(np.isnan(mean_cosine(matches)).sum()),
        "others": [_pairs(match) for match in matches],
        "known": {name: _about(atlases[0], name) for name in known},
        "usual": [name for name in USUAL if name in known],
    }


def _pairs(match: Match) -> dict[str, Any]:
    cosine = match.cosine[np.isfinite(match.cosine)]
    mean = float(cosine.mean()) if len(cosine) else None
    return {"cosine": mean, "null": match.null, "paired": len(cosine), "alone": len(match.alone)}


def measures(atlases: Sequence[Atlas]) -> list[str]:
    """The columns with a number per feature that all have."""
    shared = [set(atlas.numbers()) for atlas in atlases]
    return [name for name in atlases[0].numbers() if all(name in names for names in shared)] if atlases else []


def page(
    matches: Sequence[Match],
    atlases: Sequence[Atlas],
    *,
    sort: str = "cosine",
    down: bool = True,
    start: int = 0,
    count: int = 50,
    asked: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Some features of the first model with their partners, as records that JSON can hold.

    Each has the `id`, its `measures`, and for every other run its partner, with `id`, `cosine` and `measures`, or None.

    Args:
        matches: of the first model with each other one.
        atlases: of the first and of each other; none: some run has none.
        sort: `id` or `cosine`.
        down: the largest first.
        start: rows that are left out.
        count: rows, at most.
        asked: measures; None: the usual ones.

    Raises:
        SparsightError: a measure is not known of all runs.
    """
    known = measures(atlases)
    asked = [name for name in USUAL if name in known] if asked is None else list(dict.fromkeys(asked))
    for name in asked:
        if name not in known:
            raise SparsightError(f"not every run has the measure {name!r}; all have: {', '.join(known) or 'none'}")
    ids = order(matches, sort, down)[start : start + count]
    which = [ids, *(match.partner[ids] for match in matches)]
    seen = [_measured(atlas, at, asked) for atlas, at in zip(atlases or [None] * len(which), which, strict=True)]
    cosines = [numbers(match.cosine[ids]) for match in matches]
    return [
        {
            "id": int(ids[n]),
            "measures": seen[0][n],
            "partners": [
                None if at[n] < 0 else {"id": int(at[n]), "cosine": cosine[n], "measures": measured[n]}
                for at, cosine, measured in zip(which[1:], cosines, seen[1:], strict=True)
            ],
        }
        for n in range(len(ids))
    ]


def _measured(atlas: Atlas | None, ids: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """The measures of each feature; −1 is none, and what is said of it means nothing."""
    if atlas is None:
        return [{}] * len(ids)
    at = np.maximum(ids, 0)
    columns = {name: numbers(np.asarray(atlas[name])[at]) for name in names}
    return [{name: values[n] for name, values in columns.items()} for n in range(len(ids))]


def _about(atlas: Atlas, name: str) -> dict[str, Any]:
    column = atlas.columns[name]
    return {"about": column.about, "null": column.null}


def alone(matches: Sequence[Match], which: int) -> np.ndarray:
    """The features of one of the runs, 0 for the first, that are nobody's partner, ascending."""
    return np.flatnonzero(np.isnan(mean_cosine(matches))) if which == 0 else matches[which - 1].alone


def figures(matches: Mapping[str, Match]) -> dict[str, str]:
    """How near partners are, for each other run by its name, as SVG."""
    drawn = {}
    for name, match in matches.items():
        cosine = match.cosine[np.isfinite(match.cosine)]
        low = min(0.0, float(np.floor(cosine.min(initial=0.0) * 10) / 10))
        counts, edges = np.histogram(cosine, BINS, range=(low, 1.0))
        marks = {"mean": float(cosine.mean())} if len(cosine) else {}
        drawn[f"Cosine to partners in {name}"] = charts.bars(
            counts, edges, x="cosine of decoder rows", y="pairs", marks={"random directions": match.null, **marks}
        )
    return drawn


def measured(compared: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """What `comparison.compare` found of runs, as a record that JSON can hold.

    - `said`: on what it was measured; `figures`: of each the `name`, `title` and which end is `better`, None where
      neither is; those that no row has are left out;
    - `rows`: of each the `name`, for runs their key, the `kind` (`run`, `baseline` or `null`), and its figures.

    Args:
        compared: the record.
        keys: of the runs, in their order.
    """
    rows = [{**row, "name": key} for row, key in zip(compared["rows"], keys, strict=False)]
    rows += compared["rows"][len(keys) :]
    shown = figures_known(rows)
    return {
        "said": said(compared),
        "figures": [{"name": name, "title": FIGURES[name], "better": BETTER.get(name)} for name in shown],
        "rows": [{"name": row["name"], "kind": row["kind"], **{name: row[name] for name in shown}} for row in rows],
    }
