"""The page about a sweep."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import sparsight
from sparsight.pages import files
from sparsight.views import sweeps

COLUMNS = {
    "explained_variance": ("explained variance", ".4f"),
    "l0": ("L0", ".2f"),
    "dead": ("dead features", ",.0f"),
    "silent": ("silent features", ",.0f"),
    "seconds": ("seconds", ",.1f"),
}
"""Heading and form of each figure."""


def html(record: Mapping[str, Any]) -> str:
    """The page about a sweep, from `views.sweeps.described`."""
    ended = [row for row in record["rows"] if row["ended"] is not None]
    figures = "".join(
        f"<figure><h3>{escape(title)}</h3>{chart}</figure>" for title, chart in sweeps.figures(record).items()
    )
    said = "In colour: no other model explains as much with fewer features per sample, or more with as many."
    sections = [
        _section("What features cost and buy", said, f'<div class="charts">{figures}</div>'),
        _section("Models", f"Measured on {record['measured_on']}. ● as above.", _table(record)),
        _section("Record", "", _folded(record)),
    ]
    page = Template((Path(__file__).parent / "sweep.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(Path(record["sweep"]).resolve().name),
        lead=escape(f"The recipe {record['recipe']} with {' '.join(record['changes'])}"),
        tiles="".join(
            f"<li>{name}<b>{value}</b></li>"
            for name, value in (
                ("models that have ended", f"{len(ended)} of {len(record['rows'])}"),
                ("of them best", str(sum(row["best"] for row in ended))),
            )
        ),
        notes="".join(f'<p class="sorry">{escape(note)}</p>' for note in record["notes"]),
        sections="\n".join(sections),
        style=files()["style.css"][0].decode(),
        version=sparsight.__version__,
    )


def _table(record: Mapping[str, Any]) -> str:
    """A row for each model: its values, figures, and what stopped it."""
    keys = list(dict.fromkeys(key for row in record["rows"] for key in row["values"]))
    heads = ["", *keys, *(heading for heading, _ in COLUMNS.values()), ""]
    head = "".join(f"<th>{escape(heading)}</th>" for heading in heads)
    body = ""
    for row in record["rows"]:
        values = [str(row["values"][key]) for key in keys]
        found = ["–" if row[key] is None else format(row[key], form) for key, (_, form) in COLUMNS.items()]
        state = row["failed"] or ("" if row["ended"] else "has not ended")
        cells = ["●" if row["best"] else "", *values, *found, state]
        body += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _section(title: str, said: str, inner: str) -> str:
    lead = f'<p class="soft">{escape(said)}</p>' if said else ""
    return f'<section class="card"><h2>{escape(title)}</h2>{lead}{inner}</section>'


def _folded(record: Mapping[str, Any]) -> str:
    text = escape(json.dumps(record, indent=2, ensure_ascii=False))
    return f"<details><summary>JSON</summary><pre>{text}</pre></details>"
