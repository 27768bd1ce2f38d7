"""Complete named recipes, one TOML file each. Reading them needs no torch."""

import json
import tomllib
from pathlib import Path
from typing import Any

from sparsight.errors import SparsightError, did_you_mean

HERE = Path(__file__).parent


def names() -> list[str]:
    """The named recipes, sorted."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def read(recipe: str | Path) -> dict[str, Any]:
    """A recipe by name, or from a file: TOML, or JSON as runs keep it.

    Raises:
        SparsightError: there is none such, or it is neither.
    """
    path = Path(recipe)
    if path.suffix not in (".toml", ".json"):
        path = HERE / f"{recipe}.toml"
        if not path.is_file() or str(recipe) not in names():
            raise SparsightError(f"unknown recipe {str(recipe)!r}; {did_you_mean(recipe, names())}")
    if not path.is_file():
        raise SparsightError(f"there is no recipe {str(path)!r}")
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SparsightError(f"the recipe {str(path)!r} is no {path.suffix[1:].upper()}: {error}") from None
    if not isinstance(found, dict):
        raise SparsightError(f"the recipe {str(path)!r} is a list or a single value: write keys with values")
    return {"name": path.stem, **found}
