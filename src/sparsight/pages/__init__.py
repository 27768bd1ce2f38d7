"""The front end: a page, its style and its modules, which the explorer serves and the report freezes."""

from functools import cache
from pathlib import Path

WEB = Path(__file__).parent / "web"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}


@cache
def files() -> dict[str, tuple[bytes, str]]:
    """Content and media type of every file by its name."""
    found = sorted(WEB.iterdir())
    return {path.name: (path.read_bytes(), f"{KINDS[path.suffix]}; charset=utf-8") for path in found}
