"""How commands print figures."""

import json
from typing import Any

from rich.table import Table


def print_json(record: Any) -> None:
    """One JSON object on stdout, whatever the console is."""
    print(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False))  # noqa: T201


def table(*headings: str) -> Table:
    """A plain table: the first column is text, which is folded where the terminal is narrow, the others are figures."""
    made = Table(box=None, pad_edge=False)
    for heading in headings:
        first = not made.columns
        made.add_column(heading, justify="left" if first else "right", no_wrap=not first, overflow="fold")
    return made


def figure(value: float | None, form: str = ".3f") -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else format(value, form)
