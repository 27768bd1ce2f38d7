"""`sparsight diagnose`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from sparsight import job
from sparsight.cli.findings import tell
from sparsight.cli.printing import figure, print_json, table
from sparsight.cli.training import Bar, progress_bar
from sparsight.core import Finding, Source
from sparsight.diagnosis import diagnose, mended
from sparsight.errors import SparsightError
from sparsight.run import Run, write
from sparsight.sources import open_source
from sparsight.spec import build

COMPARED = {"explained_variance": "explained", "l0": "L0", "mean_activity": "mean activity"}


def diagnosed(
    what: Path,
    *,
    data: str | None,
    held_out: str | None,
    again: Path | None,
    told: dict[str, Any],
    fix: bool,
    train: bool,
    out: Path | None,
    as_json: bool,
    strict: bool,
    console: Console,
) -> None:
    """Say what is wrong with a run or with weights, and mend the recipe where asked to.

    Raises:
        SparsightError: it cannot be read, or there is no recipe to mend.
    """
    run = Run.open(what) if (what / "recipe.json").is_file() else None
    if fix and run is None:
        raise SparsightError(f"--fix mends the recipe of a run, and {str(what)!r} is none: its findings say what to do")
    found = diagnose(what, data, held_out=held_out, again=again, **told)
    if run is not None:
        run.put_findings(found)
    if as_json:
        print_json({"model": str(what), "findings": [{**each.record(), "page": each.page} for each in found]})
    else:
        tell(found, console)
    if run is not None and fix and found:
        source = None if data is None else build("source", open_source(data))
        _mend(run, found, source, train=train, out=out, console=console)
    if strict and found:
        raise typer.Exit(1)


def _mend(
    run: Run, found: Sequence[Finding], source: Source | None, *, train: bool, out: Path | None, console: Console
) -> None:
    """Write the recipe with its fixes beside the run, and train it where asked to."""
    recipe, changes = mended(run.recipe, found)
    place = run.path / "mended.json"
    write(place, (json.dumps(recipe, indent=1) + "\n").encode())
    console.print(f"wrote {place}, with {'  '.join(changes)}", markup=False, soft_wrap=True)
    if not train:
        console.print(f"train it: sparsight train -r {place}", markup=False, soft_wrap=True)
        return
    folder = out or job.free_name(run.path.parent, f"{run.path.name}-mended")
    with progress_bar(console) as bar:
        better = job.train(job.Recipe.parse(recipe), folder, source, observers=[Bar(bar)])
    after = diagnose(better, source)
    better.put_findings(after)
    console.print(_beside(run, found, better, after))
    console.print(f"trained {better.path}", markup=False, soft_wrap=True)
    tell(after, console)


def _beside(run: Run, found: Sequence[Finding], better: Run, after: Sequence[Finding]) -> Any:
    """Before and after, as a table."""
    made = table("", "before", "after")
    summaries = [each.summary for each in (run, better)]
    for key, label in COMPARED.items():
        made.add_row(label, *(figure(None if s is None else s["quality"][key]) for s in summaries))
    made.add_row("dead", *(figure(None if s is None else s["dead"], ".0f") for s in summaries))
    for of in ("encoder", "decoder"):
        values = [((s or {}).get("shapes") or {}).get("moran", {}).get(of) for s in summaries]
        if any(value is not None for value in values):
            made.add_row(f"Moran's I, {of}", *(figure(value) for value in values))
    for severity in ("red", "amber"):
        made.add_row(severity, *(str(sum(each.severity == severity for each in f)) for f in (found, after)))
    return made


def parsed_shape(text: str | None) -> tuple[int, ...] | None:
    """`28x28` as numbers.

    Raises:
        SparsightError: it is something else.
    """
    if text is None:
        return None
    try:
        return tuple(int(each) for each in text.lower().split("x"))
    except ValueError:
        raise SparsightError(f"{text!r} is no shape: write 28x28, or 32x32x3 with channels") from None
