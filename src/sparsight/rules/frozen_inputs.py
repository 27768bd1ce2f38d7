"""D09: weights on inputs that never vary."""

from sparsight.core import Finding, Number
from sparsight.meters.shape import white_noise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "frozen-inputs")
class FrozenInputs(Rule):
    """The encoder's energy lies on inputs that hardly vary: Σ w² there over Σ w², median over live features.

    Args:
        amber: as a share of what noise has there, which is the share of such inputs.
        red: likewise.
        some: the share of such inputs below which they do not matter.
    """

    id, stage = "D09", 5
    explains = ()
    cause = "Weights of inputs that never vary have no gradient, so they stay where they started."
    fix = "Add weight decay, or leave these inputs out."

    def __init__(self, *, amber: float = 0.85, red: float = 0.9, some: float = 0.03) -> None:
        self.amber, self.red, self.some = amber, red, some

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        share = float(look.constant.double().mean())
        filters = look.filters.get("encoder")
        if share < self.some or filters is None or filters.shape[1] != len(look.constant) or not len(filters):
            return None
        energy = filters.square()
        there = float((energy[:, look.constant].sum(1) / energy.sum(1).clamp(min=1e-300)).median())
        null = white_noise(200, filters.shape[1]).square()
        chance = float((null[:, look.constant].sum(1) / null.sum(1)).median())
        if there < self.amber * chance:
            return None
        said = (
            f"{there:.0%} of the energy of encoder filters lies on inputs that never vary; noise has {chance:.0%} there"
        )
        number = Number(
            name="energy on constant inputs",
            value=there,
            limit=self.amber * chance,
            null=chance,
            about="Σ w² there / Σ w²",
        )
        decay = (case.recipe or {}).get("architecture", {}).get("decay")
        changes = ["architecture.decay=0.003"] if decay == 0 else []
        if case.recipe is not None and decay is None:
            changes = ['terms."l2.encoder".weight=1e-3', 'terms."l2.encoder".of=encoder']
        return self.find("red" if there >= self.red * chance else "amber", said, number, changes=changes)
