"""Plants."""

from typing import Annotated, Any

import torch
from pydantic import Field

from sparsight.claims._case import Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._intervals import share_of
from sparsight.claims.stability import rows_of
from sparsight.core import Claim, Source
from sparsight.meters.recovery import FOUND, best
from sparsight.sources.planted import Planted
from sparsight.spec import register

SIZES = (0.01, 0.03, 0.1, 0.3)
WINDOW = 3.0
"""The radius in pixels of what is planted in pictures: that of a stroke in a digit."""
HALF = 0.5
"""The share from which on a strength counts as found."""
MOST = 4
"""Directions of each strength in one training; fewer where they would be more than a quarter of the features."""


@register("claim", "plants")
class Plants(Check):
    """Known features that are planted in the run's own data are found, from some strength on.

    Into the training samples of each training go random directions of four strengths, in pictures local and smooth
    ones, see `sources.planted.Planted`: `size` is the power of one where it is, over that of the data. One is found
    where a decoder row has a cosine of .9 to it in the units of the data. The value is the largest share found of any
    strength, with Wilson's interval; its null is the share of those that the run itself has, which never saw them.
    `smallest` is the first strength of which half or more are found. Augmentations are left out, since they would move
    what was planted.
    """

    def __init__(
        self,
        *,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.05,
        trainings: Annotated[int, Field(ge=2)] = 2,
    ) -> None:
        self.share, self.n_trainings = share, trainings

    def refuses(self, case: Case) -> str | None:
        bounded = "the output has bounds that planted samples would leave" if case.sae.output != "identity" else None
        return case.untrainable or case.like_rows or bounded

    def trainings(self, case: Case) -> dict[str, int]:
        return {self._name(n): 1 for n in range(self.n_trainings)}

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        each = max(1, min(MOST, case.sae.n_latents // (4 * len(SIZES))))
        found: dict[float, list[float]] = {size: [] for size in SIZES}
        null: dict[float, list[float]] = {size: [] for size in SIZES}
        for n in range(self.n_trainings):
            planted = self._planted(case, each, n)
            models = case.models(self._name(n), lambda planted=planted: planted[-1], 1, augmentations=[])
            for size, part in zip(SIZES, planted, strict=True):
                found[size] += best(part.truth(), rows_of(models[0]))[0].tolist()
                null[size] += best(part.truth(), rows_of(case.sae))[0].tolist()
        curve = [{**_point(size, found[size]), "null": _point(size, null[size])["share"]} for size in SIZES]
        top = max(curve, key=lambda point: point["share"])
        smallest = next((point["size"] for point in curve if point["share"] >= HALF), None)
        shares = ", ".join(f"{point['share']:.0%} at {point['size']:g}" for point in curve)
        said = (
            f"of known features planted in the training samples, {shares} times the power of the data are found, and "
            f"{top['null']:.0%} by a training without them; "
            + ("no strength is found" if smallest is None else f"the smallest strength that is found is {smallest:g}")
        )
        return Claim(
            name="plants",
            said=said,
            value=top["share"],
            low=top["low"],
            high=top["high"],
            null=top["null"],
            holds=smallest is not None and top["low"] > top["null"],
            numbers={"curve": curve, "smallest": smallest, "share": self.share, "planted": each * self.n_trainings},
        ), {}

    def _name(self, n: int) -> str:
        return f"planted-{n},share={self.share:g}"

    def _planted(self, case: Case, each: int, n: int) -> list[Planted]:
        """The data with the weakest planted, those with the next planted in them, and so on."""
        source: Source = case.real()
        window = WINDOW if source.schema.shape is not None else None
        found = []
        for number, size in enumerate(SIZES):
            seed = 1_000 * (n + 1) + number
            source = Planted(source=source, n=each, share=self.share, size=size, window=window, seed=seed)
            found.append(source)
        return found


def _point(size: float, cosines: list[float]) -> dict[str, Any]:
    hits = sum(cosine >= FOUND for cosine in cosines)
    low, high = share_of(hits, len(cosines))
    return {
        "size": size,
        "planted": len(cosines),
        "share": hits / len(cosines),
        "low": low,
        "high": high,
        "cosine": float(torch.tensor(cosines).median()),
    }
