"""The pages with their answers in them: what a report is."""

import base64
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from sparsight.pages import files
from sparsight.run import finite

POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' data: file: 'self'"
)
PREFIX = "sparsight/"
STYLES = ("style.css", "training.css")
"""Of all pages, and of those that have their own and are in a report."""


@dataclass
class Held:
    """Answers by the path that pages ask for; what is asked for by id lies in tables, many ids to a block."""

    only: str
    """The run that it is about."""
    answers: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self, path: str, record: Any) -> None:
        """A record as the JSON answer to a path."""
        self.answers[path] = json.dumps(finite(record), separators=(",", ":")).encode()

    def put_table(self, path: str, ids: Sequence[int], size: int, make: Callable[[Sequence[int]], bytes]) -> None:
        """Answers by id, in blocks of `size` ids as `make` gives them."""
        self.tables[path] = {"ids": list(ids), "size": size}
        for block, start in enumerate(range(0, len(ids), size)):
            self.answers[f"{path}/{block}"] = make(ids[start : start + size])


def page(held: Held, title: str) -> str:
    """One HTML file that needs nothing else."""
    return _html(title, {"answers": {path: _packed(content) for path, content in held.answers.items()}}, held)


def folder(held: Held, title: str) -> dict[str, bytes]:
    """The same as files by name, where it is too large for one: `index.html` reads of the others what it shows."""
    numbers = {path: number for number, path in enumerate(held.answers)}
    found = {
        f"data/{numbers[path]}.js": f"hold({json.dumps(path)}, {json.dumps(_packed(content))});\n".encode()
        for path, content in held.answers.items()
    }
    return {"index.html": _html(title, {"answers": {}, "files": numbers}, held).encode(), **found}


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _html(title: str, data: dict[str, Any], held: Held) -> str:
    """The page with style, modules and data in it."""
    text = re.sub(r'<link rel="modulepreload"[^>]*>\n', "", files()["index.html"][0].decode())
    style, modules = "".join(files()[name][0].decode() for name in STYLES), _modules()
    data = {"only": held.only, "tables": held.tables, **data}
    inner = (
        f'<script type="application/json" id="frozen">{_inert(data)}</script>\n'
        f'<script type="importmap">{_inert({"imports": modules})}</script>\n'
        f'<script type="module">import "{PREFIX}main.js";</script>'
    )
    for before, after in (
        ('<link rel="stylesheet" href="style.css">', f"<style>{style}</style>"),
        ('<script type="module" src="main.js"></script>', ""),
        (
            "<title>sparsight</title>",
            f'<title>{escape(title)}</title>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        ),
        ("</body>", f"{inner}\n</body>"),
    ):
        assert before in text
        text = text.replace(before, after, 1)
    return text


def _inert(value: Any) -> str:
    """JSON that ends no script."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _modules() -> dict[str, str]:
    """Every module as a data address by its name; they import each other by name, since data have no neighbours."""
    found = {}
    for name, (content, _) in files().items():
        if name.endswith(".js"):
            text = re.sub(r'(from |import\()"\./', rf'\1"{PREFIX}', content.decode())
            found[PREFIX + name] = f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"
    return found
