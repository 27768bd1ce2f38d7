"""A recipe, with the fixes of its findings."""

from collections.abc import Iterable, Mapping
from typing import Any

from sparsight import spec
from sparsight.core import Finding
from sparsight.diagnosis.asking import causes
from sparsight.errors import SparsightError
from sparsight.job import Recipe, completed


def mended(recipe: Mapping[str, Any], findings: Iterable[Finding]) -> tuple[dict[str, Any], list[str]]:
    """A complete recipe with the changes of those findings that are causes, and what was changed.

    What a cause explains is left to that cause, and a key is changed once, by the first finding that names it.

    Raises:
        SparsightError: no finding says how to change a recipe, or what they say is none.
    """
    done: dict[str, str] = {}
    for finding in causes(findings):
        for change in finding.changes:
            key = change.partition("=")[0]
            if not any(key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in done):
                done[key] = change
    if not done:
        raise SparsightError("no finding says what to change in the recipe: read what they say to do")
    changes = list(done.values())
    made = spec.override(recipe, changes)
    completed(Recipe.parse(made))
    return made, changes
