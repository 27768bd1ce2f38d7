"""Complete named recipes, one TOML file each. Reading them needs no torch."""

import tomllib
from pathlib import Path
from typing import Any

from sparsight.errors import SparsightError, did_you_mean

HERE = Path(__file__).parent


def names() -> list[str]:
    """The named recipes, sorted."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def read(recipe: str | Path) -> dict[str, Any]:
    """A recipe by name, or from a TOML file.

    Raises:
        SparsightError: there is none such, or it is no TOML.
    """
    path = Path(recipe)
    if path.suffix != ".toml":
        path = HERE / f"{recipe}.toml"
        if not path.is_file() or str(recipe) not in names():
            raise SparsightError(f"unknown recipe {str(recipe)!r}; {did_you_mean(recipe, names())}")
    if not path.is_file():
        raise SparsightError(f"there is no recipe {str(path)!r}")
    try:
        return {"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SparsightError(f"the recipe {str(path)!r} is no TOML: {error}") from None
