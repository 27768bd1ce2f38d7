"""`sparsight data check`."""

from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from sparsight.cli.printing import print_json
from sparsight.shards import open_folder
from sparsight.shards.reading import check as check_sums


def check(folder: Path, *, as_json: bool, console: Console) -> None:
    """Compare every file of a folder of shards with its checksum, and say what is in it.

    Raises:
        SparsightError: there are no shards, or some are missing, cut off or damaged.
    """
    opened = open_folder(folder)
    columns = (TextColumn("{task.description}"), BarColumn(20), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    with bar or nullcontext():
        task = None if bar is None else bar.add_task("checksums", total=opened.size)
        check_sums(opened, None if bar is None or task is None else lambda n: bar.advance(task, n))
    found = {
        "folder": str(folder),
        "rows": len(opened),
        "shards": len(opened.parts),
        "bytes": opened.size,
        "columns": {name: str(column) for name, column in opened.columns.items()},
        "complete": opened.complete,
    }
    if as_json:
        print_json(found)
        return
    said = ", ".join(f"{name} ({column})" for name, column in opened.columns.items())
    console.print(f"{len(opened):,} rows in {len(opened.parts):,} shards: {said}", markup=False, soft_wrap=True)
    console.print(f"{opened.size / 1e9:,.2f} GB, and every checksum is right", markup=False, soft_wrap=True)
    if not opened.complete:
        console.print("not complete: a writer is at work still, or was stopped and can go on", soft_wrap=True)
