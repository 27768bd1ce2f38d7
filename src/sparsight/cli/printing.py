"""How commands print figures."""

import json
from typing import Any

from rich.table import Table


def print_json(record: Any) -> None:
    """One JSON object on stdout, whatever the console is."""
    print(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False))  # noqa: T201


def table(*headings: str) -> Table:
    """A plain table: the first column is text, the others are figures."""
    made = Table(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading, justify="right" if made.columns else "left")
    return made


def figure(value: float | None, form: str = ".3f") -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else format(value, form)
