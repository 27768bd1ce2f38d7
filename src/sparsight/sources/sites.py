"""Several sites as one sample, for crosscoders."""

import copy
import hashlib
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Context, Schema, Source
from sparsight.errors import SparsightError
from sparsight.spec import build, register


@register("source", "sites")
class Sites(Source):
    """Samples that were taken at several places at once, such as the layers of a network, side by side: [N, Σ_s D_s].

    Row n of every site is of the same sample. Labels, weights, words and contexts are those of the first
    site that has some.

    Args:
        sites: the source of each site by its name, in order.
        data: in its place an array in memory for each, [N, D_s]. No recipe can hold them.

    Raises:
        SparsightError: no sites, both kinds, or sites that have not as many samples as the first.
    """

    def __init__(
        self, *, sites: Annotated[dict[str, dict[str, Any]], Field(min_length=1)] | None = None, data: Any = None
    ) -> None:
        if (sites is None) == (data is None):
            raise SparsightError("sites takes sources, or arrays in memory, by name: give one of the two")
        parts: dict[str, Source] = {}
        for name, given in (data if sites is None else sites).items():
            parts[name] = build("source", given) if sites is not None else build("source", "arrays", data=given)
        if not parts:
            raise SparsightError("sites needs at least one array")
        n = {name: len(part) for name, part in parts.items()}
        first = next(iter(n))
        for name, part in parts.items():
            if n[name] != n[first]:
                raise SparsightError(
                    f"the site {name!r} has {n[name]} samples and {first!r} has {n[first]}: give the same to all"
                )
            if part.schema.n_targets is not None:
                raise SparsightError(f"the site {name!r} has targets of its own: leave them out")
        self._join(parts)

    def _join(self, parts: dict[str, Source]) -> None:
        self.parts = parts
        self.stored = any(part.stored for part in parts.values())
        self.finite = all(part.finite for part in parts.values())
        named = next((part for part in parts.values() if part.schema.classes is not None), None)
        widths = {name: part.schema.n_inputs for name, part in parts.items()}
        self.schema = Schema(
            n_inputs=sum(widths.values()), sites=widths, classes=None if named is None else named.schema.classes
        )

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def gather(self, ids: Tensor) -> Tensor:
        return torch.cat([part.gather(ids) for part in self.parts.values()], dim=1)

    def weights(self) -> Tensor | None:
        return next((weights for part in self.parts.values() if (weights := part.weights()) is not None), None)

    def labels(self) -> Tensor | None:
        return next((labels for part in self.parts.values() if (labels := part.labels()) is not None), None)

    def groups(self) -> Tensor | None:
        return next((groups for part in self.parts.values() if (groups := part.groups()) is not None), None)

    def context(self, id: int, reach: int = 12) -> Context | None:
        return next((found for part in self.parts.values() if (found := part.context(id, reach)) is not None), None)

    def words(self) -> tuple[Tensor, tuple[str, ...]] | None:
        return next((words for part in self.parts.values() if (words := part.words()) is not None), None)

    def take(self, ids: Tensor) -> Source:
        chosen = copy.copy(self)
        chosen.parts = {name: part.take(ids) for name, part in self.parts.items()}
        return chosen

    def fingerprint(self) -> str:
        """SHA-256 of the sites' names and fingerprints."""
        named = [f"{name} {part.fingerprint()}" for name, part in self.parts.items()]
        return hashlib.sha256("\n".join(named).encode()).hexdigest()

    def test_part(self) -> Source | None:
        tests = {name: part.test_part() for name, part in self.parts.items()}
        found = {name: test for name, test in tests.items() if test is not None}
        if len(found) < len(tests):
            return None
        joined = copy.copy(self)
        joined._join(found)
        return joined
