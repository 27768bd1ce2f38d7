"""`sparsight sweep`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from sparsight import recipes, spec, sweeps
from sparsight.cli.printing import figure, print_json, table
from sparsight.cli.training import progress_bar
from sparsight.core import Logged
from sparsight.devices import choose_device
from sparsight.job import Recipe
from sparsight.report import sweep as page
from sparsight.run import write
from sparsight.sources import open_source
from sparsight.views.sweeps import described, plot

COLUMNS = {
    "explained_variance": ("explained", ".1%"),
    "l0": ("L0", ".1f"),
    "dead": ("dead", ",.0f"),
    "silent": ("silent", ",.0f"),
    "seconds": ("s", ",.1f"),
}
"""Heading and form of each figure, as they stand from left to right."""


def sweep(
    recipe: str,
    changes: Sequence[str],
    *,
    data: str | None,
    out: Path | None,
    search: int | None,
    device: str,
    plugins: Sequence[Path],
    as_json: bool,
    console: Console,
) -> None:
    """Train all models that have not ended, write the page, and print a row for each.

    Raises:
        SparsightError: the grid, the data or the folder cannot be used.
    """
    for plugin in plugins:
        spec.load_plugin(plugin)
    asked = recipes.read(recipe)
    if data is not None:
        asked["source"] = open_source(data)
    parsed = Recipe.parse(asked)
    place = out or _place(parsed, changes, search)
    with progress_bar(console) as bar:
        found = sweeps.sweep(parsed, changes, place, None, [Bar(bar)], choose_device(device), search=search)
    record = described(found)
    write(place / "report.html", page.html(record).encode())
    if as_json:
        print_json(record)
    else:
        _tell(record, console)


def _place(recipe: Recipe, changes: Sequence[str], search: int | None) -> Path:
    """The first of sweeps/RECIPE, sweeps/RECIPE-2, ... that is this sweep, or not taken."""
    n = 1
    while True:
        place = Path("sweeps") / (recipe.name if n == 1 else f"{recipe.name}-{n}")
        if not place.exists() or sweeps.Sweep.is_at(place, recipe, changes, search):
            return place
        n += 1


class Bar:
    """A pass as a progress bar, with how many of its models have ended."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.ended = progress, 0
        self.task: Any = None if progress is None else progress.add_task("training", total=None, said="")

    def on_log(self, logged: Logged) -> None:
        if self.progress is not None:
            said = f"{self.ended} models have ended"
            self.progress.update(self.task, completed=logged.step, total=logged.steps, said=said)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None:
        self.ended += reason != "interrupted"


def _tell(record: Mapping[str, Any], console: Console) -> None:
    rows = table(f"{record['recipe']}: {len(record['rows'])} models", *(heading for heading, _ in COLUMNS.values()))
    for row in record["rows"]:
        figures = (figure(row[key], form) for key, (_, form) in COLUMNS.items())
        rows.add_row(f"{'●' if row['best'] else ' '} {row['name']}", *figures)
    console.print(rows)
    drawn = plot(record)
    if drawn:
        console.print(f"\n{drawn}", markup=False, no_wrap=True, crop=True)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    if record["measured_on"] is not None:
        say(f"\n● best: none explains as much with fewer features per sample; measured on {record['measured_on']}")
    for row in record["rows"]:
        if row["failed"] is not None:
            say(f"note: {row['name']}: {row['failed']}")
    for note in record["notes"]:
        say(f"note: {note}")
    missing = sum(row["ended"] is None and row["failed"] is None for row in record["rows"])
    if missing:
        say(f"{missing} models have not ended: the same command goes on")
    say(f"look at {Path(record['sweep']) / 'report.html'}; each model is a run in {record['sweep']}")
