"""The report: one HTML file that needs nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

import sparsight
from sparsight import atlas as surveying
from sparsight.core import SAE, Atlas, Source
from sparsight.core.sampling import spread
from sparsight.report import evidence, findings
from sparsight.run import Run
from sparsight.views import charts, exports, features, samples

HERE = Path(__file__).parent
BUDGET = 1_200_000
"""Bytes that filters may take; where there are more, some features are shown."""
MOST = 2_000
"""Features that one page shows."""
TOP, DRAWN = 8, 8
"""Examples of a feature: with the largest codes, and from the largest to the smallest."""
FIGURES = {
    "explained_variance": "explained variance",
    "l0": "L0",
    "silent": "silent features",
    "probe_error": "probe error",
    "found": "true features found",
    "moran": "Moran's I",
    "participation_ratio": "participation ratio",
}
"""What is compared, by its heading."""


def html(
    run: Run,
    atlas: Atlas,
    measured: Source,
    compared: Mapping[str, Any],
    drawn: Mapping[str, Mapping[str, str]],
) -> str:
    """The report of a run.

    Args:
        run: it has ended, or been stopped with a model.
        atlas: the facts about its features.
        measured: the samples that the atlas was made from.
        compared: the run beside its nulls, from `comparison.compare`.
        drawn: its charts, from `views.figures.every`.
    """
    sae = run.sae()
    shape = sae.schema.shape
    size = 2 * sae.n_inputs if shape is not None else 1
    ids = spread(len(atlas), min(MOST, max(1, BUDGET // size))).numpy()
    examples = features.examples(atlas, measured, ids, TOP, DRAWN)
    data = {
        "shape": shape,
        "ids": ids.tolist(),
        "columns": features.table(atlas, ids),
        "histogram": atlas["histogram"][ids].tolist(),
        "edges": features.numbers(surveying.edges()),
        "examples": examples,
        "classes": measured.schema.classes,
        "class_mean": features.numbers(atlas["class_mean"][ids]) if "class_mean" in atlas else None,
        "neighbours": {
            name: features.numbers(np.asarray(atlas[name][ids]))
            for name in ("decoder.neighbour_ids", "decoder.neighbour_cosine", "together_ids", "together")
            if name in atlas
        },
    }
    if shape is not None:
        data["filters"] = {of: features.packed(w) for of, w in features.filters(sae, ids).items()}
    if shape is None or not sae.schema.alike:
        data["inputs"] = features.heaviest(sae, ids, 8)
    page = Template((HERE / "page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(run.path.resolve().name),
        lead=escape(_lead(run)),
        tiles=_tiles(run, atlas, compared),
        notes=_notes(run, len(atlas), len(ids)),
        sections="\n".join(_sections(run, sae, measured, compared, drawn)),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        version=sparsight.__version__,
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _lead(run: Run) -> str:
    recipe, manifest = run.recipe, run.manifest
    return (
        f"{recipe['n_latents']} features of {manifest['data']['inputs']} inputs{_to(manifest)}, learned from "
        f"{manifest['data']['samples']:,} samples with the recipe {recipe['name']} "
        f"({recipe['architecture']['name']}). {recipe['summary']}"
    )


def _to(manifest: Mapping[str, Any]) -> str:
    targets = manifest["data"].get("targets")
    return "" if targets is None else f" and {targets} targets"


def _tiles(run: Run, atlas: Atlas, compared: Mapping[str, Any]) -> str:
    """The figures that matter most, each over what chance gives."""
    summary = run.summary
    assert summary is not None
    quality = summary["quality"]
    rows = [
        (
            "variance explained",
            f"{quality['explained_variance']:.1%}",
            _nulls(compared, "explained_variance"),
        ),
        ("features per sample (L0)", f"{quality['l0']:.1f}", f"of {len(atlas)}"),
        ("dead features", str(summary["dead"]), f"{quality['silent']:.0f} silent on {summary['measured_on']}"),
    ]
    if compared["rows"][0]["found"] is not None:
        rows.append(("true features found", f"{compared['rows'][0]['found']:.1%}", _nulls(compared, "found")))
    probe = compared["rows"][0]["probe_error"]
    if probe is not None:
        rows.append((f"probe error, {compared['labels']:,} labels", f"{probe:.1%}", _nulls(compared, "probe_error")))
    for of in ("encoder", "decoder"):
        column = atlas.columns.get(f"{of}.moran")
        if column is not None:
            live = column.values[np.asarray(atlas["rate"]) > 0]
            median = float(np.nanmedian(live)) if np.isfinite(live).any() else float("nan")
            rows.append((f"Moran's I, {of}", f"{median:.2f}", f"white noise {abs(column.null or 0):.2f}"))
    if "purity" in atlas:
        column = atlas.columns["purity"]
        rows.append(("class purity, median", f"{np.nanmedian(column.values):.2f}", f"chance {column.null or 0:.2f}"))
    return "".join(
        f'<li>{escape(name)}<b>{escape(value)}</b><span class="null">{escape(null)}</span></li>'
        for name, value, null in rows
    )


def _nulls(compared: Mapping[str, Any], figure: str) -> str:
    """What the baselines reach, in words."""
    known = [(row["name"], row[figure]) for row in compared["rows"][1:] if row[figure] is not None]
    return ", ".join(f"{name} {value:.1%}" for name, value in known) or "nothing to compare it with"


def _notes(run: Run, features: int, shown: int) -> str:
    notes = list(run.manifest["notes"])
    if shown < features:
        notes.append(f"{shown} of {features:,} features are shown, evenly spread")
    return listed(notes)


def listed(notes: Sequence[str]) -> str:
    """Notes below the figures; nothing where there are none."""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>' if notes else ""


def _sections(
    run: Run,
    sae: SAE,
    measured: Source,
    compared: Mapping[str, Any],
    drawn: Mapping[str, Mapping[str, str]],
) -> Iterator[str]:
    if run.judged:
        said = "Causes before their effects. The command sparsight diagnose --fix writes the mended recipe."
        yield section("What is wrong", said, findings.inner(run.findings()))
    yield _features(sae)
    chosen = samples.chosen(measured, samples.SAMPLES)
    made = samples.reconstructions(sae, measured, chosen)
    if made is not None:
        yield section(
            "Samples and what is made of them",
            "Above the sample, in the middle its reconstruction, below the difference (grey: none).",
            f'<div class="scroll rows">{_picture("reconstructions", made)}</div>',
        )
        built = [samples.build_up(sae, measured, int(at), samples.PARTS) for at in chosen[: samples.BUILT]]
        rows = "".join(
            f'<div class="scroll">{_picture(f"build-up-{n}", one["picture"], _adds(one))}</div>'
            for n, one in enumerate(built, 1)
        )
        yield section(
            "Built feature by feature",
            "Above the sum so far, first without any feature, at the right the whole reconstruction and the sample; "
            "below what each feature adds, the largest part first.",
            rows,
        )
    yield section("Training", "Each term alone, and its share of the gradient.", _charts(drawn["training"]))
    yield section("The features as a population", "", _charts(drawn["population"]))
    if sae.schema.shape is not None:
        said = "The Gabor function nearest to each filter. Strokes have all orientations and middling frequencies."
        yield section("Orientation and frequency", said, _charts(drawn["gabors"]))
    wide = "".join(_chart(title, chart) for title, chart in drawn["codes"].items())
    said = "" if samples.umap() else "By UMAP where it is installed: pip install 'sparsight[umap]'."
    yield section("Codes in two dimensions", said, f'<div class="wide">{wide}</div>')
    yield section("Beside its nulls", _said(compared), _rows(compared))
    verified = run.verified
    if verified is not None:
        said = "Each claim with its interval and what its null gives; ● holds. The docs say what real means."
        yield section("What is real", said, evidence.inner(verified, sae) + _charts(drawn["evidence"]))
    yield _table()
    records = {"recipe": run.recipe, "manifest": run.manifest, "summary": run.summary}
    yield section("Recipe and manifest", "", "".join(folded(name, record) for name, record in records.items()))


def _features(sae: SAE) -> str:
    """The grids and the panel of one feature; the script fills them."""
    grids, pictured = "", ""
    if sae.schema.shape is not None:
        grids = "".join(
            f'<figure data-name="{of}"><canvas class="grid" data-of="{of}" {focus} aria-label="{said}"></canvas>'
            f"<figcaption><span>{said}</span></figcaption></figure>"
            for of, focus, said in (
                ("encoder", 'tabindex="0"', "encoder filters"),
                ("decoder", 'tabindex="0"', "decoder rows"),
                ("null", "", "null: white noise"),
            )
            if of != "decoder" or sae.schema.alike
        )
        grids = f'<div class="grids">{grids}</div>'
        pictured = (
            '<label>scale<select id="scale"><option value="own">each its own</option>'
            '<option value="shared">shared</option></select></label>'
            '<label>colours<select id="colour"><option value="grey">grey</option>'
            '<option value="diverging">diverging</option></select></label>'
            '<label class="check"><input type="checkbox" id="dim" checked>dim silent ones</label>'
            '<label class="check"><input type="checkbox" id="lay">lay the filter over samples</label>'
            '<span class="scale">−<canvas id="scalebar"></canvas>+ <span id="scalewords"></span></span>'
        )
    return (
        '<section><h2>Features</h2><p class="soft">Choose one by mouse, finger or arrow keys.</p>'
        '<div class="controls"><label>sorted by<select id="sort"></select></label>'
        f'<button id="turn">turn round</button>{pictured}</div><div class="explorer">{grids}'
        '<div id="feature"><div class="full"><h3 id="name"></h3></div><div id="cards"></div></div></div></section>'
    )


def _table() -> str:
    return (
        '<section><h2>All measures</h2><p class="soft">A heading sorts; its tip says the formula.</p>'
        '<div class="scroll"><table><thead><tr id="heads"></tr></thead><tbody id="rows"></tbody></table></div>'
        '<p><button id="more">show all</button> <button id="csv">save as CSV</button></p></section>'
    )


def _said(compared: Mapping[str, Any]) -> str:
    labels = f", probes with {compared['labels']:,} labels" if compared["labels"] else ""
    return f"Measured on {compared['measured_on']} in the units of the data{labels}. {'. '.join(compared['notes'])}"


def _rows(compared: Mapping[str, Any]) -> str:
    """The comparison as a table; a figure that no row has is left out."""
    rows = compared["rows"]
    names = [name for name in FIGURES if any(row[name] is not None for row in rows)]
    head = "".join(f"<th>{escape(FIGURES[name])}</th>" for name in names)
    body = "".join(
        f'<tr><td style="text-align:left">{escape("this run" if row["kind"] == "run" else row["name"])}</td>'
        + "".join(f"<td>{'–' if row[name] is None else charts.short(row[name])}</td>" for name in names)
        + "</tr>"
        for row in rows
    )
    table = f'<table class="still"><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div><p><button id="nulls">save as CSV</button></p>'


def folded(name: str, record: Any) -> str:
    """A record as JSON behind its name."""
    text = escape(json.dumps(record, indent=2, ensure_ascii=False))
    return f"<details><summary>{name}</summary><pre>{text}</pre></details>"


def section(title: str, said: str, inner: str) -> str:
    """A part of the page."""
    lead = f'<p class="soft">{escape(said)}</p>' if said else ""
    return f"<section><h2>{escape(title)}</h2>{lead}{inner}</section>"


def _charts(titled: Mapping[str, str]) -> str:
    return f'<div class="charts">{"".join(_chart(title, chart) for title, chart in titled.items())}</div>'


def _chart(title: str, chart: str) -> str:
    name = exports.slug(title)
    return f'<figure data-name="{name}"><h3>{escape(title)}</h3>{chart}<figcaption><span></span></figcaption></figure>'


def _picture(name: str, pixels: np.ndarray, said: str = "") -> str:
    image = f'<img alt="{name}" src="{features.data_uri(pixels)}">'
    return f'<figure data-name="{name}">{image}<figcaption><span>{escape(said)}</span></figcaption></figure>'


def _adds(built: Mapping[str, Any]) -> str:
    pairs = zip(built["features"], built["codes"], strict=True)
    return "features " + ", ".join(f"{feature} ({code:.3g})" for feature, code in pairs)
