"""What a page needs to know of a run before it shows any of its features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparsight.core import SAE, Atlas
from sparsight.errors import SparsightError
from sparsight.models.origin import origin
from sparsight.run import Run
from sparsight.views import words
from sparsight.views.charts import short
from sparsight.views.effects import described as effected
from sparsight.views.effects import tiles
from sparsight.views.summary import described

FIGURES = {
    "explained_variance": "explained variance",
    "l0": "L0",
    "silent": "silent features",
    "probe_error": "probe error",
    "found": "true features found",
    "moran": "Moran's I",
    "participation_ratio": "participation ratio",
}
"""What runs are compared by, by its heading."""


def about(run: Run, sae: SAE | None, atlas: Atlas | None) -> dict[str, Any]:
    """A run as a page begins with it.

    - `summary`: as `views.summary.described` has it. `lead`: what it is, in a sentence. `tiles`: figures that matter
      most, each with its `null`. `compared`: it beside its nulls, rows by heading; None: nobody has compared it.
    - `features`; `shape` of a filter that is a picture, or None; `sides`: of which filters can be shown; `classes`,
      `names` of the inputs.
    - `words`: whether features are told by the words that they fire at; `labels`: what labels are made of, `words` or
      `classes`, or None: there are none.
    - `columns`: of the atlas, with formula, cost, null and how much it rests on; {}: there is no atlas.
    - `judged`, `verified`: whether there are findings, and evidence.
    - `effects`: what the model that the data come from does with the reconstructions, as `views.effects.described` has
      it; None: nobody has measured it. `steers`: whether that model reads texts, and can be steered.

    Args:
        run: whichever.
        sae: its model; None: it has not ended.
        atlas: its facts; None: there are none.
    """
    record, compared, effects = described(run), run.compared(), run.effects()
    sides = [] if sae is None or sae.schema.shape is None else ["encoder", "decoder", "null"]
    if sae is not None and not sae.schema.alike:
        sides = [side for side in sides if side != "decoder"]
    return {
        "name": run.path.name,
        "path": str(run.path),
        "summary": record,
        "lead": _lead(record),
        "tiles": []
        if record["quality"] is None
        else [
            *_tiles(record, atlas, compared),
            *(
                {"name": name, "value": value, "null": null}
                for name, value, null in (tiles(effects) if effects else ())
            ),
        ],
        "compared": None if compared is None else _compared(compared),
        "features": record["n_latents"],
        "shape": None if sae is None else sae.schema.shape,
        "sides": sides,
        "columns": {} if atlas is None else columns(atlas),
        "words": words.known(atlas),
        "labels": None if atlas is None else words.labelled(atlas),
        "classes": None if sae is None else sae.schema.classes,
        "names": None if sae is None else sae.schema.names,
        "judged": run.judged,
        "verified": run.verified is not None,
        "effects": None if effects is None else effected(effects),
        "steers": sae is not None and _reads_texts(run),
    }


def _reads_texts(run: Run) -> bool:
    try:
        found = origin(run.recipe["source"])
    except SparsightError:  # its data are gone, and with them where they came from
        return False
    return found is not None and found.feed.get("name") == "texts"


def columns(atlas: Atlas) -> dict[str, dict[str, Any]]:
    """The columns with one number per feature: formula, cost, null, and how many samples or features they rest on."""
    return {
        name: {"about": column.about, "cost": column.cost, "null": column.null, "seen": column.seen}
        for name, column in atlas.numbers().items()
    }


def _lead(record: Mapping[str, Any]) -> str:
    data, targets = record["data"], record["data"].get("targets")
    to = "" if targets is None else f" and {targets} targets"
    return (
        f"{record['n_latents']:,} features of {data['inputs']} inputs{to}, learned from {data['samples']:,} samples "
        f"with the recipe {record['recipe']['name']} ({record['architecture']['name']}). {record['recipe']['summary']}"
    )


def _tiles(record: Mapping[str, Any], atlas: Atlas | None, compared: Mapping[str, Any] | None) -> list[dict[str, str]]:
    quality = record["quality"]
    rows = [] if compared is None else compared["rows"]
    found = [
        ("variance explained", f"{quality['explained_variance']:.1%}", _nulls(rows, "explained_variance")),
        ("features per sample (L0)", f"{quality['l0']:.1f}", f"of {record['n_latents']:,}"),
        ("dead features", str(record["dead"]), f"{quality['silent']:.0f} silent on {record['measured_on']}"),
    ]
    if rows and rows[0]["found"] is not None:
        found.append(("true features found", f"{rows[0]['found']:.1%}", _nulls(rows, "found")))
    if compared is not None and rows and rows[0]["probe_error"] is not None:
        name = f"probe error, {compared['labels']:,} labels"
        found.append((name, f"{rows[0]['probe_error']:.1%}", _nulls(rows, "probe_error")))
    if atlas is not None:
        for of in ("encoder", "decoder"):
            column = atlas.columns.get(f"{of}.moran")
            if column is not None:
                live = column.values[np.asarray(atlas["rate"]) > 0]
                median = float(np.nanmedian(live)) if np.isfinite(live).any() else float("nan")
                found.append((f"Moran's I, {of}", f"{median:.2f}", f"white noise {abs(column.null or 0):.2f}"))
        if "label_score" in atlas:
            column = atlas.columns["label_score"]
            chance = f"chance {column.null or 0:.2f}"
            found.append(("label score φ, median", f"{np.nanmedian(column.values):.2f}", chance))
        if "purity" in atlas:
            column = atlas.columns["purity"]
            chance = f"chance {column.null or 0:.2f}"
            found.append(("class purity, median", f"{np.nanmedian(column.values):.2f}", chance))
    return [{"name": name, "value": value, "null": null} for name, value, null in found]


def _nulls(rows: list[Mapping[str, Any]], figure: str) -> str:
    """What the baselines reach, in words."""
    known = [(row["name"], row[figure]) for row in rows[1:] if row[figure] is not None]
    return ", ".join(f"{name} {value:.1%}" for name, value in known) or "nothing to compare it with"


def figures_known(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The figures that any row of a comparison has."""
    return [name for name in FIGURES if any(row[name] is not None for row in rows)]


def said(compared: Mapping[str, Any]) -> str:
    """On what runs were compared, and what is to be said of it."""
    labels = f", probes with {compared['labels']:,} labels" if compared["labels"] else ""
    return f"Measured on {compared['measured_on']} in the units of the data{labels}. {'. '.join(compared['notes'])}"


def _compared(compared: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison as a table."""
    rows, names = compared["rows"], figures_known(compared["rows"])
    return {
        "said": said(compared),
        "heads": [FIGURES[name] for name in names],
        "rows": [
            ["this run" if row["kind"] == "run" else row["name"]]
            + ["–" if row[name] is None else short(row[name]) for name in names]
            for row in rows
        ],
    }
