"""The front end: a page, its style and its modules, which the explorer serves and the report freezes."""

import re
from functools import cache
from pathlib import Path

WEB = Path(__file__).parent / "web"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}
FIRST = ("main.js", "runs.js", "features.js")
"""Modules that nearly every visit needs; with what they import they are loaded at once, not one after the other."""
PRELOAD = "<!-- preload -->"


@cache
def files() -> dict[str, tuple[bytes, str]]:
    """Content and media type of every file by its name."""
    found = {path.name: path.read_bytes() for path in sorted(WEB.iterdir())}
    links = "\n".join(f'<link rel="modulepreload" href="{name}">' for name in _imported(found, FIRST))
    found["index.html"] = found["index.html"].replace(PRELOAD.encode(), links.encode())
    return {name: (content, f"{KINDS[Path(name).suffix]}; charset=utf-8") for name, content in found.items()}


def _imported(found: dict[str, bytes], first: tuple[str, ...]) -> list[str]:
    """Modules, and those that they import, and so on."""
    seen: list[str] = []
    waiting = list(first)
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.append(name)
            waiting += re.findall(r'from "\./([\w-]+\.js)"', found[name].decode())
    return seen
