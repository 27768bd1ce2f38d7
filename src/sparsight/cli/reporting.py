"""`sparsight report`."""

from pathlib import Path

from rich.console import Console

from sparsight import comparison, report
from sparsight.atlas import survey
from sparsight.core import Atlas, Source
from sparsight.errors import SparsightError
from sparsight.job import data_of
from sparsight.run import Run, write
from sparsight.sources import open_source
from sparsight.spec import build
from sparsight.views import exports, figures

COMPARED = 3e12
"""Products up to which a random dictionary, whose codes are pursued one by one, is affordable: a minute or so."""


def make(run: Run, data: str | None, out: Path | None, export: Path | None, console: Console) -> None:
    """Write the report of a run, and before it the atlas where there is none of these data."""
    run.sae()  # says what is missing before anything is measured
    if export is not None and export.exists() and not export.is_dir():
        raise SparsightError(f"{str(export)!r} is a file: give a folder to export to")
    training, measured = data_of(run, None if data is None else build("source", open_source(data)))
    place = out or run.path / "report.html"
    l0 = 1.0 if run.summary is None else run.summary["quality"]["l0"]
    products = len(measured) * l0 * run.recipe["n_latents"] * measured.schema.n_inputs
    nulls = comparison.NULLS if products <= COMPARED else comparison.NULLS[:-1]
    compared = comparison.beside([run], [(training, measured)], nulls)
    run.put_compared(compared)
    atlas = surveyed(run, measured)
    drawn = figures.every(run, atlas, measured)
    if report.is_folder(atlas):
        place = out or run.path / "report"
        for name, content in report.folder(run, atlas, measured, drawn).items():
            write(place / name, content)
        place /= "index.html"
    else:
        write(place, report.html(run, atlas, measured, drawn).encode())
    console.print(f"the report is in {place}", soft_wrap=True)
    if export is not None:
        for name, content in exports.every(run, atlas, measured, compared, drawn).items():
            write(export / name, content)
        console.print(f"pictures and tables are in {export}", soft_wrap=True)
        if not exports.can_draw():
            said = "charts are there as SVG alone: for PNG as well, pip install 'sparsight[export]'"
            console.print(said, markup=False, soft_wrap=True)


def surveyed(run: Run, measured: Source) -> Atlas:
    """The atlas of these samples, from the run's folder or made now."""
    try:
        found = run.atlas()
        if found.samples["sha256"] == measured.fingerprint():
            return found
    except SparsightError:
        pass
    run.put_atlas(survey(run.sae(), measured))
    return run.atlas()
