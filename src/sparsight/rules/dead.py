"""D10: features that never fire."""

import torch

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

STILL = 1e-3
"""A sigmoid unit that varies less than this does nothing."""


@register("rule", "dead")
class Dead(Rule):
    """Many features do nothing: codes that are 0 in every sample, or of sigmoid units, that never vary.

    Where it was trained here, those count that were idle when it ended. Elsewhere features that are silent in few
    samples may only be rare. Of those, f₁² / 2 (f₂ + 1) are expected, with f₁ and f₂ features that fired once and twice
    (Chao 1984), and are left out. Where a feature has had the chance of few firings, n · L0 / F, nothing is said.

    Args:
        amber: the share of all features.
        red: likewise.
        chances: firings that a feature must have had the chance of.
    """

    id, stage = "D10", 4
    explains = ("display",)
    cause = "A feature that no sample chooses has no gradient: a bad start, too high a learning rate, no revival."
    fix = "Start the encoder as the decoder transposed, lower the learning rate, and revive by AuxK or a nudge."

    def __init__(self, *, amber: float = 0.1, red: float = 0.3, chances: float = 5.0) -> None:
        self.amber, self.red, self.chances = amber, red, chances

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        idle = look.deviation < STILL * max(look.high, 1e-12) if look.dense else look.fired == 0
        rare = float((look.fired == 1).sum()) ** 2 / (2 * float((look.fired == 2).sum()) + 2)
        count = max(0, int(idle.sum()) - round(rare))
        if case.dead is not None and not look.dense:
            count = case.dead
        elif look.n * look.l0 / look.n_latents < self.chances and look.l0:
            return None
        share = count / look.n_latents
        if share < self.amber:
            return None
        said = f"{count:,} of {look.n_latents:,} features are dead: samples never use them"
        number = Number(name="dead features", value=share, limit=self.amber, null=0.0, about="share of all")
        return self.find(
            "red" if share >= self.red else "amber",
            said,
            number,
            changes=_revived(case),
            features=torch.nonzero(idle).flatten(),
        )


def _revived(case: Case) -> list[str]:
    """What the recipe can change: revival where there is none, else a lower rate."""
    recipe = case.recipe
    if recipe is None:
        return []
    changes = []
    architecture = recipe["architecture"]
    for knob, value in (("auxk", 0.03125), ("nudge", 4.0)):
        if architecture.get(knob) == 0:
            changes.append(f"architecture.{knob}={value:g}")
    if recipe["initialisation"] and recipe["initialisation"]["name"] not in ("data", "layerwise"):
        changes.append("initialisation=data")
    lr = case.log[0].lr if case.log else None
    if not changes and lr is not None:
        changes.append(f"train.lr={lr / 3:.3g}")
    return changes
