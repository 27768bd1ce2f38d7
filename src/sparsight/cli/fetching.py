"""`sparsight data`. It needs no torch."""

from contextlib import nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from sparsight import downloads
from sparsight.cli.printing import print_json, table
from sparsight.downloads import File
from sparsight.downloads.fetching import get as fetch


def get(name: str, *, console: Console) -> None:
    """Fetch a data set, and say where it lies.

    Raises:
        SparsightError: there is none of this name, or it cannot be fetched or written.
    """
    data = downloads.read(name)
    columns = (TextColumn("{task.description}"), BarColumn(20), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    tasks: dict[str, Any] = {}

    def told(file: File, n: int) -> None:
        if bar is None:
            return
        if file.name not in tasks:
            tasks[file.name] = bar.add_task(file.name, total=file.packed)
        bar.update(tasks[file.name], completed=n)

    with bar or nullcontext():
        fetched = fetch(data, told)
    said = f"{len(fetched)} files were fetched" if fetched else "it was there, and its checksums are right"
    console.print(f"{name} is in {data.folder}: {said}", markup=False, soft_wrap=True)
    console.print(data.licence, markup=False, soft_wrap=True)
    console.print(f"Train on it with [bold]sparsight train {name}[/bold]", soft_wrap=True)


def show(*, as_json: bool, console: Console) -> None:
    """List what can be fetched."""
    sets = [downloads.read(name) for name in downloads.names()]
    if as_json:
        known = [
            {"name": data.name, "summary": data.summary, "licence": data.licence, "megabytes": data.megabytes}
            | {"here": data.here, "folder": str(data.folder)}
            for data in sets
        ]
        print_json(known)
        return
    shown = table("data set", "MB", "here")
    for data in sets:
        shown.add_row(
            f"[bold]{data.name}[/bold]  {data.summary}", f"{data.megabytes:.0f}", "yes" if data.here else "no"
        )
    console.print(shown)
    console.print(f"They are kept in {downloads.folder()}", markup=False, soft_wrap=True)
