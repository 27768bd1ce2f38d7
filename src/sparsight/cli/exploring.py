"""`sparsight explore`."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sparsight import spec
from sparsight.errors import SparsightError
from sparsight.explore.serving import LOOPBACK, bound, serve
from sparsight.explore.shelf import Shelf
from sparsight.sources import open_source


def explore(
    runs: Sequence[Path],
    *,
    data: str | None,
    host: str,
    port: int,
    browser: bool,
    plugins: Sequence[Path],
    console: Console,
) -> None:
    """Serve runs until Ctrl-C."""
    for plugin in plugins:
        spec.load_plugin(plugin)
    given = list(runs)
    for path in given:
        if not path.is_dir():
            raise SparsightError(f"there is no folder {str(path)!r}: give a run, or a folder that holds some")
    if not given:
        given = [Path("runs")]
        given[0].mkdir(exist_ok=True)
    shelf = Shelf(given, None if data is None else open_source(data))
    if runs and not shelf.runs():
        raise SparsightError(
            f"{', '.join(map(repr, map(str, given)))} holds no run: `sparsight train digits` makes one"
        )
    server = bound(shelf, host=host, port=port)
    if host not in LOOPBACK:
        console.print(
            f"open to everybody who reaches {host} and has the address below: they see these runs and their data, "
            "write notes, and train models here. The connection is not encrypted.",
            markup=False,
            soft_wrap=True,
        )
    serve(server, browser=browser, say=lambda at: console.print(at, markup=False, soft_wrap=True))
