"""`sparsight compare`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sparsight import spec
from sparsight.cli.printing import figure, print_json, table
from sparsight.comparison import compare as compared
from sparsight.run import Run

COLUMNS = {
    "explained_variance": ("explained", ".1%"),
    "l0": ("L0", ".1f"),
    "dead": ("dead", ",.0f"),
    "silent": ("silent", ",.0f"),
    "probe_error": ("probe\nerror", ".1%"),
    "found": ("true\nfound", ".1%"),
    "moran": ("Moran", ".2f"),
    "participation_ratio": ("part.\nratio", ".3f"),
    "seconds": ("s", ",.1f"),
}
"""Heading and form of each figure, as they stand from left to right."""


def compare(
    paths: Sequence[Path], *, baselines: bool, plugins: Sequence[Path], as_json: bool, console: Console
) -> None:
    """Print a row for each run and each baseline.

    Raises:
        SparsightError: a folder is no run, or the runs cannot be compared.
    """
    for plugin in plugins:
        spec.load_plugin(plugin)
    runs = [Run.open(path) for path in paths]
    with console.status("measuring the runs and fitting baselines" if baselines else "measuring the runs"):
        record = compared(runs, baselines=None if baselines else ())
    if as_json:
        print_json(record)
    else:
        _tell(record, console)


def _tell(record: Mapping[str, Any], console: Console) -> None:
    # a column without a figure is left out: a dash in every row says nothing
    shown = {key: how for key, how in COLUMNS.items() if any(row[key] is not None for row in record["rows"])}
    rows = table(f"{record['n_latents']:,} features", *(heading for heading, _ in shown.values()))
    for row in record["rows"]:
        name = f"{row['name']} (null)" if row["kind"] == "null" else row["name"]
        rows.add_row(name, *(figure(row[key], form) for key, (_, form) in shown.items()))
    console.print(rows)
    labels = f"; probe error with {record['labels']:,} labels" if record["labels"] else ""
    console.print(f"\nmeasured on {record['measured_on']}{labels}", markup=False, soft_wrap=True)
    for note in record["notes"]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
