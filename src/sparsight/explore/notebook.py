"""The explorer inside a notebook."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from sparsight.explore.serving import Server, bound
from sparsight.explore.shelf import Shelf
from sparsight.run import Run

_SERVERS: dict[Path, Server] = {}
"""By the folder that runs are in: one server for each, as long as the program lives."""


@dataclass(frozen=True)
class Shown:
    """The pages of a run; a notebook shows them in a frame, and elsewhere `address` can be opened in a browser."""

    address: str
    height: int

    def _repr_html_(self) -> str:
        source = escape(self.address, quote=True)
        style = f"width: 100%; height: {self.height}px; border: 1px solid #8884; border-radius: 8px"
        return f'<iframe src="{source}" title="sparsight" style="{style}"></iframe>'


def shown(run: Run, height: int = 720) -> Shown:
    """Serve the folder of a run, if nobody does yet, and show its features.

    Args:
        run: it may still be in training.
        height: of the frame, in pixels.
    """
    path = run.path.resolve()
    server = _SERVERS.get(path.parent)
    if server is None:
        server = _SERVERS[path.parent] = bound(Shelf([path.parent]), framed=True)
        server.start()
    key = next(key for key, other in server.shelf.runs().items() if other.path == path)
    page = "features" if run.summary is not None else "live"
    return Shown(f"{server.address}&go={quote(f'/run/{quote(key)}/{page}')}", height)
